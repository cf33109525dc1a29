import { Socket } from "node:net";
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
 * Between execve and its first handler a Node.js program has the default action for every signal, and
 * Node.js undoes any mask it was started with: a SIGHUP in these tenths of a second would end what it
 * was to restart. The rehearsal of the new code, a process anyway, stays for that long and holds such
 * signals back.
 */

const HELD = ["SIGHUP", "SIGINT", "SIGTERM", "SIGUSR2"] as const;
const HELD_NUMBERS = new Set<number>(HELD.map((name) => constants.signals[name]));
/** How often it looks, how long it holds at most, and how long letting go may take, in milliseconds. */
const LOOK_MS = 1;
const HOLD_MS = 20_000;
const LET_GO_MS = 1_000;

/**
 * In the rehearsal: says that the program loads, then waits to be told to guard its parent, or for the
 * parent to let go.
 */
export async function guardParent(): Promise<void> {
  const parent = process.ppid;
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

/** Holds signals back until the new image listens as the old one did, then gives them to it. */
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

/** Whatever comes meanwhile is delivered: from now on there are handlers. */
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

/** One by one: of the same signal twice at once the system makes one. */
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
    // It has just ended; the next look sees that.
    if (["ENOENT", "ESRCH"].includes(systemCode(error) ?? "")) return false;
    throw error;
  }
}

function isIn(mask: bigint, signal: number): boolean {
  return ((mask >> BigInt(signal - 1)) & 1n) === 1n;
}

const clock = new Int32Array(new SharedArrayBuffer(4));

/** On the very thread that traces: only it may ask. */
function pause(): void {
  Atomics.wait(clock, 0, 0, LOOK_MS);
}
