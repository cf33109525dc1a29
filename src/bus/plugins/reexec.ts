import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants } from "node:fs";
import type { Socket } from "node:net";

import { messageOf, newelError } from "../../base/errors.ts";
import { sleep } from "../../base/timers.ts";
import type { Bus } from "../bus.ts";
import { ChannelFailures } from "../failures.ts";
import { inheritance, leaveEstate } from "../inheritance.ts";
import { GUARD, REHEARSAL, REHEARSAL_FD } from "../rehearsal.ts";

/** Options of `reexec`. */
export interface ReexecOptions {
  /**
   * Load the program in a child first, up to its `bus.start()`, and refuse the restart when that
   * fails: the old image continues to serve. Default true.
   */
  readonly rehearse?: boolean;
  /** The time limit of the rehearsal, in milliseconds. Default 20,000. */
  readonly rehearsalMs?: number;
}

const DEFAULT_REHEARSAL_MS = 20_000;
/**
 * The time limit for the rehearsal to begin guarding, and the poll interval for its end, in
 * milliseconds.
 */
const GUARD_MS = 1_000;
const REAP_MS = 100;
/** The most restarts, requested during others, that may follow. */
const OWED_LIMIT = 10;
/** The most characters of a failed rehearsal's stderr that the error quotes. */
const QUOTED = 2_000;

/** The number of times that this process has replaced its program: 0 for the first image. */
export function generation(): number {
  return inheritance().generation;
}

/**
 * Makes `bus.restart()` replace the program by a new image of itself with the same pid (execve).
 * The descriptors that listeners of the channel `handover` return (by name) stay open for the new
 * image: listening sockets, the lock of the pidfile. The working directory of the start, Node's own
 * options and the arguments are kept.
 *
 * While the new image has no handlers yet, the rehearsal holds SIGHUP, SIGINT, SIGTERM and SIGUSR2
 * back and delivers them once it has (ptrace; if that is not allowed, as after dropped privileges,
 * such a signal ends it). Restarts requested during a restart follow it, ten at most.
 *
 * Child processes stay children of this pid, but the new image does not know them: end them in a
 * `stop` listener.
 */
export function reexec(bus: Bus, options: ReexecOptions = {}): void {
  const { generation, daemon, guard: past, owed } = inheritance();
  const directory = process.cwd();
  let rehearsal: Rehearsal | undefined;
  if (past !== undefined) void reap(past);
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
    const { setCloseOnExec } = await import("../../posix/descriptors.ts");
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

/** A restart that was requested during the last one; a refusal is in the log. */
function restartOnce(bus: Bus): void {
  bus.restart().catch((error: unknown) => {
    if (!(error instanceof ChannelFailures)) bus.log("Not restarted again.", "error", error);
  });
}

/**
 * The guard of the last restart is a child of this process, although this image did not start it.
 */
async function reap(pid: number): Promise<void> {
  const { reapChild } = await import("../../posix/process.ts");
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

/** The reason why a restart is impossible, checked before anything is stopped. */
function obstacle(): string | undefined {
  if (process.execve === undefined) return "this platform has no execve";
  if (!process.getBuiltinModule("node:worker_threads").isMainThread)
    return "it was asked for in a worker thread";
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
  /** Makes it hold signals back from now on; its pid, or `undefined` if it may not. */
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
  // After an abort it is killed, and its end is reported.
  child.on("error", (error) => (said += messageOf(error)));
  const channel = child.stdio[REHEARSAL_FD] as Socket;
  channel.on("error", () => channel.destroy());
  const late = setTimeout(() => child.kill("SIGKILL"), limitMs);
  const ended = once(child, "close") as Promise<[number | null, string | null]>;
  const first = await Promise.race([ended, once(channel, "data")]).finally(() =>
    clearTimeout(late),
  );
  if (String(first[0]) === GUARD.loaded) {
    // The child waits for a message or for the end of this process, and does not keep this process
    // alive.
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
  const { allowTracer } = await import("../../posix/trace.ts");
  allowTracer(pid);
  channel.write("hold\n");
  const abort = new AbortController();
  const answer = once(channel, "data", { signal: abort.signal }).then(([data]) => String(data));
  const said = await Promise.race([answer.catch(() => ""), sleep(GUARD_MS, abort.signal)]);
  abort.abort();
  return said === GUARD.holding ? pid : undefined;
}
