import { atFirstPort, namesPort } from "./references.ts";
import { type Finding, type Key, quoted } from "./problems.ts";
import { parsePortRange } from "./port-range.ts";
import type { CheckedAlive, CheckedReady } from "./policy-schema.ts";
import type { CheckedService } from "./schema.ts";
import { parseAddress } from "./host-port.ts";
import { isHost, listenEntries } from "./sockets.ts";

type At = (...keys: Key[]) => Key[];

const PROBES = ["http", "tcp", "log", "pattern", "command", "notify"] as const;

/** Readiness that contradicts itself, and probes of the wrong form. */
export function readyFindings(service: CheckedService, ready: CheckedReady, at: At): Finding[] {
  const findings: Finding[] = [];
  const kinds = PROBES.filter((kind) => ready[kind] !== undefined && ready[kind] !== false);
  if (kinds.length > 1) {
    const says = `has ${kinds.map((kind) => quoted(kind)).join(" and ")}: write one of them.`;
    findings.push({ keys: at("ready"), says });
  }
  const { pattern } = ready;
  const wrong = pattern === undefined ? undefined : patternProblem(pattern);
  if (wrong !== undefined)
    findings.push({
      keys: at("ready", "pattern"),
      says: `is ${quoted(pattern ?? "")}, which is no regular expression: ${wrong}.`,
    });
  return [...findings, ...probeFindings(service, ready, (key) => at("ready", key))];
}

const ALIVE_PROBES = ["http", "tcp", "command"] as const;

/** Liveness checks that contradict themselves, and probes of the wrong form. */
export function aliveFindings(service: CheckedService, alive: CheckedAlive, at: At): Finding[] {
  const kinds = ALIVE_PROBES.filter((kind) => alive[kind] !== undefined);
  const says =
    kinds.length === 0
      ? 'has no check: write "http", "tcp" or "command", as in { http: "/healthz" }.'
      : `has ${kinds.map((kind) => quoted(kind)).join(" and ")}: write one of them.`;
  return [
    ...(kinds.length === 1 ? [] : [{ keys: at("alive"), says }]),
    ...probeFindings(service, alive, (key) => at("alive", key)),
  ];
}

/** Why a regular expression is none. */
function patternProblem(pattern: string): string | undefined {
  try {
    RegExp(pattern, "u");
    return undefined;
  } catch (error) {
    if (error instanceof SyntaxError)
      return error.message.replace(/^Invalid regular expression: /, "");
    throw error;
  }
}

/** The address and the path of a probe. */
function probeFindings(
  service: CheckedService,
  probe: CheckedAlive,
  at: (key: "tcp" | "http") => Key[],
): Finding[] {
  const findings: Finding[] = [];
  const range = parsePortRange(service.portRange ?? "");
  const tcp = probe.tcp === undefined ? undefined : atFirstPort(probe.tcp, range);
  const http = probe.http === undefined ? undefined : atFirstPort(probe.http, range);
  // Reported as a reference without a value.
  if (namesPort(tcp ?? http ?? "")) return findings;
  if (tcp !== undefined && !isProbeAddress(tcp))
    findings.push({
      keys: at("tcp"),
      says: `is ${quoted(tcp)}; must be an address: "127.0.0.1:6380".${/^\d+$/.test(tcp) ? ` Did you mean "127.0.0.1:${tcp}"?` : ""}`,
    });
  if (http === undefined) return findings;
  if (!http.startsWith("/") && !isHttpUrl(http))
    findings.push({
      keys: at("http"),
      says: `is ${quoted(http)}; must be a path or an http URL: "/healthz", "http://127.0.0.1:8000/healthz".${/^[\w/-]+$/.test(http) ? ` Did you mean ${quoted(`/${http}`)}?` : ""}`,
    });
  if (http.startsWith("/") && service.run !== undefined && listenEntries(service).length === 0)
    findings.push({
      keys: at("http"),
      says: `is ${quoted(http)}, but the service listens on nothing newel knows: write the whole URL, "http://127.0.0.1:8000${http}".`,
    });
  return findings;
}

function isProbeAddress(text: string): boolean {
  const host = parseAddress(text)?.host;
  return host !== undefined && (isHost(host) || /^[A-Za-z0-9.-]+$/.test(host));
}

function isHttpUrl(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && url.protocol === "http:" && url.username === "" && url.password === "";
}
