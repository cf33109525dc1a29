import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { startProcess, type Scope } from "../helpers/resources.ts";
import type { Load, LoadReport } from "./client.ts";

/**
 * Starts the load client as a separate process, so that neither side's work delays the other.
 *
 * @param limitSeconds - after which it ends by itself
 */
export function startLoadProcess(
  scope: Scope,
  port: number,
  options: { limitSeconds?: number; ratePerSecond?: number; tls?: boolean } = {},
): Load {
  const { limitSeconds = 120, ratePerSecond = 220, tls = false } = options;
  const args = [
    fileURLToPath(new URL("client.ts", import.meta.url)),
    "--until-eof",
    `--port=${port}`,
    `--seconds=${limitSeconds}`,
    `--rate=${ratePerSecond}`,
    ...(tls ? ["--tls"] : []),
  ];
  const child = startProcess(scope, process.execPath, args, {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const { stdin, stdout } = child;
  if (stdin === null || stdout === null) throw new Error("the load client has no pipes");
  let ended = 0;
  let report = "";
  createInterface({ input: stdout }).on("line", (line) => {
    if (/^\d+$/.test(line)) ended = Number(line);
    else report = line;
  });
  const closed = once(child, "close");
  return {
    get ended() {
      return ended;
    },
    stop: async () => {
      stdin.end();
      await closed;
      return JSON.parse(report) as LoadReport;
    },
  };
}
