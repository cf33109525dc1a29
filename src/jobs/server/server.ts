import { hostname } from "node:os";

import type { Job, MinimalJob } from "bullmq";

import { backoffMs } from "../../base/backoff.ts";
import { messageOf } from "../../base/errors.ts";
import type { Log } from "../../base/json-log.ts";
import { formatRunId, optionError } from "../names.ts";
import type { JobFacts } from "../runner/protocol.ts";
import { openBackend } from "../store/backend.ts";
import { Queues } from "../store/queues.ts";
import { readBackoff } from "../stored.ts";
import { Admission } from "./admission.ts";
import { Attempts } from "./attempts.ts";
import { BlockedRuns } from "./blocked-runs.ts";
import { Cancels } from "./cancels.ts";
import { Groups } from "./groups.ts";
import { Places } from "./places.ts";
import { Pools } from "./pools.ts";
import { QueueWorker, type QueueWorkerOptions } from "./queue-worker.ts";
import { Retention } from "./retention.ts";
import { Slots } from "./slots.ts";
import { Unserved } from "./unserved.ts";

/** The options of a job server. */
export interface JobServerOptions {
  /** The URL of the store. */
  readonly store: string;
  /** The absolute paths of the modules that define jobs. */
  readonly modules: readonly string[];
  /** How many jobs that do not share a process run at once. */
  readonly processes: number;
  /** The grace that jobs get when the server stops, in milliseconds. */
  readonly graceMs: number;
  /** How long another server waits for this server's jobs if it cannot detect its death, in milliseconds. */
  readonly lockMs: number;
  readonly log: Log;
}

/**
 * How often a run may lose its server before it fails. Handlers run in separate processes, so a
 * server that dies is not the run's fault; but a run that crashes each server that reads it has
 * to fail at some point.
 */
const MOST_LOST_SERVERS = 100;
/** The interval of the check for runs whose server is gone, in milliseconds. */
const LOOK_FOR_LOST_MS = 5_000;
/** The backoff of writes to an unreachable store, in milliseconds. */
const TELL_AGAIN_MS = 1_000;

/** The name of this server, as runs show it. */
const SERVER = `${hostname()}:${process.pid}`;

/** Runs the jobs of a store: takes them, executes them in its processes, and stores their outcomes. */
export class JobServer implements AsyncDisposable {
  readonly #options: JobServerOptions;
  readonly #queues: Queues;
  readonly #pools: Pools;
  readonly #cancels: Cancels;
  readonly #places: Places;
  readonly #groups: Groups;
  readonly #unserved: Unserved;
  readonly #retention: Retention;
  readonly #attempts: Attempts;
  readonly #blocked: BlockedRuns;
  readonly #workers: QueueWorker[] = [];
  readonly definitions: ReadonlyMap<string, JobFacts>;
  #stopping: Promise<void> | undefined;

  /**
   * @throws NEWEL_E_JOBS_MODULE a module cannot be loaded
   * @throws NEWEL_E_JOBS_STORE, NEWEL_E_JOBS_UNREACHABLE, NEWEL_E_JOBS_FILE of the store
   * @throws NEWEL_E_JOB_OPTION definitions do not fit together
   */
  static async start(options: JobServerOptions): Promise<JobServer> {
    const pools = new Pools(options);
    let server: JobServer | undefined;
    try {
      const facts = await pools.start();
      server = new JobServer(options, pools, new Queues(await openBackend(options.store)), facts);
      await server.#begin();
      return server;
    } catch (error) {
      await (server === undefined ? pools.close() : server.stop());
      throw error;
    }
  }

  private constructor(
    options: JobServerOptions,
    pools: Pools,
    queues: Queues,
    facts: readonly JobFacts[],
  ) {
    const { graceMs, log } = options;
    this.#options = options;
    this.#pools = pools;
    this.#queues = queues;
    this.definitions = new Map(facts.map((each) => [each.name, each]));
    this.#cancels = new Cancels(queues, {
      cancel: (run) => this.#attempts.cancel(run),
      failed: (error) => log.warn({ err: error }, "A wish to cancel could not be dealt with."),
    });
    const troubled = (error: unknown): void =>
      log.warn({ err: error }, "A place in a group could not be dealt with.");
    this.#places = new Places(queues, {
      freed: (mark) => this.#groups.freed(mark),
      failed: troubled,
    });
    this.#groups = new Groups(queues, this.#places, troubled);
    const { definitions } = this;
    this.#unserved = new Unserved(queues, log);
    this.#retention = new Retention(queues, (error) =>
      log.warn({ err: error }, "Runs that are over their time could not be removed."),
    );
    this.#attempts = new Attempts({
      queues,
      pools,
      cancels: this.#cancels,
      groups: this.#groups,
      server: SERVER,
      admission: new Admission({
        queues,
        cancels: this.#cancels,
        unserved: this.#unserved,
        definitions,
      }),
      graceMs,
    });
    this.#blocked = new BlockedRuns({
      queues,
      definitions,
      processes: options.processes,
      server: SERVER,
      running: () => this.#attempts.executing(),
      log,
    });
  }

  /** The number of running jobs. */
  get running(): number {
    return this.#attempts.size;
  }

  async #begin(): Promise<void> {
    const facts = [...this.definitions.values()];
    const limits = queueLimits(facts);
    for (const [queue, concurrency] of limits)
      if (concurrency !== undefined)
        await this.#queues.writer(queue).setGlobalConcurrency(concurrency);
    await this.#unserved.serve(facts);
    await this.#cancels.start();
    if (facts.some(({ groupConcurrency }) => groupConcurrency !== undefined))
      await this.#places.start();
    const slots = new Slots(this.#options.processes);
    for (const queue of limits.keys()) this.#workers.push(this.#work(queue, slots));
    await Promise.all(this.#workers.map((worker) => worker.waitUntilReady()));
    for (const worker of this.#workers) void worker.run();
    this.#retention.start([...limits.keys()]);
    this.#blocked.start();
  }

  #work(queue: string, slots: Slots): QueueWorker {
    const { blocking, factory, kind } = this.#queues.backend;
    const { lockMs, log } = this.#options;
    const options: QueueWorkerOptions = {
      connection: blocking as never,
      name: SERVER,
      lockDuration: lockMs,
      lapses: kind !== "sqlite",
      headStartMs: () => this.#unserved.headStartMs(queue),
      leaseLost: (reason) =>
        log.warn({ queue, err: reason }, "A lease was lost; the attempt is stopped."),
      stalledInterval: Math.min(LOOK_FOR_LOST_MS, lockMs),
      maxStalledCount: MOST_LOST_SERVERS,
      runRetryDelay: TELL_AGAIN_MS,
      settings: { backoffStrategy: waitBefore },
    };
    const run = this.#attempts.run.bind(this.#attempts);
    const worker = new QueueWorker(queue, run, slots, options, factory);
    worker.on("error", (error) => log.error({ queue, err: error }, "The store refuses."));
    worker.on("completed", (job) => void this.#ended(job, "done"));
    worker.on("failed", (job, error) => void this.#failed(job, error));
    return worker;
  }

  async #ended(job: Job, state: "done" | "failed"): Promise<void> {
    const run = formatRunId(job.queueName, job.id ?? "");
    this.#retention.ended(job, state);
    await this.#cancels.ended(run);
  }

  async #failed(job: Job | undefined, error: Error): Promise<void> {
    if (job === undefined) return;
    const { log } = this.#options;
    const run = formatRunId(job.queueName, job.id ?? "");
    const { attemptsMade: attempt, name } = job;
    const { message: reason, stack } = error;
    log.warn({ run, job: name, attempt, reason, stack }, "An attempt failed.");
    if (job.finishedOn !== undefined) await this.#ended(job, "failed");
  }

  /**
   * Takes no more jobs, and aborts the signal of running ones. A job that succeeds within the grace is
   * done; the others wait again, without having used up an attempt.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    const { log } = this.#options;
    for (const worker of this.#workers) worker.leave();
    this.#attempts.stop();
    const steps = [
      ...this.#workers.map((worker) => () => worker.close()),
      () => this.#blocked.close(),
      () => this.#groups.close(),
      () => this.#places.close(),
      () => this.#cancels.close(),
      () => this.#retention.close(),
      () => this.#pools.close(),
      () => this.#queues.close(),
    ];
    for (const step of steps) {
      try {
        await step();
      } catch (error) {
        log.error({ err: error }, messageOf(error));
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** The queues of the definitions, each with its concurrency. */
function queueLimits(facts: readonly JobFacts[]): Map<string, number | undefined> {
  const limits = new Map<string, number | undefined>();
  for (const { name, queue, concurrency } of facts) {
    const known = limits.get(queue);
    if (known !== undefined && concurrency !== undefined && known !== concurrency)
      throw optionError(
        `the job ${name}`,
        "concurrency",
        concurrency,
        `${known}, as another job of the queue ${queue} has it`,
      );
    limits.set(queue, known ?? concurrency);
  }
  return limits;
}

/** The wait of newel's own backoff; BullMQ's backoff types never reach this function. */
function waitBefore(
  attemptsMade: number,
  _type?: string,
  _error?: Error,
  job?: MinimalJob,
): number {
  const backoff = readBackoff(job?.opts ?? {});
  return backoff === undefined ? 0 : backoffMs(backoff, attemptsMade);
}
