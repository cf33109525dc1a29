import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { text } from "node:stream/consumers";

import { startProcess, type Scope } from "../helpers/resources.ts";
import type { Load, LoadReport } from "./client.ts";

/**
 * Starts the load client as a process of its own, so that neither side's work delays the other.
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
  const output = text(stdout);
  const exited = once(child, "exit");
  return {
    stop: async () => {
      stdin.end();
      await exited;
      return JSON.parse(await output) as LoadReport;
    },
  };
}
