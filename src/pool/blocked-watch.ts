import { monotonicMs, setImmediate } from "../base/globals.ts";
import { startTimer } from "../base/timers.ts";
import { mayHaveBegun, type StallFacts } from "./stall.ts";
import type { Task } from "./task.ts";
import type { WorkerHandle } from "./worker-handle.ts";

/** A worker whose event loop is blocked. */
export interface BlockedWorker {
  /** The number of the worker. */
  readonly worker: number;
  /** The process id of the worker; for a thread that of this program. */
  readonly pid: number;
  /** Duration of the block, in milliseconds. */
  readonly blockedMs: number;
  /** The tasks that may have begun, by number; `runMs`: milliseconds since they were sent. */
  readonly tasks: readonly { readonly task: number; readonly runMs: number }[];
  /** The number of the task whose synchronous start blocks the loop, if that is known. */
  readonly blocker: number | undefined;
}

/** At most one report per this many milliseconds. */
const REPORT_MS = 60_000;
const MIN_LOOK_MS = 20;

/** Sends a PING to workers that have tasks, and reports a worker that is blocked for too long. */
export class BlockedWatch {
  readonly #blockedMs: number;
  readonly #workers: () => Iterable<WorkerHandle>;
  readonly #report: (blocked: BlockedWorker) => void;
  #isWatching = false;
  #reportedMs = Number.NEGATIVE_INFINITY;

  constructor(
    blockedMs: number,
    workers: () => Iterable<WorkerHandle>,
    report: (blocked: BlockedWorker) => void,
  ) {
    this.#blockedMs = blockedMs;
    this.#workers = workers;
    this.#report = report;
  }

  /** The pool has tasks. */
  start(): void {
    if (this.#isWatching || this.#blockedMs === Number.POSITIVE_INFINITY) return;
    this.#isWatching = true;
    // Arrived answers are read between a timer and the immediate that it sets.
    startTimer(Math.max(MIN_LOOK_MS, this.#blockedMs / 2), () => setImmediate(this.#look));
  }

  readonly #look = (): void => {
    this.#isWatching = false;
    const nowMs = monotonicMs();
    let isBusy = false;
    for (const worker of this.#workers()) {
      if (worker.inFlight === 0) continue;
      isBusy = true;
      const blockedMs = Math.round(worker.pings.unansweredMs(nowMs));
      if (blockedMs >= this.#blockedMs && nowMs - this.#reportedMs >= REPORT_MS) {
        this.#reportedMs = nowMs;
        const { number, pid } = worker;
        this.#report({ worker: number, pid, blockedMs, ...begunTasks(worker.stallFacts(), nowMs) });
      }
      worker.pings.ping();
    }
    if (isBusy) this.start();
  };
}

/** The tasks that may have begun, and the task whose function is known not to have returned. */
function begunTasks(
  facts: StallFacts<Task>,
  nowMs: number,
): Pick<BlockedWorker, "tasks" | "blocker"> {
  const begun = facts.tasks.filter(({ sentNumber }) => mayHaveBegun(sentNumber, facts));
  const { starting } = facts.progress;
  const blocker = begun.find(({ sentNumber }) => sentNumber === starting);
  return {
    tasks: begun.map(({ sequence, sentMs }) => ({
      task: sequence,
      runMs: Math.round(nowMs - sentMs),
    })),
    blocker: starting > facts.told ? blocker?.sequence : undefined,
  };
}
