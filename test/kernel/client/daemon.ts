import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";

import { homeAt, type Home } from "../../../src/base/home.ts";
import { type Scope, startProcess, temporaryDirectory } from "../../helpers/resources.ts";

export const MAIN: string = fileURLToPath(new URL("../../../src/kernel/main.ts", import.meta.url));

export interface Daemon {
  readonly home: Home;
  readonly child: ChildProcess;
  readonly port: number | undefined;
}

/** Starts the kernel's program and waits until it writes READY. */
export async function startDaemon(
  scope: Scope,
  options: { readonly home?: Home; readonly port?: number } = {},
): Promise<Daemon> {
  const home = options.home ?? homeAt(temporaryDirectory(scope));
  const args = [MAIN, "--home", home.directory];
  if (options.port !== undefined) args.push("--port", String(options.port));
  const child = startProcess(scope, process.execPath, args, {
    stdio: ["ignore", "ignore", "ignore", "pipe"],
    env: { ...process.env, NEWEL_NOTIFY_FD: "3" },
  });
  let port: number | undefined;
  for await (const line of createInterface({ input: child.stdio[3] as Readable })) {
    const said = /^STATUS=port (\d+)$/.exec(line);
    if (said !== null) port = Number(said[1]);
    if (line === "READY=1") return { home, child, port };
  }
  throw new Error(`the kernel ended before it was ready: ${JSON.stringify(await ended(child))}`);
}

export async function ended(child: ChildProcess): Promise<number | NodeJS.Signals | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  return child.exitCode ?? child.signalCode;
}
