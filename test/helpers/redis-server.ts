import { spawnSync } from "node:child_process";
import { connect } from "node:net";

import { eventually, freePort, type Scope, startProcess, temporaryDirectory } from "./resources.ts";

/** Why tests that need a Redis server cannot run here, for `{ skip }`; `false` when they can. */
export const withoutRedis: string | false =
  spawnSync("redis-server", ["--version"]).status === 0
    ? false
    : "needs a Redis server: apt-get install redis-server";

/**
 * Starts a separate Redis server for a test.
 *
 * @param aof - `everysec` or `always`; without it the server keeps no data on disk
 * @returns its port on loopback, and the process
 */
export async function startRedis(
  scope: Scope,
  aof?: "everysec" | "always",
): Promise<{ port: number; pid: number }> {
  const port = await freePort();
  const options = {
    port,
    bind: "127.0.0.1",
    save: "",
    dir: temporaryDirectory(scope),
    ...(aof === undefined ? {} : { appendonly: "yes", appendfsync: aof }),
  };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const child = startProcess(scope, "redis-server", args);
  await eventually(() => accepts(port), "Redis listens");
  return { port, pid: child.pid ?? 0 };
}

export function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
