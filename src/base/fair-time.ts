import { readFileSync } from "node:fs";

import { loadOs } from "./builtins.ts";

/** The length of a turn of the clock, and the most that one turn counts, in milliseconds. */
const SLICE_MS = 25;
/**
 * A turn that took longer than this, in milliseconds, was a stall of this process or of the whole machine.
 */
const STALL_MS = 100;
/**
 * The most by which a crowded machine lengthens a wait, as a factor. The schedulers prefer programs that
 * sleep most of the time, as clients do; and a restarted service begins to serve only when the waits are
 * over.
 */
const MOST_CROWDED = 2;
/** The most by which stalls lengthen a wait, as a factor. */
const LONGEST = 4;

/** One wait that the clock measures. All figures are in milliseconds. */
export interface Wait {
  /** Its length on an otherwise idle machine. */
  readonly fullMs: number;
  /** The part of it that a client could use so far. */
  readonly fairMs: number;
  /** The time of the turns in which it waited, regardless of other programs. */
  readonly turnsMs: number;
}

/** The measurements of one turn of the clock. */
export interface Turn {
  /** The time since the previous turn. */
  readonly elapsedMs: number;
  /** The number of runnable programs for each processor; 1 when all of them run. */
  readonly crowding: number;
}

/**
 * Begins a wait.
 *
 * @param sinceTurnMs - the elapsed part of the present turn, which does not count
 */
export function newWait(fullMs: number, sinceTurnMs = 0): Wait {
  return { fullMs, fairMs: -sinceTurnMs, turnsMs: -sinceTurnMs };
}

/**
 * Counts one turn. A turn counts at most a slice, so that a stall, after which every timer is due, is not
 * counted as time in which a client could act. It counts less the more programs want the processors, because
 * the client is one of them. After a stall the wait of the client begins again.
 */
export function pass(wait: Wait, { elapsedMs, crowding }: Turn): Wait {
  const countedMs = Math.min(elapsedMs, SLICE_MS);
  const turnsMs = wait.turnsMs + countedMs;
  if (elapsedMs > STALL_MS) return { ...wait, fairMs: 0, turnsMs };
  const share = Math.min(MOST_CROWDED, Math.max(1, crowding));
  return { ...wait, fairMs: wait.fairMs + countedMs / share, turnsMs };
}

/** Whether the client had its time. */
export function isOver({ fullMs, fairMs, turnsMs }: Wait): boolean {
  return fairMs >= fullMs || turnsMs >= LONGEST * fullMs;
}

/** Measures waits by {@link pass}. */
export interface FairClock {
  /** Calls the action when the wait is over and the event loop has read all data that had arrived by then. */
  after(fullMs: number, action: () => void): void;
  /** Cancels all waits. */
  stop(): void;
}

/** Starts a clock. It runs only while there is a wait. */
export function openFairClock(): FairClock {
  let waits: { wait: Wait; readonly action: () => void }[] = [];
  let timer: NodeJS.Timeout | undefined;
  let turnedAt = 0;
  const start = (): void => {
    if (timer !== undefined || waits.length === 0) return;
    turnedAt = performance.now();
    timer = setTimeout(() => afterTwoPolls(turn), Math.min(SLICE_MS, shortest(waits)));
  };
  const turn = (): void => {
    if (timer === undefined) return;
    timer = undefined;
    const measured = { elapsedMs: performance.now() - turnedAt, crowding: readCrowding() };
    waits = waits.map(({ wait, action }) => ({ wait: pass(wait, measured), action }));
    const over = waits.filter(({ wait }) => isOver(wait));
    waits = waits.filter(({ wait }) => !isOver(wait));
    for (const { action } of over) action();
    start();
  };
  return {
    after: (fullMs, action) => {
      const sinceTurnMs = timer === undefined ? 0 : performance.now() - turnedAt;
      waits.push({ wait: newWait(fullMs, sinceTurnMs), action });
      start();
    },
    stop: () => {
      waits = [];
      clearTimeout(timer);
      timer = undefined;
    },
  };
}

/**
 * Runs an action after two poll phases. Timers run before the poll phase, so that after a timer alone, data
 * that has arrived may be unread; the second phase reads the data that the first one made available, such as
 * the request after a handshake.
 */
export function afterTwoPolls(action: () => void): void {
  setImmediate(() => setImmediate(action));
}

function shortest(waits: readonly { readonly wait: Wait }[]): number {
  return Math.min(...waits.map(({ wait }) => wait.fullMs));
}

/** The load of the machine at this moment; 1 where the system does not publish it (not Linux). */
function readCrowding(): number {
  try {
    const runnable = /(\d+)\/\d+/.exec(readFileSync("/proc/loadavg", "latin1"))?.[1];
    return Number(runnable ?? 1) / loadOs().availableParallelism();
  } catch {
    // Without the file, the lateness of this event loop is the only measure.
    return 1;
  }
}
