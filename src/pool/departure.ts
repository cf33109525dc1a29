import { hasCode, newelError } from "../base/errors.ts";
import { monotonicMs } from "../base/globals.ts";
import { startTimer } from "../base/timers.ts";
import type { Launched } from "./launch.ts";
import type { Task } from "./task.ts";
import { describeEnd, type WorkerEnd } from "./worker-end.ts";

/** Milliseconds that the end of a worker's connection may come after the worker's own end. */
const LAST_BYTES_MS = 1_000;

/** The facts about a worker that its departure needs. */
export interface Departing {
  readonly number: number;
  readonly tasks: readonly Task[];
  /** The number of its tasks. */
  readonly inFlight: number;
  /** The number of its given-up tasks that have not ended. */
  readonly givenUp: number;
  /** Whether it has this task at present. */
  has(task: Task): boolean;
  /** Sends LEAVE. */
  dismiss(): void;
  /** Accepts no more tasks from now on. */
  leave(): void;
  /** Another worker must take its place. */
  replace(): void;
  /** Closes its connection; data that was not read is lost. */
  abort(): void;
  /** The worker has ended, and its last bytes were read. */
  over(how: string): void;
}

/**
 * The ways in which a worker ends: it leaves after its last task, is retired because of given-up
 * tasks, is killed because of one task, or is killed for another reason.
 */
export class Departure {
  readonly #worker: Departing;
  readonly #launched: Launched;
  readonly #killMs: number;
  #isRetired = false;
  #isSpent = false;
  #isDismissed = false;
  #end: WorkerEnd | undefined;
  /** Whether its connection has ended. */
  #isClosed = false;
  #isOver = false;
  /** Why it was killed; `undefined` when it was not. */
  why: string | undefined;
  /**
   * Whether it was killed because of one task: its other tasks are then lost through no fault of
   * theirs.
   */
  wasForTask = false;
  /** The task that blocked its loop, if it was killed because of one. */
  blocker: Task | undefined;

  constructor(worker: Departing, launched: Launched, killMs: number) {
    this.#worker = worker;
    this.#launched = launched;
    this.#killMs = killMs;
  }

  kill(why: string): void {
    this.why ??= why;
    this.#launched.kill();
  }

  #killForTask(why: string): void {
    this.wasForTask = true;
    this.kill(why);
  }

  /** Kills the worker, because a given-up task blocks its event loop. */
  killStalled(blocker: Task, isKnown: boolean): void {
    const waitedMs = Math.round(monotonicMs() - (blocker.givenUpMs ?? 0));
    this.blocker ??= blocker;
    this.#killForTask(
      `its event loop stood still, ${isKnown ? "" : "most likely "}in task ${blocker.sequence}, which had been given up ${waitedMs} ms before`,
    );
  }

  /** The group's present memory: if it is too much for any of its tasks, the worker is killed. */
  checkMemory(usedBytes: number): void {
    const worker = this.#worker.number;
    let isTooMuch = false;
    for (const task of this.#worker.tasks) {
      const limitBytes = task.limits?.memoryBytes ?? Number.POSITIVE_INFINITY;
      if (usedBytes <= limitBytes) continue;
      isTooMuch = true;
      task.pendingRejection ??= () =>
        newelError("NEWEL_E_POOL_MEMORY", { worker, usedBytes, limitBytes });
    }
    if (isTooMuch)
      this.#killForTask(`it was killed: it had ${usedBytes} bytes of memory, too much for a task`);
  }

  /** The worker leaves when its tasks are done, those aside that were given up. */
  retire(): void {
    this.#isRetired = true;
    this.#worker.leave();
    this.#worker.replace();
  }

  /**
   * Ends the worker if a task does not end after its signal was aborted: SIGTERM to the group, then SIGKILL.
   */
  end(task: Task, graceMs: number): void {
    this.#isSpent = true;
    this.#worker.leave();
    this.#worker.replace();
    const killMs = this.#killMs;
    startTimer(graceMs, () => {
      if (!this.#worker.has(task)) return;
      this.#launched.terminateGroup();
      startTimer(killMs, () => {
        if (this.#worker.has(task))
          this.#killForTask(
            `it was killed: a task had not ended ${graceMs + killMs} ms after it was told to`,
          );
      });
    });
  }

  /** Given-up tasks that did not end in time do not delay the exit of the worker. */
  look(): void {
    const { inFlight, givenUp } = this.#worker;
    if (inFlight === 0) this.#dismiss();
    else if (inFlight === givenUp)
      startTimer(this.#isRetired ? 0 : this.#killMs, () => {
        if (this.#worker.inFlight === this.#worker.givenUp) this.#dismiss();
      });
  }

  #dismiss(): void {
    if (this.#isDismissed) return;
    this.#isDismissed = true;
    this.#worker.dismiss();
    const ms = this.#killMs;
    if (this.#isSpent || this.#isRetired)
      startTimer(ms, () => this.kill(`it did not end within ${ms} ms after its last task`));
  }

  /** Its connection has ended. `error`: the pool closed it, because of bytes that are no frames. */
  closed(error: Error | undefined): void {
    if (hasCode(error, "NEWEL_E_FRAME"))
      this.why ??= "a program or library in it wrote to descriptor 3, its connection to the pool";
    this.#isClosed = true;
    if (this.#end === undefined)
      startTimer(LAST_BYTES_MS, () => this.kill("it closed its connection to the pool"));
    this.#lookAtEnd();
  }

  /** The worker has ended. Data that it wrote before may still arrive; its answers count. */
  ended(end: WorkerEnd): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    if (!this.#isClosed) startTimer(LAST_BYTES_MS, () => this.#worker.abort());
    // A thread, or a process that failed to start, has no connection that could end.
    if (end.error !== undefined) this.#isClosed = true;
    this.#lookAtEnd();
  }

  #lookAtEnd(): void {
    if (!this.#isClosed || this.#end === undefined || this.#isOver) return;
    this.#isOver = true;
    this.#worker.over(this.why ?? describeEnd(this.#end));
  }
}
