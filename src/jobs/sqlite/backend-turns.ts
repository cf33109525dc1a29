import type {
  KeepJobs,
  MinimalJob,
  MoveToDelayedOpts,
  MoveToWaitingChildrenOpts,
  RetryJobOpts,
} from "bullmq";

import { sleep } from "../../base/timers.ts";
import { type BackendOptions, LONGEST_MS, SqliteQueueReads } from "./backend-reads.ts";
import type { Finish, Finished } from "./operations/finish.ts";
import { attemptFields, keepAtEnd, nextJob, type NextJob, taker } from "./requests.ts";
import { accepted, refuse } from "./refusals.ts";
import { freeText, jsonOf, keyText, numberOr, whole, wholeSpan } from "./values.ts";
import type { OfferedJob, StoreClient } from "./store-client.ts";
import { seriesOptions } from "./operations/scheduler-fields.ts";
import { unreadableError } from "../unreadable.ts";

/** A worker calls again at once after a failure of the store; without this pause it would keep a core busy. */
const FAILED_PAUSE_MS = 250;

/** The operations of a worker: it waits for a job, takes it, renews its lock, and moves it to another state. */
export class SqliteQueueTurns extends SqliteQueueReads {
  protected readonly options: BackendOptions;
  closing: Promise<void> | undefined;
  #offered: OfferedJob | undefined;

  readonly #takesOffers: boolean;

  /** @param takesOffers - a job may be taken for the caller while it waits, since its next call takes one */
  constructor(
    client: StoreClient,
    queueName: string,
    options: BackendOptions,
    takesOffers: boolean,
  ) {
    super(client, queueName, options.prefix ?? "bull");
    this.options = options;
    this.#takesOffers = takesOffers;
  }

  /** @param blockTimeout - seconds */
  async waitForJob(blockTimeout: number): Promise<{ member: string; score: number } | null> {
    const limit = Math.min(LONGEST_MS, Math.max(0, blockTimeout) * 1_000);
    // The `moveToActive` that follows brings the token of the lock.
    const forWhom = this.#takesOffers ? taker(this.options, "", this.options.name) : null;
    const came = await this.waiting(
      this.storeClient.waitForJob(this.qualifiedName, limit, forWhom),
    );
    if (came === undefined) return null;
    this.#offered?.decline();
    this.#offered = came === true ? undefined : came;
    return { member: "0", score: 0 };
  }

  protected override interrupt(): void {
    this.#offered?.decline();
    this.#offered = undefined;
    super.interrupt();
  }

  async moveToActive(token: string, name?: string): Promise<NextJob> {
    const offered = this.#offered;
    this.#offered = undefined;
    const taken = await offered?.accept(token);
    if (taken !== undefined) return this.#withSeries(nextJob(taken));
    try {
      const next = nextJob(await this.call("takeJob", taker(this.options, token, name)));
      return await this.#withSeries(next);
    } catch (error) {
      await sleep(FAILED_PAUSE_MS);
      throw error;
    }
  }

  async moveToCompleted(
    job: MinimalJob,
    returnValue: unknown,
    removeOnComplete: boolean | number | KeepJobs,
    token: string,
    fetchNext: boolean,
  ): Promise<{ result: NextJob | []; finishedOn: number }> {
    return this.#finish(job, fetchNext, {
      token,
      target: "completed",
      value: jsonOf(returnValue, "The return value") ?? "null",
      keep: keepAtEnd(removeOnComplete, this.options.removeOnComplete),
      fields: null,
    });
  }

  async moveToFailed(
    job: MinimalJob,
    failedReason: string,
    removeOnFail: boolean | number | KeepJobs,
    token: string,
    fetchNext: boolean,
    fieldsToUpdate?: Record<string, unknown>,
  ): Promise<{ result: NextJob | []; finishedOn: number }> {
    return this.#finish(job, fetchNext, {
      token,
      target: "failed",
      value:
        failedReason === undefined ? "null" : freeText(failedReason, "The reason of the failure"),
      keep: keepAtEnd(removeOnFail, this.options.removeOnFail),
      fields: attemptFields(fieldsToUpdate),
    });
  }

  async #finish(
    job: MinimalJob,
    fetchNext: boolean,
    how: Pick<Finish, "token" | "target" | "value" | "keep" | "fields">,
  ): Promise<{ result: NextJob | []; finishedOn: number }> {
    const finishedOn = Date.now();
    const finished = await this.call("finishJob", {
      ...how,
      id: keyText(job.id, "The id of the job"),
      token: keyText(how.token, "The token"),
      finishedOn,
      attempts: numberOr(job.opts.attempts, 0),
      metrics: numberOr(this.options.metrics?.maxDataPoints, 0),
      next: this.#nextTaker(how.token, fetchNext),
    });
    return { result: await this.#next(finished, job.id, "moveToFinished"), finishedOn };
  }

  #nextTaker(token: string, fetchNext: boolean | undefined): Finish["next"] {
    if (fetchNext !== true || this.closing !== undefined) return null;
    return taker(this.options, token, this.options.name);
  }

  async #next(
    finished: Finished,
    jobId: string | undefined,
    command: string,
  ): Promise<NextJob | []> {
    if (typeof finished === "number") return refuse(finished, command, { jobId, state: "active" });
    return finished.next === undefined ? [] : this.#withSeries(nextJob(finished.next));
  }

  /**
   * BullMQ continues the series of a scheduler by the options of the job that is taken. For a damaged job they come from
   * the scheduler; if that is damaged too, the job is read without a series, because BullMQ would never end it.
   */
  async #withSeries(next: NextJob): Promise<NextJob> {
    const [job, ...rest] = next;
    if (job?.repeatJobKey === undefined || unreadableError(job.deferredFailure) === undefined)
      return next;
    const opts = seriesOptions(await this.getJobSchedulerData(job.repeatJobKey));
    const { repeatJobKey: _, ...single } = job;
    return [opts === undefined ? single : { ...job, opts }, ...rest];
  }

  async moveToDelayed(
    jobId: string,
    timestamp: number,
    delay: number,
    token = "0",
    opts: MoveToDelayedOpts = {},
  ): Promise<NextJob | []> {
    const failed = opts.fieldsToUpdate !== undefined;
    const finished = await this.call("delayJob", {
      id: keyText(jobId, "The id of the job"),
      token: keyText(token, "The token"),
      timestamp: whole(timestamp, "The time"),
      // A backoff strategy that answers with no number must not leave a failed job active: the next attempt begins at once.
      delay: failed ? Math.ceil(numberOr(delay, 0)) : wholeSpan(delay, "The delay"),
      skipAttempt: Boolean(opts.skipAttempt),
      fields: attemptFields(opts.fieldsToUpdate),
      next: this.#nextTaker(token, opts.fetchNext),
    });
    return this.#next(finished, jobId, "moveToDelayed");
  }

  async moveToWaitingChildren(
    jobId: string,
    token: string,
    opts: MoveToWaitingChildrenOpts = {},
  ): Promise<boolean> {
    const child = opts.child === undefined ? null : `${opts.child.queue}:${opts.child.id}`;
    const code = await this.call("waitForChildren", jobId, token, child);
    if (code < 0) return refuse(code, "moveToWaitingChildren", { jobId, state: "active" });
    return code === 0;
  }

  async moveJobFromActiveToWait(jobId: string, token = "0"): Promise<number> {
    const code = await this.call("moveActiveToWait", jobId, token);
    return accepted(code, "moveJobFromActiveToWait", { jobId, state: "active" });
  }

  async retryJob(
    jobId: string,
    lifo: boolean,
    token = "0",
    opts: RetryJobOpts = {},
  ): Promise<void> {
    const fields = attemptFields(opts.fieldsToUpdate);
    const code = await this.call("retryJob", jobId, lifo, token, fields);
    accepted(code, "retryJob", { jobId, state: "active" });
  }

  moveStalledJobsToWait(): Promise<string[]> {
    const { maxStalledCount = 1, stalledInterval = 30_000 } = this.options;
    return this.call("recoverStalled", maxStalledCount, stalledInterval);
  }

  extendLock(jobId: string, token: string, duration: number): Promise<number> {
    return this.call("extendLock", jobId, token, duration);
  }

  extendLocks(jobIds: string[], tokens: string[], duration: number): Promise<string[]> {
    return this.call("extendLocks", jobIds, tokens, duration);
  }
}
