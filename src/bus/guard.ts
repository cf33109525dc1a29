import { constants } from "node:os";

import { systemCode } from "../base/errors.ts";
import {
  caughtSignals,
  endTrace,
  interruptTraced,
  letGoOn,
  nextTraceEvent,
  threadsOf,
  traceSignals,
} from "../posix/trace.ts";
import { GUARD, REHEARSAL_FD } from "./rehearsal.ts";

/**
 * Between execve and its first handler a Node.js program has the default action for every signal,
 * and Node.js resets any mask that it was started with: a SIGHUP during these tenths of a second
 * would end the program that it was meant to restart. The rehearsal of the new code, which is a
 * process anyway, stays for that time and holds such signals back.
 */

const HELD = ["SIGHUP", "SIGINT", "SIGTERM", "SIGUSR2"] as const;
const HELD_NUMBERS = new Set<number>(HELD.map((name) => constants.signals[name]));
/**
 * The poll interval, the longest time that signals are held, and the time limit of the release, in
 * milliseconds.
 */
const LOOK_MS = 1;
const HOLD_MS = 20_000;
const LET_GO_MS = 1_000;

/**
 * In the rehearsal: reports that the program loads, then waits for the request to guard its parent,
 * or for the parent to release it.
 */
export async function guardParent(): Promise<void> {
  const parent = process.ppid;
  const { Socket } = process.getBuiltinModule("node:net");
  const channel = new Socket({ fd: REHEARSAL_FD, readable: true, writable: true });
  await new Promise<void>((resolve) => {
    channel.on("error", () => resolve());
    channel.on("close", () => resolve());
    channel.on("end", () => resolve());
    channel.on("data", () => {
      const caught = caughtSignals(parent);
      const holds = traceSignals(parent);
      channel.write(holds ? GUARD.holding : GUARD.cannot, () => {
        if (holds) holdSignals(parent, caught);
        resolve();
      });
    });
    channel.write(GUARD.loaded);
  });
}

/**
 * Holds signals back until the new image has the handlers of the old image, then delivers them to
 * it.
 */
function holdSignals(pid: number, caughtBefore: bigint): void {
  const wanted = [...HELD_NUMBERS].filter((signal) => isIn(caughtBefore, signal));
  const until = performance.now() + HOLD_MS;
  const held: number[] = [];
  let executed = false;
  while (performance.now() < until && !(executed && listens(pid, wanted))) {
    pause();
    for (let event = nextTraceEvent(); event !== undefined; event = nextTraceEvent()) {
      const { thread, kind, signal } = event;
      if (kind === "ended" && thread === pid) return;
      executed ||= kind === "executed";
      const holds = kind === "signal" && HELD_NUMBERS.has(signal);
      if (holds) held.push(signal);
      if (kind !== "ended") letGoOn(thread, holds ? 0 : signal);
    }
  }
  letGo(pid);
  giveBack(pid, held);
}

/** Signals that arrive in the meantime are delivered: from now on there are handlers. */
function letGo(pid: number): void {
  const until = performance.now() + LET_GO_MS;
  const traced = new Set(threadsOf(pid));
  for (const thread of traced) interruptTraced(thread);
  while (traced.size > 0 && performance.now() < until) {
    const event = nextTraceEvent();
    if (event === undefined) {
      pause();
      continue;
    }
    if (event.kind !== "ended") endTrace(event.thread, event.signal);
    traced.delete(event.thread);
  }
}

/** One by one: the system merges two pending signals of the same number. */
function giveBack(pid: number, held: readonly number[]): void {
  for (const signal of held) {
    process.kill(pid, signal);
    pause();
  }
}

function listens(pid: number, wanted: readonly number[]): boolean {
  try {
    const caught = caughtSignals(pid);
    return wanted.every((signal) => isIn(caught, signal));
  } catch (error) {
    // The process has just ended; the next poll notices that.
    if (["ENOENT", "ESRCH"].includes(systemCode(error) ?? "")) return false;
    throw error;
  }
}

function isIn(mask: bigint, signal: number): boolean {
  return ((mask >> BigInt(signal - 1)) & 1n) === 1n;
}

const clock = new Int32Array(new SharedArrayBuffer(4));

/** Blocks the tracing thread, because only that thread may make ptrace requests. */
function pause(): void {
  Atomics.wait(clock, 0, 0, LOOK_MS);
}
