import { readFileSync } from "node:fs";

import { loadOs } from "./builtins.ts";

/** What one turn of the clock counts at most, and how often it turns. */
const SLICE_MS = 25;
/** A turn that took longer than this was a stall: of this process, or of the whole machine. */
const STALL_MS = 100;
/**
 * How many times longer a crowded machine makes a wait at most. The schedulers prefer programs that sleep
 * most of the time, as clients do; and a restart begins to serve only when the waits are over.
 */
const MOST_CROWDED = 2;
/** How many times longer a wait becomes at most, by stalls. */
const LONGEST = 4;

/** One wait that the clock measures. All figures are milliseconds. */
export interface Wait {
  /** How long it lasts where nothing else wants the machine. */
  readonly fullMs: number;
  /** What a client has had of it. */
  readonly fairMs: number;
  /** The turns of this event loop in which it waited, without regard to others. */
  readonly turnsMs: number;
}

/** What one turn of the clock has measured. */
export interface Turn {
  /** Since the turn before. */
  readonly elapsedMs: number;
  /** Programs that want a processor for each processor; 1 when all of them run. */
  readonly crowding: number;
}

/**
 * Begins a wait.
 *
 * @param sinceTurnMs - how much of the turn under way is over: that part does not count
 */
export function newWait(fullMs: number, sinceTurnMs = 0): Wait {
  return { fullMs, fairMs: -sinceTurnMs, turnsMs: -sinceTurnMs };
}

/**
 * Lets one turn pass. A turn counts at most a slice, so that a stall, after which every timer has run
 * out, is not taken for time in which a client could act. It counts less the more programs want the
 * processors: the client is one of them. After a stall the client begins from the start too.
 */
export function pass(wait: Wait, { elapsedMs, crowding }: Turn): Wait {
  const countedMs = Math.min(elapsedMs, SLICE_MS);
  const turnsMs = wait.turnsMs + countedMs;
  if (elapsedMs > STALL_MS) return { ...wait, fairMs: 0, turnsMs };
  const share = Math.min(MOST_CROWDED, Math.max(1, crowding));
  return { ...wait, fairMs: wait.fairMs + countedMs / share, turnsMs };
}

/** Whether a client has had its time. */
export function isOver({ fullMs, fairMs, turnsMs }: Wait): boolean {
  return fairMs >= fullMs || turnsMs >= LONGEST * fullMs;
}

/** Measures waits by {@link pass}. */
export interface FairClock {
  /** Calls the action when the wait is over and the event loop has read what had arrived by then. */
  after(fullMs: number, action: () => void): void;
  /** Forgets all waits. */
  stop(): void;
}

/** Starts a clock. It runs only while something waits. */
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
 * Runs an action after two poll phases. Timers run before the poll phase, so that a timer alone knows
 * nothing of what has arrived; the second phase reads what the first one made ready, such as the
 * request behind a handshake.
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
    // No such file: the lateness of this event loop is then the only measure.
    return 1;
  }
}
