import {
  type BackendFactory,
  type IQueueBackend,
  type Job,
  Worker,
  type WorkerOptions,
} from "bullmq";

import { backoffMs } from "../../base/backoff.ts";
import { sleep } from "../../base/timers.ts";
import type { Slot, Slots } from "./slots.ts";

/** How long to wait when a queue could not be asked, in milliseconds. */
const AGAIN_MS = 250;
/** Between looks at a queue that gives nothing, in milliseconds. */
const LOOKS = { minMs: 1, maxMs: 50 };
/** Looks without a wait between: the first one after a job, and one for a call that was for a job taken since. */
const LOOKS_AT_ONCE = 2;
/** A look that took less than this did not wait: there is a rate limit, or the queue is full. */
const AT_ONCE_MS = 5;

const nothing = (): void => undefined;
const NO_PLACE: Slot = { isHeld: false, isOffered: false, offer: nothing, release: nothing };

/**
 * Runs one job. `slot` is its place, offered when nothing of it runs any more. One that is kept
 * takes the next job of the queue, which is this one if it was put in front.
 */
export type RunJob = (job: Job, token: string, slot: Slot) => Promise<unknown>;

/**
 * BullMQ's worker, which takes a job only when it has a place for it. BullMQ's own loop takes as many as
 * one queue may have; here the queues of a server share its places, first come first served, and what
 * waits stays in the store, where other servers see it. Locks, stalled jobs, retries and waiting for
 * jobs are BullMQ's.
 */
export class QueueWorker extends Worker<unknown, unknown> {
  readonly #slots: Slots;
  readonly #leaving = new AbortController();
  readonly #attempts = new Set<Promise<unknown>>();
  /** Of the jobs that were taken, by their tokens. */
  readonly #places = new Map<string, Slot>();
  /** Of the jobs that may be taken when one has ended. */
  readonly #ahead = new Map<string, Slot>();
  #taken = 0;

  constructor(
    name: string,
    run: RunJob,
    slots: Slots,
    options: WorkerOptions,
    backend: BackendFactory<IQueueBackend, never>,
  ) {
    super(
      name,
      (job, token = "") => run(job, token, this.#places.get(token) ?? NO_PLACE),
      { ...options, autorun: false },
      backend as never,
    );
    this.#slots = slots;
  }

  override async run(): Promise<void> {
    this.running = true;
    await this.startStalledCheckTimer();
    this.lockManager.start();
    this.mainLoopRunning = this.#loop();
    await this.mainLoopRunning;
    this.running = false;
  }

  /** Takes no more jobs; those it has go on. */
  leave(): void {
    this.#leaving.abort();
  }

  async #loop(): Promise<void> {
    let inVain = 0;
    while (!this.#isLeaving) {
      const startedMs = performance.now();
      const token = `${this.id}:${(this.#taken += 1)}`;
      const job = await this.#next(token);
      if (job !== undefined) this.#begin(job, token);
      const isAtOnce = performance.now() - startedMs < AT_ONCE_MS;
      inVain = job === undefined && isAtOnce ? inVain + 1 : 0;
      const again = inVain - LOOKS_AT_ONCE;
      if (again > 0) await sleep(backoffMs(LOOKS, again), this.#leaving.signal);
    }
    await Promise.all(this.#attempts);
  }

  get #isLeaving(): boolean {
    return this.#leaving.signal.aborted || this.closing !== undefined;
  }

  async #next(token: string, block = true): Promise<Job | undefined> {
    try {
      return await this.getNextJob(token, { block });
    } catch (error) {
      if (!this.#isLeaving) {
        this.emit("error", error instanceof Error ? error : new Error(String(error)));
        await sleep(AGAIN_MS, this.#leaving.signal);
      }
      return undefined;
    }
  }

  #begin(job: Job, token: string): void {
    const attempts = this.#process(job, token)
      .catch((error: Error) => void this.emit("error", error))
      .finally(() => this.#attempts.delete(attempts));
    this.#attempts.add(attempts);
  }

  /** One job, and those that are taken in its place. */
  async #process(first: Job, token: string): Promise<void> {
    let job: Job | undefined = first;
    while (job !== undefined) job = await this.#processOne(job, token);
  }

  /** @returns the next one, which was taken with the same call that ended this one, or right after it */
  async #processOne(job: Job, token: string): Promise<Job | undefined> {
    const place = this.#places.get(token);
    const takesNext = (): boolean => {
      // A job that begins again at once has kept its place for that.
      if (this.#isLeaving || (place?.isHeld === true && !place.isOffered)) return false;
      const own = place?.isOffered === true ? place : undefined;
      const ahead = this.#ahead.get(token) ?? own ?? this.#slots.take(this);
      if (ahead !== undefined) this.#ahead.set(token, ahead);
      return ahead !== undefined;
    };
    const next = (await this.processJob(job, token, takesNext)) ?? undefined;
    const ahead = this.#ahead.get(token);
    this.#ahead.delete(token);
    this.#places.delete(token);
    if (ahead === undefined) return this.#takeAgain(token, place);
    if (next === undefined) ahead.release();
    else this.#places.set(token, ahead);
    return next;
  }

  /**
   * The next job, on a place that was kept or that is free. A queue that runs as many as it may wakes
   * nobody when one of them ends, so whoever had that one looks.
   */
  async #takeAgain(token: string, place: Slot | undefined): Promise<Job | undefined> {
    const slot = place?.isHeld === true ? place : this.#slots.take(this);
    if (slot === undefined) return undefined;
    this.#ahead.set(token, slot);
    const job = this.#isLeaving ? undefined : await this.#next(token, false);
    this.#ahead.delete(token);
    if (job === undefined) slot.release();
    else this.#places.set(token, slot);
    return job;
  }

  protected override async moveToActive(token: string, name?: string): Promise<Job> {
    if (this.#ahead.has(token)) return super.moveToActive(token, name);
    const slot = await this.#slots.acquire(this.#leaving.signal, this);
    // BullMQ's types leave out that there may be no job.
    const none = undefined as unknown as Job;
    if (slot === undefined) return none;
    let job: Job | undefined;
    try {
      job = this.#isLeaving ? none : await super.moveToActive(token, name);
      if (job !== undefined) this.#places.set(token, slot);
      return job;
    } finally {
      if (job === undefined) slot.release();
    }
  }
}
