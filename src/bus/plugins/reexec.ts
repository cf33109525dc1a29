import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants } from "node:fs";
import type { Socket } from "node:net";
import { isMainThread } from "node:worker_threads";

import { messageOf, newelError } from "../../base/errors.ts";
import { sleep } from "../../base/timers.ts";
import { setCloseOnExec } from "../../posix/descriptors.ts";
import { reapChild } from "../../posix/process.ts";
import { allowTracer } from "../../posix/trace.ts";
import type { Bus } from "../bus.ts";
import { ChannelFailures } from "../failures.ts";
import { inheritance, leaveEstate } from "../inheritance.ts";
import { GUARD, REHEARSAL, REHEARSAL_FD } from "../rehearsal.ts";

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
/** How long the rehearsal may take to begin to guard, and how often its end is looked for, in milliseconds. */
const GUARD_MS = 1_000;
const REAP_MS = 100;
/** How many restarts that were asked for during others may follow. */
const OWED_LIMIT = 10;
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
 * While the new image has no handlers yet, the rehearsal holds SIGHUP, SIGINT, SIGTERM and SIGUSR2 back
 * and gives them to it once it has (ptrace; where that is not allowed, as after dropped privileges, such
 * a signal ends it). A restart asked for during a restart follows it, each one
 * of them and ten at most.
 *
 * Child processes stay children of this pid, but the new image does not know them: end them in a
 * `stop` listener.
 */
export function reexec(bus: Bus, options: ReexecOptions = {}): void {
  const { generation, daemon, guard: past, owed } = inheritance();
  const directory = process.cwd();
  let rehearsal: Rehearsal | undefined;
  if (past !== undefined) reap(past);
  if (owed > 0) bus.subscribe("started", () => restartOnce(bus), { name: "reexec" });
  bus.subscribe(
    "restart",
    async ({ signal }) => {
      checkObstacles();
      if (options.rehearse !== false)
        rehearsal = await rehearse(options.rehearsalMs, directory, signal);
    },
    { name: "reexec" },
  );
  bus.replaceWith(async () => {
    const descriptors: Record<string, number> = {};
    for (const given of bus.publish("handover")) Object.assign(descriptors, given);
    bus.log(`Restarting: generation ${generation + 1}`);
    const guard = await rehearsal?.guard();
    // Only now: until here they must not leak into children.
    for (const fd of Object.values(descriptors)) setCloseOnExec(fd, false);
    process.chdir(directory);
    const left = Math.min(Math.max(0, owed - 1) + bus.restartsOwed, OWED_LIMIT);
    const estate = { generation: generation + 1, descriptors, daemon, owed: left };
    const next = guard === undefined ? estate : { ...estate, guard };
    process.execve?.(process.execPath, commandLine(), leaveEstate(process.env, next));
  });
}

/** A restart that was asked for during the last one; a refusal stands in the log. */
function restartOnce(bus: Bus): void {
  bus.restart().catch((error: unknown) => {
    if (!(error instanceof ChannelFailures)) bus.log("Not restarted again.", "error", error);
  });
}

/** The guard of the last restart is a child of this process, which did not start it. */
function reap(pid: number): void {
  const timer = setInterval(() => {
    if (reapChild(pid)) clearInterval(timer);
  }, REAP_MS).unref();
}

function commandLine(): string[] {
  return [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
}

function checkObstacles(): void {
  const why = obstacle();
  if (why !== undefined) throw newelError("NEWEL_E_BUS_RESTART_REFUSED", { why });
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

/** The new code, loaded in a child up to its `bus.start()`. */
interface Rehearsal {
  /** Has it hold signals back from now on; its pid, or `undefined` where it may not. */
  guard(): Promise<number | undefined>;
}

async function rehearse(
  limitMs = DEFAULT_REHEARSAL_MS,
  directory: string,
  signal: AbortSignal,
): Promise<Rehearsal> {
  const [command = process.execPath, ...args] = commandLine();
  const child = spawn(command, args, {
    cwd: directory,
    env: { ...process.env, [REHEARSAL]: "1" },
    stdio: ["ignore", "ignore", "pipe", "pipe"],
    signal,
  });
  let said = "";
  child.stderr?.on("data", (chunk) => (said = (said + String(chunk)).slice(-QUOTED)));
  // Aborted, it is killed, and its end is what is reported.
  child.on("error", (error) => (said += messageOf(error)));
  const channel = child.stdio[REHEARSAL_FD] as Socket;
  channel.on("error", () => channel.destroy());
  const late = setTimeout(() => child.kill("SIGKILL"), limitMs);
  const ended = once(child, "close") as Promise<[number | null, string | null]>;
  const first = await Promise.race([ended, once(channel, "data")]).finally(() =>
    clearTimeout(late),
  );
  if (String(first[0]) === GUARD.loaded) {
    // It waits for its word or for the end of this process, and does not keep it.
    for (const end of [child, channel, child.stderr as Socket]) end.unref();
    return { guard: () => askGuard(child, channel) };
  }
  const [code, killed] = await ended;
  const how = killed === null ? `code ${code}` : `${killed} (after ${limitMs} ms at most)`;
  const why = `the new code did not come up to its start: ${how}\n${said.trim()}`;
  throw newelError("NEWEL_E_BUS_RESTART_REFUSED", { why });
}

async function askGuard(child: ChildProcess, channel: Socket): Promise<number | undefined> {
  const { pid } = child;
  if (pid === undefined || child.exitCode !== null || channel.destroyed) return undefined;
  allowTracer(pid);
  channel.write("hold\n");
  const abort = new AbortController();
  const answer = once(channel, "data", { signal: abort.signal }).then(([data]) => String(data));
  const said = await Promise.race([answer.catch(() => ""), sleep(GUARD_MS, abort.signal)]);
  abort.abort();
  return said === GUARD.holding ? pid : undefined;
}
