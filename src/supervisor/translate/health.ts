import type { Setting, Settings } from "./draft.ts";
import { scalar } from "./parsed.ts";

/** Programs that ask a server whether it is there, with the port of that server. */
const ASKING: readonly (readonly [pattern: RegExp, port: number])[] = [
  [/\bpg_isready\b/, 5432],
  [/\b(?:redis|valkey)-cli\b/, 6379],
  [/\bmysqladmin\b|\bmariadb-admin\b|healthcheck\.sh/, 3306],
  [/\bmongosh?\b/, 27_017],
  [/\brabbitmq-diagnostics\b/, 5672],
];

/**
 * The readiness that a command such as `curl -f http://localhost:3000/healthz` means.
 *
 * @param listen - the socket that newel holds, whose replicas are asked one by one
 * @param publishedOf - the port of this machine for one of the program
 */
export function probeOf(
  command: string,
  listen: Setting,
  publishedOf: (port: number) => number,
): Settings | undefined {
  const url =
    /http:\/\/(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\])(?::(\d+))?(\/[^\s"'|;)\]]*)?/.exec(
      command,
    );
  if (url !== null) {
    const [, digits = "80", path = "/"] = url;
    const port = Number(digits);
    if (typeof listen === "number" || typeof listen === "string")
      if (String(listen).endsWith(digits) || typeof listen === "number") return { http: path };
    return { http: `http://127.0.0.1:${publishedOf(port)}${path}` };
  }
  const [, , netcat] =
    /\bnc\b[^|;]*\s(localhost|127\.0\.0\.1|0\.0\.0\.0)\s+(\d+)/.exec(command) ?? [];
  if (netcat !== undefined) return { tcp: `127.0.0.1:${publishedOf(Number(netcat))}` };
  const asking = ASKING.find(([pattern]) => pattern.test(command));
  if (asking === undefined) return undefined;
  const own = /\s(?:-p|--port)[ =]?(\d+)/.exec(command)?.[1];
  return { tcp: `127.0.0.1:${publishedOf(own === undefined ? asking[1] : Number(own))}` };
}

const UNITS: Readonly<Record<string, number>> = {
  us: 0.001,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** `1m30s`, `500ms`, or seconds as a number: milliseconds. */
export function goDuration(value: unknown): number | undefined {
  const text = scalar(value)?.trim();
  if (text === undefined || text === "") return undefined;
  if (/^\d+(?:\.\d+)?$/.test(text)) return Number(text) * 1000;
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(us|ms|s|m|h)/g)];
  if (parts.length === 0 || parts.map(([part]) => part).join("") !== text) return undefined;
  return parts.reduce(
    (sum, [, amount = "0", unit = "s"]) => sum + Number(amount) * (UNITS[unit] ?? 1000),
    0,
  );
}
