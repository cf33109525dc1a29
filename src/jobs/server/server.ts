import type { Job, MinimalJob, WorkerOptions } from "bullmq";
import type { Logger } from "pino";

import { backoffMs } from "../../base/backoff.ts";
import { messageOf } from "../../base/errors.ts";
import { formatRunId, optionError } from "../names.ts";
import type { JobFacts } from "../runner/protocol.ts";
import { openBackend } from "../store/backend.ts";
import { Queues } from "../store/queues.ts";
import { readBackoff } from "../stored.ts";
import { Attempts } from "./attempts.ts";
import { Cancels } from "./cancels.ts";
import { Groups } from "./groups.ts";
import { Places } from "./places.ts";
import { Pools } from "./pools.ts";
import { QueueWorker } from "./queue-worker.ts";
import { Slots } from "./slots.ts";

/** What a job server is made of. */
export interface JobServerOptions {
  /** The URL of the store. */
  readonly store: string;
  /** The modules that define jobs, by their absolute paths. */
  readonly modules: readonly string[];
  /** How many jobs run at once that do not share a process. */
  readonly processes: number;
  /** What jobs have to end when the server stops, in milliseconds. */
  readonly graceMs: number;
  /** How long another server waits for this one's jobs if it cannot see that it died, in milliseconds. */
  readonly lockMs: number;
  readonly log: Logger;
}

/**
 * How often a run may lose its server before it is given up. Handlers run in processes of their own, so a
 * server that dies is not the run's fault; but a run that a server cannot even read, and dies of, has
 * to end some time.
 */
const MOST_LOST_SERVERS = 100;
/** How often runs are looked for whose server is gone, in milliseconds. */
const LOOK_FOR_LOST_MS = 5_000;
/** Between tries to tell the store something while it cannot be reached, in milliseconds. */
const TELL_AGAIN_MS = 1_000;

/** Runs the jobs of a store: takes them, executes them in its processes, and stores what became of them. */
export class JobServer implements AsyncDisposable {
  readonly #options: JobServerOptions;
  readonly #queues: Queues;
  readonly #pools: Pools;
  readonly #cancels: Cancels;
  readonly #places: Places;
  readonly #groups: Groups;
  readonly #attempts: Attempts;
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
    this.#attempts = new Attempts({
      pools,
      cancels: this.#cancels,
      groups: this.#groups,
      definitions,
      graceMs,
    });
  }

  /** How many jobs run. */
  get running(): number {
    return this.#attempts.size;
  }

  async #begin(): Promise<void> {
    const facts = [...this.definitions.values()];
    const limits = queueLimits(facts);
    for (const [queue, concurrency] of limits)
      if (concurrency !== undefined)
        await this.#queues.writer(queue).setGlobalConcurrency(concurrency);
    await this.#cancels.start();
    if (facts.some(({ groupConcurrency }) => groupConcurrency !== undefined))
      await this.#places.start();
    const slots = new Slots(this.#options.processes);
    for (const queue of limits.keys()) this.#workers.push(this.#work(queue, slots));
    await Promise.all(this.#workers.map((worker) => worker.waitUntilReady()));
    for (const worker of this.#workers) void worker.run();
  }

  #work(queue: string, slots: Slots): QueueWorker {
    const { blocking, factory } = this.#queues.backend;
    const { lockMs, log } = this.#options;
    const options: WorkerOptions = {
      connection: blocking as never,
      lockDuration: lockMs,
      stalledInterval: Math.min(LOOK_FOR_LOST_MS, lockMs),
      maxStalledCount: MOST_LOST_SERVERS,
      runRetryDelay: TELL_AGAIN_MS,
      settings: { backoffStrategy: waitBefore },
    };
    const run = this.#attempts.run.bind(this.#attempts);
    const worker = new QueueWorker(queue, run, slots, options, factory);
    worker.on("error", (error) => log.error({ queue, err: error }, "The store refuses."));
    worker.on("completed", (job) => void this.#ended(job));
    worker.on("failed", (job, error) => void this.#failed(job, error));
    return worker;
  }

  async #ended(job: Job): Promise<void> {
    const run = formatRunId(job.queueName, job.id ?? "");
    await this.#cancels.ended(run);
  }

  async #failed(job: Job | undefined, error: Error): Promise<void> {
    if (job === undefined) return;
    const { log } = this.#options;
    const run = formatRunId(job.queueName, job.id ?? "");
    const { attemptsMade: attempt, name } = job;
    log.warn({ run, job: name, attempt, reason: error.message }, "An attempt failed.");
    if (job.finishedOn !== undefined) await this.#ended(job);
  }

  /**
   * Takes no more jobs, and tells those that run that it is to end. What ends well within the grace is
   * done; the rest waits again, without having used up an attempt.
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
      () => this.#groups.close(),
      () => this.#places.close(),
      () => this.#cancels.close(),
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

/** The queues of the definitions, each with how many of it may run at once. */
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

/** The wait of newel's own backoff; BullMQ's kinds never come here. */
function waitBefore(
  attemptsMade: number,
  _type?: string,
  _error?: Error,
  job?: MinimalJob,
): number {
  const backoff = readBackoff(job?.opts ?? {});
  return backoff === undefined ? 0 : backoffMs(backoff, attemptsMade);
}
