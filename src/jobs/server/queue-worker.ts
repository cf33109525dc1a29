import {
  type BackendFactory,
  type IQueueBackend,
  type Job,
  type Span,
  WaitingError,
  Worker,
  type WorkerOptions,
} from "bullmq";

import { backoffMs } from "../../base/backoff.ts";
import { messageOf, newelError } from "../../base/errors.ts";
import { sleep } from "../../base/timers.ts";
import { type HeldLease, leaseClock, Leases } from "./leases.ts";
import type { Slot, Slots } from "./slots.ts";
import { isPassing, isTakenByOther } from "./store-refusals.ts";

/** The wait after a failed call to take a job, in milliseconds. */
const AGAIN_MS = 250;
/** The backoff between calls on a queue that gives no job, in milliseconds. */
const LOOKS = { minMs: 1, maxMs: 50 };
/**
 * The number of calls without a wait: the first after a job, and one after a wakeup for a job that another worker
 * took.
 */
const LOOKS_AT_ONCE = 2;
/** A call shorter than this did not block, because of a rate limit or a full queue. In milliseconds. */
const AT_ONCE_MS = 5;

/** The backoff for storing the outcome of an attempt, and the time after which it is given up, in milliseconds. */
const END_AGAIN_MS = 1_000;
const END_MOST_MS = 600_000;

/**
 * Runs one job. `slot` is its permit, which is offered when the job does not run any more. A permit that is kept
 * serves the next job of the queue, which is the same job if it was requeued at the front.
 */
export type RunJob = (job: Job, lease: HeldLease, slot: Slot) => Promise<unknown>;

export interface QueueWorkerOptions extends WorkerOptions {
  readonly lockDuration: number;
  /** Whether locks end in the store by time alone; see `LeaseTerms`. */
  readonly lapses: boolean;
  /** Called when the lease of a job that is executed here was lost. */
  readonly leaseLost: (reason: Error) => void;
  /** How long to leave jobs to other servers, at this moment, in milliseconds. */
  readonly headStartMs: () => number;
}

/** The permit of a taken job, and when the store was asked for the job. */
interface Place {
  readonly slot: Slot;
  readonly askedMs: number;
}

/**
 * A BullMQ worker that takes a job only when it has a permit for it. BullMQ's own loop takes as many as
 * one queue may have; here the queues of a server share its permits, first come first served, and waiting
 * jobs stay in the store, where other servers can take them. BullMQ handles stalled jobs, retries and waiting
 * for jobs, but not leases: its `LockManager` identifies a job by its id, so it stops renewing the lock
 * of an attempt when an earlier attempt of the same job ends in this process, and it stops renewing
 * before the outcome is stored. It is never started here; `leases.ts` replaces it.
 */
export class QueueWorker extends Worker<unknown, unknown> {
  readonly #slots: Slots;
  readonly #leaving = new AbortController();
  readonly #attempts = new Set<Promise<unknown>>();
  readonly #leases: Leases;
  readonly #headStartMs: () => number;
  /** The permits of taken jobs, by their tokens. */
  readonly #places = new Map<string, Place>();
  /** The permits of jobs that may be taken with the call that ends another job, by their tokens. */
  readonly #ahead = new Map<string, Place>();
  /** The leases of executed jobs, by their tokens: a token has one job at a time. */
  readonly #held = new Map<string, HeldLease>();
  #taken = 0;

  constructor(
    name: string,
    run: RunJob,
    slots: Slots,
    { lapses, leaseLost, headStartMs, ...options }: QueueWorkerOptions,
    backend: BackendFactory<IQueueBackend, never>,
  ) {
    super(
      name,
      (job, token = "") => {
        const [place, lease] = [this.#places.get(token), this.#held.get(token)];
        if (place === undefined || lease === undefined)
          throw newelError("NEWEL_E_INTERNAL", { what: `the job ${job.id} has no permit` });
        return run(job, lease, place.slot);
      },
      { ...options, autorun: false },
      backend as never,
    );
    this.#slots = slots;
    this.#headStartMs = headStartMs;
    this.#leases = new Leases({
      queue: name,
      lockMs: options.lockDuration,
      lapses,
      renew: (ids, tokens, durationMs) => this.extendJobLocks(ids, tokens, durationMs),
      failed: (error) => this.#emitError(error),
      lost: leaseLost,
    });
  }

  override async run(): Promise<void> {
    this.running = true;
    await this.startStalledCheckTimer();
    this.mainLoopRunning = this.#loop();
    await this.mainLoopRunning;
    this.running = false;
  }

  /** Takes no more jobs; running ones continue. */
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
        this.#emitError(error);
        await sleep(AGAIN_MS, this.#leaving.signal);
      }
      return undefined;
    }
  }

  #emitError(error: unknown): void {
    this.emit("error", error instanceof Error ? error : new Error(messageOf(error)));
  }

  #begin(job: Job, token: string): void {
    const attempts = this.#process(job, token)
      .catch((error: Error) => void this.emit("error", error))
      .finally(() => this.#attempts.delete(attempts));
    this.#attempts.add(attempts);
  }

  /** Runs a job, and then the jobs that are taken on its permit. */
  async #process(first: Job, token: string): Promise<void> {
    let job: Job | undefined = first;
    while (job !== undefined) job = await this.#processOne(job, token);
  }

  /** @returns the next job, which was taken with the call that ended this one, or right after it */
  async #processOne(job: Job, token: string): Promise<Job | undefined> {
    const place = this.#places.get(token);
    const slot = place?.slot;
    const lease = this.#leases.take(job.id ?? "", token, place?.askedMs ?? leaseClock());
    this.#held.set(token, lease);
    const takesNext = (): boolean => {
      // A job that begins again at once has kept its permit for that.
      if (this.#headStartMs() > 0) return false;
      if (this.#isLeaving || (slot?.isHeld === true && !slot.isOffered)) return false;
      const own = slot?.isOffered === true ? slot : undefined;
      const ahead = this.#ahead.get(token)?.slot ?? own ?? this.#slots.take(this);
      if (ahead !== undefined) this.#ahead.set(token, { slot: ahead, askedMs: leaseClock() });
      return ahead !== undefined;
    };
    const next = await this.#toItsEnd(job, token, takesNext);
    lease.close();
    const ahead = this.#ahead.get(token);
    for (const known of [this.#held, this.#ahead, this.#places]) known.delete(token);
    if (ahead === undefined) return this.#takeAgain(token, slot);
    if (next === undefined) ahead.slot.release();
    else this.#places.set(token, ahead);
    return next;
  }

  async #toItsEnd(job: Job, token: string, takesNext: () => boolean): Promise<Job | undefined> {
    try {
      return (await this.processJob(job, token, takesNext)) ?? undefined;
    } catch (error) {
      this.#emitError(error);
      return undefined;
    }
  }

  /** Repeats a failed call to store the outcome: BullMQ would give it up, and the job would be executed again. */
  protected override async handleCompleted(
    result: unknown,
    job: Job,
    token: string,
    fetchNext?: () => boolean,
    span?: Span,
  ): Promise<Job> {
    const store = (): Promise<Job> => super.handleCompleted(result, job, token, fetchNext, span);
    return this.#storeEnd(token, store, () => this.#leave(job, token, fetchNext, span));
  }

  protected override async handleFailed(
    failure: Error,
    job: Job,
    token: string,
    fetchNext?: () => boolean,
    span?: Span,
  ): Promise<Job> {
    const { attemptsMade, stacktrace } = job;
    const store = (): Promise<Job> => {
      // A failed call has changed this object too.
      Object.assign(job, { attemptsMade, stacktrace: [...(stacktrace ?? [])] });
      return super.handleFailed(failure, job, token, fetchNext, span);
    };
    return this.#storeEnd(token, store, () => this.#leave(job, token, fetchNext, span));
  }

  /** Drops the outcome of a job and takes the next one. */
  #leave(job: Job, token: string, fetchNext?: () => boolean, span?: Span): Promise<Job> {
    return super.handleFailed(new WaitingError(), job, token, fetchNext, span);
  }

  /**
   * Stores the outcome of an attempt and repeats the call until it succeeds; the lease is renewed for that time. When
   * another token
   * has the job, nothing is stored, and the next job is taken.
   */
  async #storeEnd(
    token: string,
    store: () => Promise<Job>,
    leave: () => Promise<Job>,
  ): Promise<Job> {
    const lease = this.#held.get(token);
    const untilMs = performance.now() + END_MOST_MS;
    for (;;) {
      if (lease?.lost.aborted === true) return leave();
      try {
        return await store();
      } catch (error) {
        if (isTakenByOther(error)) lease?.refuse();
        else if (!isPassing(error) || this.closing !== undefined || performance.now() > untilMs)
          throw error;
        else {
          this.#emitError(error);
          await sleep(END_AGAIN_MS, this.#leaving.signal);
        }
      }
    }
  }

  /**
   * The next job, on a permit that was kept or is free. A queue at its concurrency limit wakes
   * no worker when one of its jobs ends, so the worker that ran the job asks for the next one.
   */
  async #takeAgain(token: string, kept: Slot | undefined): Promise<Job | undefined> {
    const slot = kept?.isHeld === true ? kept : this.#slots.take(this);
    if (slot === undefined) return undefined;
    const place = { slot, askedMs: leaseClock() };
    this.#ahead.set(token, place);
    const job = this.#isLeaving ? undefined : await this.#next(token, false);
    this.#ahead.delete(token);
    if (job === undefined) slot.release();
    else this.#places.set(token, place);
    return job;
  }

  protected override async moveToActive(token: string, name?: string): Promise<Job> {
    const headStartMs = this.#headStartMs();
    if (headStartMs > 0) await sleep(headStartMs, this.#leaving.signal);
    if (this.#ahead.has(token)) return super.moveToActive(token, name);
    const slot = await this.#slots.acquire(this.#leaving.signal, this);
    // BullMQ's types leave out that there may be no job.
    const none = undefined as unknown as Job;
    if (slot === undefined) return none;
    let job: Job | undefined;
    const askedMs = leaseClock();
    try {
      job = this.#isLeaving ? none : await super.moveToActive(token, name);
      if (job !== undefined) this.#places.set(token, { slot, askedMs });
      return job;
    } finally {
      if (job === undefined) slot.release();
    }
  }
}
