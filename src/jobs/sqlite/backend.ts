import {
  type IQueueBackend,
  type JobJson,
  type JobProgress,
  type JobsOptions,
  type MinimalJob,
  type ParentKeyOpts,
  type RepeatableOptions,
  type RetryOptions,
} from "bullmq";

import type { BackendOptions } from "./backend-reads.ts";
import { SqliteQueueTurns } from "./backend-turns.ts";
import { addRequest, iterationRequest, schedulerFields } from "./requests.ts";
import { accepted, refuse } from "./refusals.ts";
import type { StoreClient } from "./store-client.ts";

const BULK_COUNT = 1_000;

let connections = 0;

/** BullMQ's operations on a queue, on a file of SQLite. Made by `createSqliteBackend`. */
export class SqliteQueueBackend extends SqliteQueueTurns implements IQueueBackend {
  readonly #owns: boolean;
  readonly #number = (connections += 1);
  #ready: Promise<void> | undefined;
  #name: string | undefined;
  readonly minimumBlockTimeout = 0.001;
  /** An hour: a wait is ended by what it waits for, and costs nothing meanwhile. */
  readonly maximumBlockTimeout = 3_600;

  /**
   * @param owns - closes the client's file with it; siblings of a flow do not
   * @param name - what `getWorkers` shows it as
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

  /** For readers of events: begins with those that come from now on, not from the first read on. */
  startEvents(): void {
    this.eventsFrom = this.call("lastEvent");
    this.eventsFrom.catch(() => undefined);
  }

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
      await this.client.release();
      this.emit("close");
    }
  }

  async disconnect(): Promise<void> {
    this.interrupt();
  }

  async setName(name: string): Promise<void> {
    if (this.#name === name) return;
    this.#name = name;
    await this.call("setClient", this.#number, name);
  }

  forQueue(queueName: string, prefix: string = this.prefix): IQueueBackend {
    return new SqliteQueueBackend(
      this.client,
      queueName,
      { ...this.options, prefix },
      false,
      undefined,
    );
  }

  async disconnectBlocking(_wait?: boolean): Promise<void> {
    this.interrupt();
  }

  async reconnectBlocking(): Promise<void> {
    this.blocked = false;
  }

  async addJob(job: JobJson, jobId: string, parent: ParentKeyOpts = {}): Promise<string> {
    const [id] = await this.addJobs([{ job, jobId, parentKeyOpts: parent }]);
    return id ?? "";
  }

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

  async addFlow(
    entries: Parameters<IQueueBackend["addFlow"]>[0],
  ): Promise<[Error | null, string | number][]> {
    const added = await this.call(
      "addFlow",
      entries.map(({ jobData, jobId, parentKeyOpts, prefix, queueName }) => ({
        ...addRequest(jobData, jobId, parentKeyOpts),
        queueName: `${prefix === "" || prefix === undefined ? "bull" : prefix}:${queueName}`,
      })),
    );
    return added.map((id) => [null, id]);
  }

  async retryFinishedJob(
    job: MinimalJob,
    state: "failed" | "completed",
    opts: RetryOptions = {},
  ): Promise<void> {
    const id = job.id ?? "";
    const code = await this.call("retryFinished", id, state, {
      lifo: job.opts.lifo === true,
      resetAttemptsMade: opts.resetAttemptsMade === true,
      resetAttemptsStarted: opts.resetAttemptsStarted === true,
    });
    accepted(code, "reprocessJob", { jobId: id, state });
  }

  async promote(jobId: string): Promise<void> {
    accepted(await this.call("promote", jobId), "promote", { jobId, state: "delayed" });
  }

  retryFinishedJobs(
    state: "completed" | "failed" = "failed",
    count: number = BULK_COUNT,
    timestamp: number = Date.now(),
  ): Promise<number> {
    return this.call("moveJobsToWait", state, count, timestamp);
  }

  promoteJobs(count: number = BULK_COUNT): Promise<number> {
    return this.call("moveJobsToWait", "delayed", count, Number.MAX_SAFE_INTEGER);
  }

  async pause(pause: boolean): Promise<void> {
    await this.call("pause", pause);
  }

  async drain(delayed: boolean): Promise<void> {
    await this.call("drain", delayed);
  }

  cleanJobsByState(state: string, timestamp: number, limit = 0): Promise<string[]> {
    return this.call("cleanJobs", state, timestamp, limit);
  }

  async obliterate(opts: { force: boolean; count: number }): Promise<number> {
    const cursor = await this.call("obliterate", opts.count, opts.force);
    if (cursor === -1) throw new Error("Cannot obliterate non-paused queue");
    if (cursor === -2) throw new Error("Cannot obliterate queue with active jobs");
    return cursor;
  }

  /** A job is one row with its state: none can be orphaned. */
  async removeOrphanedJobs(_count?: number, _limit?: number): Promise<number> {
    return 0;
  }

  async updateData(job: MinimalJob, data: unknown): Promise<void> {
    const id = job.id ?? "";
    const code = await this.call("updateData", id, JSON.stringify(data) ?? "{}");
    accepted(code, "updateData", { jobId: id });
  }

  async updateProgress(jobId: string, progress: JobProgress): Promise<void> {
    const code = await this.call("updateProgress", jobId, JSON.stringify(progress) ?? "null");
    accepted(code, "updateProgress", { jobId });
  }

  async addLog(jobId: string, logRow: string, keepLogs = 0): Promise<number> {
    return accepted(await this.call("addLog", jobId, logRow, keepLogs), "addLog", { jobId });
  }

  async clearLogs(jobId: string, keepLogs = 0): Promise<void> {
    await this.call("clearLogs", jobId, keepLogs);
  }

  async changeDelay(jobId: string, delay: number): Promise<void> {
    accepted(await this.call("changeDelay", jobId, delay), "changeDelay", {
      jobId,
      state: "delayed",
    });
  }

  async changePriority(jobId: string, priority = 0, lifo = false): Promise<void> {
    accepted(await this.call("changePriority", jobId, priority, lifo), "changePriority", { jobId });
  }

  async remove(jobId: string, removeChildren: boolean): Promise<number> {
    return accepted(await this.call("removeById", jobId, removeChildren), "removeJob", { jobId });
  }

  async removeUnprocessedChildren(jobId: string): Promise<void> {
    await this.call("removeUnprocessedChildren", jobId);
  }

  async removeChildDependency(jobId: string, parentKey: string): Promise<boolean> {
    const code = await this.call("removeChildDependency", jobId, parentKey);
    return accepted(code, "removeChildDependency", { jobId, parentKey }) === 0;
  }

  removeDeduplicationKey(deduplicationId: string, jobId: string): Promise<number> {
    return this.call("removeDeduplication", deduplicationId, jobId);
  }

  deleteDeduplicationKey(deduplicationId: string): Promise<number> {
    return this.call("removeDeduplication", deduplicationId, null);
  }

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

  updateJobSchedulerNextMillis(
    id: string,
    nextMillis: number,
    _templateData: string,
    delayedJobOpts: JobsOptions,
    producerId = "",
  ): Promise<string | null> {
    const iteration = iterationRequest(delayedJobOpts);
    return this.call("advanceScheduler", id, nextMillis ?? 0, producerId, iteration);
  }

  removeJobScheduler(id: string): Promise<number> {
    return this.call("removeScheduler", id);
  }

  setQueueMeta(values: Record<string, string | number>): Promise<number> {
    const texts = Object.entries(values).map(([field, value]) => [field, String(value)]);
    return this.call("setMeta", Object.fromEntries(texts) as Record<string, string>);
  }

  removeQueueMetaFields(fields: string[]): Promise<number> {
    return this.call("removeMeta", fields);
  }

  async setRateLimit(expireTimeMs: number): Promise<void> {
    await this.call("setRateLimit", expireTimeMs);
  }

  removeRateLimitKey(): Promise<number> {
    return this.call("removeRateLimit");
  }

  /** A key of old Redis queues, which a new store never has. */
  async removeDeprecatedPriorityKey(): Promise<number> {
    return 0;
  }

  trimEvents(maxLength: number): Promise<number> {
    return this.call("trimEvents", maxLength);
  }

  async publishEvent(
    { event = "", ...fields }: Record<string, string | number>,
    maxEvents: number,
  ): Promise<string> {
    const flat = Object.entries(fields).flatMap(([name, value]) => [name, String(value)]);
    const id = await this.call("publishEvent", String(event), flat);
    await this.call("trimEvents", maxEvents);
    return id;
  }
}
