import { monotonicMs, setImmediate } from "../base/globals.ts";
import { startTimer } from "../base/timers.ts";
import { judge, type StallFacts } from "./stall.ts";
import type { Task } from "./task.ts";

/** The requests of the watch to its worker. */
export interface StallWork {
  /** Whether the worker has given-up tasks: their callers were already notified. */
  hasGivenUp(): boolean;
  facts(): StallFacts<Task>;
  ping(): void;
  kill(blocker: Task, isKnown: boolean): void;
  retire(): void;
}

/** Judges a worker periodically for as long as it has given-up tasks. */
export class StallWatch {
  readonly #work: StallWork;
  #isWatching = false;
  #isRetired = false;

  constructor(work: StallWork) {
    this.#work = work;
  }

  /** A task was given up. */
  start(): void {
    if (this.#isWatching) return;
    this.#isWatching = true;
    this.#wait(0);
  }

  #wait(ms: number): void {
    // If this program itself was blocked, answers of the worker may wait to be read: they are read
    // between a timer and the immediate that it sets.
    startTimer(ms, () => setImmediate(() => this.#look()));
  }

  #look(): void {
    this.#isWatching = this.#work.hasGivenUp();
    if (!this.#isWatching) return;
    const nowMs = monotonicMs();
    const verdict = judge(this.#work.facts(), nowMs);
    if (verdict.do === "kill") {
      this.#isWatching = false;
      this.#work.kill(verdict.blocker, verdict.isKnown);
      return;
    }
    if (verdict.do === "retire" && !this.#isRetired) {
      this.#isRetired = true;
      this.#work.retire();
    }
    this.#work.ping();
    this.#wait(verdict.do === "wait" ? verdict.atMs - nowMs : RETIRED_LOOK_MS);
  }
}

/** A retired worker may still be blocked by one of its tasks. */
const RETIRED_LOOK_MS = 1_000;
