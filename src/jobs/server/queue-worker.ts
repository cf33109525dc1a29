import {
  type BackendFactory,
  type IQueueBackend,
  type Job,
  Worker,
  type WorkerOptions,
} from "bullmq";

import { sleep } from "../../base/timers.ts";
import type { Slot, Slots } from "./slots.ts";

/** How long to wait when a queue could not be asked, and between looks at one that gives nothing, in milliseconds. */
const AGAIN_MS = 250;
const IDLE_MS = 50;
/** A look that found nothing and took less than this did not wait. */
const AT_ONCE_MS = 5;

/** Runs one job; `slot` is its place, to be given back when nothing of it runs any more. */
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
  /** Of the jobs that were taken and not yet begun. */
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
      (job, token = "") => run(job, token, this.#place(token)),
      { ...options, autorun: false },
      backend as never,
    );
    this.#slots = slots;
  }

  #place(token: string): Slot {
    const slot = this.#places.get(token);
    this.#places.delete(token);
    return slot ?? { release: () => undefined };
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
    while (!this.#isLeaving) {
      const startedMs = performance.now();
      const token = `${this.id}:${(this.#taken += 1)}`;
      const job = await this.#next(token);
      if (job !== undefined) this.#begin(job, token);
      // Nothing to take and no wait for it: a rate limit, or a queue that is full.
      else if (performance.now() - startedMs < AT_ONCE_MS)
        await sleep(IDLE_MS, this.#leaving.signal);
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
    const takesNext = (): boolean => {
      const slot = this.#isLeaving ? undefined : (this.#ahead.get(token) ?? this.#slots.take());
      if (slot !== undefined) this.#ahead.set(token, slot);
      return slot !== undefined;
    };
    let next: Job | undefined;
    let mayBeMore = false;
    try {
      next = (await this.processJob(job, token, takesNext)) ?? undefined;
      mayBeMore = !this.#ahead.has(token);
    } finally {
      // Held still when BullMQ ended the job without running it.
      this.#place(token).release();
      this.#keepPlace(next, token);
    }
    return mayBeMore ? this.#takeAgain(token) : next;
  }

  /** A job that was taken has the place that was kept for it; without one it is given back. */
  #keepPlace(job: Job | undefined, token: string): void {
    const slot = this.#ahead.get(token);
    this.#ahead.delete(token);
    if (job === undefined) slot?.release();
    else if (slot !== undefined) this.#places.set(token, slot);
  }

  /**
   * A queue that runs as many as it may wakes nobody when one of them ends, so whoever had that one
   * looks for the next.
   */
  async #takeAgain(token: string): Promise<Job | undefined> {
    const slot = this.#isLeaving ? undefined : this.#slots.take();
    if (slot === undefined) return undefined;
    this.#ahead.set(token, slot);
    const job = await this.#next(token, false);
    this.#keepPlace(job, token);
    return job;
  }

  protected override async moveToActive(token: string, name?: string): Promise<Job> {
    if (this.#ahead.has(token)) return super.moveToActive(token, name);
    const slot = await this.#slots.acquire(this.#leaving.signal);
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
