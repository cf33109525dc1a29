import { spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants } from "node:fs";
import { isMainThread } from "node:worker_threads";

import { messageOf, newelError } from "../../base/errors.ts";
import { setCloseOnExec } from "../../posix/descriptors.ts";
import type { Bus } from "../bus.ts";
import { inheritance, leaveEstate } from "../inheritance.ts";
import { REHEARSAL } from "../rehearsal.ts";

export interface ReexecOptions {
  /**
   * Load the program in a child first, up to its `bus.start()`, and refuse the restart when that
   * fails: the old image goes on serving. Default true.
   */
  readonly rehearse?: boolean;
  /** How long the rehearsal may take, in milliseconds. Default 20,000. */
  readonly rehearsalMs?: number;
}

const DEFAULT_REHEARSAL_MS = 20_000;
/** How much of a failed rehearsal's stderr the error quotes, in characters. */
const QUOTED = 2_000;

/** How often this process has replaced its program: 0 for the first image. */
export function generation(): number {
  return inheritance().generation;
}

/**
 * Makes `bus.restart()` replace the program by a new image of itself with the same pid (execve). What
 * listeners of the channel `handover` give (descriptors by name) stays open for the new image:
 * listening sockets, the lock of the pidfile. The working directory of the start, Node's own options
 * and the arguments are kept.
 *
 * Child processes stay children of this pid, but the new image does not know them: end them in a
 * `stop` listener.
 */
export function reexec(bus: Bus, options: ReexecOptions = {}): void {
  const { generation, daemon } = inheritance();
  const directory = process.cwd();
  bus.subscribe("restart", ({ signal }) => prepare(options, directory, signal), { name: "reexec" });
  bus.replaceWith(() => {
    const descriptors: Record<string, number> = {};
    for (const given of bus.publish("handover")) Object.assign(descriptors, given);
    bus.log(`Restarting: generation ${generation + 1}`);
    // Only now: until here they must not leak into children.
    for (const fd of Object.values(descriptors)) setCloseOnExec(fd, false);
    process.chdir(directory);
    const estate = { generation: generation + 1, descriptors, daemon };
    process.execve?.(process.execPath, commandLine(), leaveEstate(process.env, estate));
  });
}

function commandLine(): string[] {
  return [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
}

async function prepare(
  options: ReexecOptions,
  directory: string,
  signal: AbortSignal,
): Promise<void> {
  const why = obstacle();
  if (why !== undefined) throw newelError("NEWEL_E_BUS_RESTART_REFUSED", { why });
  if (options.rehearse !== false) await rehearse(options, directory, signal);
}

/** What makes a restart impossible, seen before anything is stopped. */
function obstacle(): string | undefined {
  if (process.execve === undefined) return "this platform has no execve";
  if (!isMainThread) return "it was asked for in a worker thread";
  if (process.connected) return "the parent process would lose its IPC channel";
  if (process.argv[1] === "-") return "the program was read from stdin";
  const needed: [string | undefined, number][] = [
    [process.execPath, constants.X_OK],
    [process.argv[1], constants.R_OK],
  ];
  for (const [path, mode] of needed) {
    try {
      if (path !== undefined) accessSync(path, mode);
    } catch (error) {
      return messageOf(error);
    }
  }
  return undefined;
}

async function rehearse(
  options: ReexecOptions,
  directory: string,
  signal: AbortSignal,
): Promise<void> {
  const [command = process.execPath, ...args] = commandLine();
  const limitMs = options.rehearsalMs ?? DEFAULT_REHEARSAL_MS;
  const child = spawn(command, args, {
    cwd: directory,
    env: { ...process.env, [REHEARSAL]: "1" },
    stdio: ["ignore", "ignore", "pipe"],
    timeout: limitMs,
    killSignal: "SIGKILL",
    signal,
  });
  let said = "";
  child.stderr.on("data", (chunk) => (said = (said + String(chunk)).slice(-QUOTED)));
  const [code, killed] = (await once(child, "close")) as [number | null, string | null];
  if (code === 0) return;
  const how = killed === null ? `code ${code}` : `${killed} (after ${limitMs} ms at most)`;
  const why = `the new code did not come up to its start: ${how}\n${said.trim()}`;
  throw newelError("NEWEL_E_BUS_RESTART_REFUSED", { why });
}
