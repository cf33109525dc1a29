import type {
  IQueueBackend,
  JobJson,
  JobProgress,
  JobsOptions,
  MinimalJob,
  ParentKeyOpts,
  RepeatableOptions,
  RetryOptions,
} from "bullmq";

import type { BackendOptions } from "./backend-reads.ts";
import { SqliteQueueTurns } from "./backend-turns.ts";
import { addRequest, iterationRequest, schedulerFields } from "./requests.ts";
import { accepted, refuse } from "./refusals.ts";
import type { StoreClient } from "./store-client.ts";
import { freeText, jsonOf, whole } from "./values.ts";

const BULK_COUNT = 1_000;

let connections = 0;

/** BullMQ's operations on a queue in a SQLite file. Created by `createSqliteBackend`. */
export class SqliteQueueBackend extends SqliteQueueTurns implements IQueueBackend {
  readonly #owns: boolean;
  readonly #number = (connections += 1);
  #ready: Promise<void> | undefined;
  #name: string | undefined;
  /** The shortest wait for a job, in seconds. */
  readonly minimumBlockTimeout = 0.001;
  /** An hour: a job or an event ends the wait, and waiting costs nothing. */
  readonly maximumBlockTimeout = 3_600;

  /**
   * @param owns - closing the backend releases the client's file; siblings of a flow do not release it
   * @param name - the name that `getWorkers` shows
   */
  constructor(
    client: StoreClient,
    queueName: string,
    options: BackendOptions,
    owns: boolean,
    name: string | undefined,
  ) {
    super(client, queueName, options, name !== undefined);
    this.#owns = owns;
    this.#name = name;
  }

  /** For readers of events: starts with the events from now on, not with those after the first read. */
  startEvents(): void {
    this.eventsFrom = this.call("lastEvent");
    this.eventsFrom.catch(() => undefined);
  }

  /** Resolves once the file is open. @throws NEWEL_E_STORE_… when it cannot be opened; a later call tries again */
  waitUntilReady(): Promise<void> {
    this.#ready ??= this.#open();
    return this.#ready;
  }

  async #open(): Promise<void> {
    try {
      await this.eventsFrom;
      await (this.#name === undefined
        ? this.call("getMeta")
        : this.call("setClient", this.#number, this.#name));
      this.emit("ready");
    } catch (error) {
      this.#ready = undefined;
      if (this.listenerCount("error") > 0) this.emit("error", error);
      throw error;
    }
  }

  /** Ends the waits of this connection and releases the file. A second call waits for the first. */
  async close(_force = false): Promise<void> {
    if (!this.#owns) return;
    this.closing ??= this.#close();
    await this.closing;
  }

  async #close(): Promise<void> {
    this.interrupt();
    try {
      if (this.#name !== undefined) await this.call("setClient", this.#number, null);
    } finally {
      await this.storeClient.release();
      this.emit("close");
    }
  }

  /** Ends the waits of this connection; the file stays open until `close`. */
  async disconnect(): Promise<void> {
    this.interrupt();
  }

  /** Sets the name that `getWorkers` shows. */
  async setName(name: string): Promise<void> {
    if (this.#name === name) return;
    this.#name = name;
    await this.call("setClient", this.#number, name);
  }

  /** Returns the operations on another queue of the same file, which stays open when they are closed. */
  forQueue(queueName: string, prefix: string = this.prefix): IQueueBackend {
    return new SqliteQueueBackend(
      this.storeClient,
      queueName,
      { ...this.options, prefix },
      false,
      undefined,
    );
  }

  /** Ends the wait for a job. */
  async disconnectBlocking(_wait?: boolean): Promise<void> {
    this.interrupt();
  }

  /** Allows waits for a job again, after `disconnectBlocking`. */
  async reconnectBlocking(): Promise<void> {
    this.blocked = false;
  }

  /** Adds a job. @returns its id, or that of the job that has its deduplication id */
  async addJob(job: JobJson, jobId: string, parent: ParentKeyOpts = {}): Promise<string> {
    const [id] = await this.addJobs([{ job, jobId, parentKeyOpts: parent }]);
    return id ?? "";
  }

  /** Adds jobs in one transaction: all or none. @returns their ids, in the same order */
  async addJobs(
    entries: { job: JobJson; jobId: string; parentKeyOpts?: ParentKeyOpts }[],
  ): Promise<string[]> {
    const requests = entries.map(({ job, jobId, parentKeyOpts }) =>
      addRequest(job, jobId, parentKeyOpts),
    );
    const added = await this.call("addJobs", requests);
    return added.map((id, at) =>
      typeof id === "string"
        ? id
        : refuse(id, "addJob", { parentKey: requests[at]?.parentKey ?? undefined }),
    );
  }

  /** Adds a flow in one transaction, over several queues too. @returns an entry a job; the error is always `null` */
  async addFlow(
    entries: Parameters<IQueueBackend["addFlow"]>[0],
  ): Promise<[Error | null, string | number][]> {
    const added = await this.call(
      "addFlow",
      entries.map(({ jobData, jobId, parentKeyOpts, prefix, queueName }) => ({
        ...addRequest(jobData, jobId, parentKeyOpts),
        queueName: `${prefix ?? "bull"}:${queueName}`,
      })),
    );
    return added.map((id) => [null, id]);
  }

  /** Moves a failed or completed job back to the waiting jobs. */
  async retryFinishedJob(
    job: MinimalJob,
    state: "failed" | "completed",
    opts: RetryOptions = {},
  ): Promise<void> {
    const id = job.id ?? "";
    const code = await this.call("retryFinished", id, state, {
      lifo: Boolean(job.opts.lifo),
      resetAttemptsMade: Boolean(opts.resetAttemptsMade),
      resetAttemptsStarted: Boolean(opts.resetAttemptsStarted),
    });
    accepted(code, "reprocessJob", { jobId: id, state });
  }

  /** Moves a delayed job to the waiting jobs. */
  async promote(jobId: string): Promise<void> {
    accepted(await this.call("promote", jobId), "promote", { jobId, state: "delayed" });
  }

  /**
   * Moves finished jobs back to the waiting jobs.
   *
   * @returns a number above 0 while there are more
   */
  retryFinishedJobs(
    state: "completed" | "failed" = "failed",
    count: number = BULK_COUNT,
    timestamp: number = Date.now(),
  ): Promise<number> {
    return this.call("moveJobsToWait", state, atOnce(count), timestamp);
  }

  /** Moves delayed jobs to the waiting jobs. @returns a number above 0 while there are more */
  promoteJobs(count: number = BULK_COUNT): Promise<number> {
    return this.call("moveJobsToWait", "delayed", atOnce(count), Number.MAX_SAFE_INTEGER);
  }

  /** Pauses the queue, or resumes it when `pause` is false. */
  async pause(pause: boolean): Promise<void> {
    await this.call("pause", pause);
  }

  /** Removes the waiting jobs; with `delayed`, the delayed jobs too. */
  async drain(delayed: boolean): Promise<void> {
    await this.call("drain", delayed);
  }

  /** Removes jobs of a state that are older than a time. @returns the ids of the removed jobs */
  cleanJobsByState(state: string, timestamp: number, limit = 0): Promise<string[]> {
    return this.call("cleanJobs", state, timestamp, limit);
  }

  /** Removes a paused queue with all its jobs, piece by piece. @returns a number above 0 while there are more */
  async obliterate(opts: { force: boolean; count: number }): Promise<number> {
    const cursor = await this.call("obliterate", atOnce(opts.count), opts.force);
    if (cursor === -1) throw new Error("Cannot obliterate non-paused queue");
    if (cursor === -2) throw new Error("Cannot obliterate queue with active jobs");
    return cursor;
  }

  /** A job is one row with its state: none can be orphaned. */
  async removeOrphanedJobs(_count?: number, _limit?: number): Promise<number> {
    return 0;
  }

  /** Replaces the data of a job. @throws NEWEL_E_STORE_ARGUMENT when it is not JSON */
  async updateData(job: MinimalJob, data: unknown): Promise<void> {
    const id = job.id ?? "";
    const code = await this.call("updateData", id, jsonOf(data, "The data of the job") ?? "{}");
    accepted(code, "updateData", { jobId: id });
  }

  /** Replaces the progress of a job and publishes it. @throws NEWEL_E_STORE_ARGUMENT when it is not JSON */
  async updateProgress(jobId: string, progress: JobProgress): Promise<void> {
    const code = await this.call(
      "updateProgress",
      jobId,
      jsonOf(progress, "The progress") ?? "null",
    );
    accepted(code, "updateProgress", { jobId });
  }

  /** Adds a line to the log of a job, which keeps its last `keepLogs` lines; 0 keeps all. @returns their number */
  async addLog(jobId: string, logRow: string, keepLogs = 0): Promise<number> {
    return accepted(await this.call("addLog", jobId, logRow, keepLogs), "addLog", { jobId });
  }

  /** Removes the log of a job, except for its last `keepLogs` lines. */
  async clearLogs(jobId: string, keepLogs = 0): Promise<void> {
    await this.call("clearLogs", jobId, keepLogs);
  }

  /** Sets the delay of a delayed job, in milliseconds from now. */
  async changeDelay(jobId: string, delay: number): Promise<void> {
    accepted(await this.call("changeDelay", jobId, delay), "changeDelay", {
      jobId,
      state: "delayed",
    });
  }

  /** Sets the priority of a job; with `lifo` it goes before the jobs of that priority. */
  async changePriority(jobId: string, priority = 0, lifo = false): Promise<void> {
    accepted(await this.call("changePriority", jobId, priority, lifo), "changePriority", { jobId });
  }

  /**
   * Removes a job that no worker has; with `removeChildren`, its children too.
   *
   * @returns 1, or 0 when there was none
   */
  async remove(jobId: string, removeChildren: boolean): Promise<number> {
    return accepted(await this.call("removeById", jobId, removeChildren), "removeJob", { jobId });
  }

  /** Removes the children of a job that have neither failed nor been taken by a worker. */
  async removeUnprocessedChildren(jobId: string): Promise<void> {
    await this.call("removeUnprocessedChildren", jobId);
  }

  /** Ends the wait of a parent for this job. @returns whether the parent waited for it */
  async removeChildDependency(jobId: string, parentKey: string): Promise<boolean> {
    const code = await this.call("removeChildDependency", jobId, parentKey);
    return accepted(code, "removeChildDependency", { jobId, parentKey }) === 0;
  }

  /** Frees a deduplication id if this job has it. @returns 1 if it had it, otherwise 0 */
  removeDeduplicationKey(deduplicationId: string, jobId: string): Promise<number> {
    return this.call("removeDeduplication", deduplicationId, jobId);
  }

  /** Frees a deduplication id, whichever job has it. @returns 1 if a job had it, otherwise 0 */
  deleteDeduplicationKey(deduplicationId: string): Promise<number> {
    return this.call("removeDeduplication", deduplicationId, null);
  }

  /** Not of BullMQ: gives a stored job a deduplication id. @returns the id of the job that holds it then */
  claimDeduplicationKey(deduplicationId: string, jobId: string): Promise<string> {
    return this.call("claimDeduplication", deduplicationId, jobId);
  }

  /** Creates or replaces a job scheduler and adds its next job. @returns the id and the delay of that job */
  async addJobScheduler(
    id: string,
    nextMillis: number,
    templateData: string,
    templateOpts: JobsOptions,
    opts: RepeatableOptions,
    delayedJobOpts: JobsOptions,
  ): Promise<[string, number]> {
    const added = await this.call(
      "upsertScheduler",
      id,
      nextMillis ?? 0,
      schedulerFields(opts, templateData, templateOpts),
      iterationRequest(delayedJobOpts),
    );
    return typeof added === "number" ? refuse(added, "addJobScheduler", {}) : added;
  }

  /**
   * Adds the next job of a job scheduler. @returns its id; `null` when the scheduler does not exist or already
   * has a next job
   */
  async updateJobSchedulerNextMillis(
    id: string,
    nextMillis: number,
    _templateData: string,
    delayedJobOpts: JobsOptions,
    producerId = "",
  ): Promise<string | null> {
    const iteration = iterationRequest(delayedJobOpts);
    return this.call("advanceScheduler", id, nextMillis ?? 0, producerId, iteration);
  }

  /** Removes a job scheduler and its next job. @returns 0, or 1 when there was none */
  removeJobScheduler(id: string): Promise<number> {
    return this.call("removeScheduler", id);
  }

  /** Sets fields of the queue's settings. @returns the number of new fields */
  async setQueueMeta(values: Record<string, string | number>): Promise<number> {
    const texts = Object.entries(values).map(([field, value]) => [field, freeText(value, field)]);
    return this.call("setMeta", Object.fromEntries(texts) as Record<string, string>);
  }

  /** Removes fields of the queue's settings. @returns the number of removed fields */
  removeQueueMetaFields(fields: string[]): Promise<number> {
    return this.call("removeMeta", fields);
  }

  /** Starts no job of the queue for a time, in milliseconds. */
  async setRateLimit(expireTimeMs: number): Promise<void> {
    await this.call("setRateLimit", expireTimeMs);
  }

  /** Ends the rate limit of the queue. @returns 1 if there was one, otherwise 0 */
  removeRateLimitKey(): Promise<number> {
    return this.call("removeRateLimit");
  }

  /** A key of old Redis queues, which a new store never has. */
  async removeDeprecatedPriorityKey(): Promise<number> {
    return 0;
  }

  /** Removes the oldest events of the queue until `maxLength` are left. @returns the number of removed events */
  trimEvents(maxLength: number): Promise<number> {
    return this.call("trimEvents", maxLength);
  }

  /** Adds an event of the program's own to the queue's events. @returns its id */
  async publishEvent(
    { event = "", ...fields }: Record<string, string | number>,
    maxEvents: number,
  ): Promise<string> {
    const flat = Object.entries(fields).flatMap(([name, value]) => [name, freeText(value, name)]);
    const id = await this.call("publishEvent", freeText(event, "The event"), flat);
    await this.call("trimEvents", maxEvents);
    return id;
  }
}

/** How many jobs a call takes: BullMQ repeats it until none is left, so it has to take at least one. @throws NEWEL_E_STORE_ARGUMENT */
function atOnce(count: number): number {
  return Math.max(1, whole(count, "The number"));
}
