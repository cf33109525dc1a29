import {
  type BackendFactory,
  FlowProducer,
  type IQueueBackend,
  type Job,
  Queue,
  UnrecoverableError,
  Worker,
} from "bullmq";

import { type Operation, type OperationName, YEARS_MS } from "./operations.ts";

/** A store that programs are played on. */
export interface PlayedStore {
  readonly name: string;
  readonly connection: unknown;
  readonly factory: BackendFactory<IQueueBackend, never>;
}

/** Settings of a play that are the same for all stores that are compared. */
export interface PlaySettings {
  /**
   * Plays the program without the known differences of PostgreSQL, and gives each job an id, because PostgreSQL counts
   * only ids that it gives itself. Default: false.
   */
  readonly forPostgres?: boolean;
}

/** A job that a program knows. */
interface Known {
  readonly queue: number;
  readonly id: string;
}

interface Active extends Known {
  readonly job: Job;
  readonly token: string;
}

const QUEUES = 3;
const TOKEN = "token";

type Options = Record<string, unknown>;
type Play = (player: Player, operation: Operation) => unknown;

/** Plays the operations of a program on a store, with BullMQ's classes and without a worker that depends on time. */
export class Player {
  readonly queues: readonly Queue[];
  readonly #workers: readonly Worker[];
  readonly #flow: FlowProducer;
  readonly known: Known[] = [];
  readonly #active: Active[] = [];
  readonly #forPostgres: boolean;
  readonly #parents = new Set<string>();
  #tick: (ms: number) => void;
  #added = 0;

  constructor(
    store: PlayedStore,
    name: string,
    tick: (ms: number) => void,
    { forPostgres = false }: PlaySettings = {},
  ) {
    this.#forPostgres = forPostgres;
    const { connection, factory } = store;
    const names = Array.from({ length: QUEUES }, (_, index) => `${name}-${index}`);
    const options = { connection, lockDuration: YEARS_MS, autorun: false };
    this.#tick = tick;
    this.queues = names.map((each) => new Queue(each, { connection } as never, factory as never));
    this.#workers = names.map((each) => new Worker(each, null, options as never, factory as never));
    this.#flow = new FlowProducer({ connection } as never, factory as never);
    for (const each of [...this.queues, ...this.#workers, this.#flow] as Queue[])
      each.on("error", () => undefined);
  }

  /** Does an operation. @returns its answer, without objects of BullMQ */
  async play(operation: Operation): Promise<unknown> {
    // Each operation has its own millisecond: jobs that end in the same one have no order on Redis.
    this.#tick(1);
    return (await PLAYS[operation.name](this, operation)) ?? null;
  }

  queue(index: number): Queue {
    const queue = this.queues[index];
    if (queue === undefined) throw new Error(`no queue ${index}`);
    return queue;
  }

  worker(index: number): Worker {
    const worker = this.#workers[index];
    if (worker === undefined) throw new Error(`no worker ${index}`);
    return worker;
  }

  /** The options of the next job that is added. */
  optionsOf(options: Options): Options {
    this.#added += 1;
    return this.#forPostgres ? { jobId: `n${this.#added}`, ...options } : options;
  }

  note(queue: number, ids: readonly (string | undefined)[]): readonly (string | undefined)[] {
    for (const id of ids) if (id !== undefined) this.known.push({ queue, id });
    return ids;
  }

  /** A job that the program knows, as it is now; or one that is not there. */
  async job(number: number): Promise<Job | undefined> {
    if (this.known.length === 0) return undefined;
    const { queue, id } = this.known[number % this.known.length] ?? { queue: 0, id: "none" };
    return this.queue(queue).getJob(id);
  }

  /** Notes a job that was handed over. */
  taken(queue: number, job: Job | undefined): string | null {
    if (job?.id === undefined) return null;
    this.#active.push({ queue, id: job.id, job, token: TOKEN });
    if (!this.known.some((known) => known.queue === queue && known.id === job.id))
      this.note(queue, [job.id]);
    return job.id;
  }

  /**
   * Whether the next job of a queue may be taken. Not for PostgreSQL if a parent, or a scheduler's job, is among others
   * that wait or are due, because it has another place there.
   */
  async mayTake(queue: number): Promise<boolean> {
    if (!this.#forPostgres) return true;
    const jobs = await this.queue(queue).getJobs(["wait", "prioritized", "delayed"]);
    const ready = jobs.filter(({ timestamp, delay }) => timestamp + delay <= Date.now());
    const moves = ({ id, repeatJobKey }: Job): boolean =>
      repeatJobKey !== undefined || this.#parents.has(`${queue}:${id}`);
    return ready.length < 2 || !ready.some(moves);
  }

  /** Whether a retry leaves delayed jobs of the queue that are due where they are, which it makes ready on Redis. */
  async leavesDue(queue: number): Promise<boolean> {
    if (!this.#forPostgres) return false;
    const delayed = await this.queue(queue).getDelayed();
    return delayed.some(({ timestamp, delay }) => timestamp + delay <= Date.now());
  }

  /** The same for the job that is taken when another ends, which may release its parent. */
  async mayTakeAtEnd(queue: number): Promise<boolean> {
    if (!this.#forPostgres) return true;
    return (await this.queue(queue).getWaitingChildrenCount()) === 0 && (await this.mayTake(queue));
  }

  /** Whether a child has ended, and its parent has its result. Never for the other stores, where that changes nothing. */
  async isKnownToParent(child: Job): Promise<boolean> {
    return this.#forPostgres && ((await child.isCompleted()) || (await child.isFailed()));
  }

  /** Whether a job cannot be removed because it is of a scheduler. Never for the other stores, which know the next one. */
  isKept({ repeatJobKey }: Job): boolean {
    return this.#forPostgres && repeatJobKey !== undefined;
  }

  /** Whether the parent of a job did not wait for it after a failure. Never for the other stores, where it waits again. */
  isPassedOver({ opts: { continueParentOnFailure, ignoreDependencyOnFailure } }: Job): boolean {
    const options = [continueParentOnFailure, ignoreDependencyOnFailure];
    return this.#forPostgres && options.includes(true);
  }

  /** Ends the turn of an active job; a job stays active for the program when that fails. */
  async end(number: number, how: (active: Active) => Promise<unknown>): Promise<unknown> {
    if (this.#active.length === 0) return "none active";
    const at = number % this.#active.length;
    const active = this.#active[at];
    if (active === undefined) return "none active";
    const answer = await how(active);
    this.#active.splice(this.#active.indexOf(active), 1);
    return [active.id, answer ?? null];
  }

  /** The next job that came with the answer of one that ended. */
  async next(queue: number, answer: unknown): Promise<unknown> {
    if (!Array.isArray(answer) || answer[0] === null || answer[0] === undefined) return null;
    const [data, id] = answer as [never, string];
    const worker = this.worker(queue) as unknown as {
      nextJobFromJobData(data: unknown, id: string, token: string): Promise<Job | undefined>;
    };
    return this.taken(queue, await worker.nextJobFromJobData(data, id, TOKEN));
  }

  async addFlow(options: Options): Promise<unknown> {
    let count = 0;
    const node = (given: Options): object => {
      const { queue, opts, children } = given as {
        queue: number;
        opts: Options;
        children: Options[];
      };
      count += 1;
      return {
        name: "flow",
        queueName: this.queue(queue).name,
        data: { count },
        opts: { ...opts, jobId: `f${this.known.length}-${count}` },
        ...(children.length === 0 ? {} : { children: children.map(node) }),
      };
    };
    const tree = await this.#flow.add(node(options) as never);
    const ids: string[] = [];
    const note = (each: typeof tree): void => {
      const queue = this.queues.findIndex(({ name }) => name === each.job.queueName);
      ids.push(...this.note(queue, [each.job.id]).map(String));
      if (each.children !== undefined) this.#parents.add(`${queue}:${each.job.id}`);
      for (const child of each.children ?? []) note(child);
    };
    note(tree);
    return ids;
  }

  tick(ms: number): void {
    this.#tick(ms);
  }

  async close(): Promise<void> {
    const all = [...this.#workers, this.#flow, ...this.queues];
    await Promise.all(all.map((each) => each.close()));
  }
}

/** Whether the time that a scheduler gave a job is still to come. */
function isAhead({ opts }: Job): boolean {
  return (opts.prevMillis ?? 0) > Date.now();
}

// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the operation knows its options
const option = <T>(operation: Operation, name: string): T => operation.options[name] as T;

/** How each operation is done. */
const PLAYS: Readonly<Record<OperationName, Play>> = {
  add: async (player, { queue, options }) => {
    const data = { made: player.known.length };
    const { id } = await player.queue(queue).add("n", data, player.optionsOf(options));
    return player.note(queue, [id]);
  },
  addBulk: async (player, operation) => {
    const jobs = option<Options[]>(operation, "jobs").map((opts) => ({
      name: "b",
      data: 1,
      opts: player.optionsOf(opts),
    }));
    const added = await player.queue(operation.queue).addBulk(jobs);
    return player.note(
      operation.queue,
      added.map(({ id }) => id),
    );
  },
  addFlow: (player, { options }) => player.addFlow(options),
  upsertScheduler: async (player, { queue, options }) => {
    const { id, repeat, opts, data } = options as {
      id: string;
      repeat: object;
      opts: object;
      data: number;
    };
    const made = { name: "s", data: { data }, opts };
    // Documented: on Redis a job that ended ahead of its time may be delayed, and ended, at the same time.
    const ended = await player.queue(queue).getJobs(["completed", "failed"]);
    if (ended.some((job) => job.repeatJobKey === id && isAhead(job))) return "ended ahead";
    // Documented: on Redis a job of the scheduler that waits in a paused queue is not replaced.
    if (await player.queue(queue).isPaused()) return "paused";
    // Documented: on Redis a job of the scheduler that runs, or waits again, may be delayed at the same time.
    const begun = await player.queue(queue).getJobs(["active", "wait", "prioritized"]);
    if (begun.some(({ repeatJobKey }) => repeatJobKey === id)) return "active";
    const job = await player.queue(queue).upsertJobScheduler(id, repeat, made);
    return job === undefined ? null : [player.note(queue, [job.id]), job.opts.delay];
  },
  removeScheduler: (player, operation) =>
    player.queue(operation.queue).removeJobScheduler(option(operation, "id")),
  take: async (player, { queue }) =>
    (await player.mayTake(queue))
      ? player.taken(queue, await player.worker(queue).getNextJob(TOKEN, { block: false }))
      : "left out",
  complete: (player, operation) =>
    player.end(operation.job, async ({ queue, job, token }) => {
      const fetchNext =
        option<boolean>(operation, "fetchNext") && (await player.mayTakeAtEnd(queue));
      return player.next(
        queue,
        await job.moveToCompleted({ done: operation.job }, token, fetchNext),
      );
    }),
  fail: (player, operation) =>
    player.end(operation.job, async ({ queue, id, job, token }) => {
      // Documented: on Redis a retry that is refused promotes delayed jobs that are due all the same.
      if ((await player.queue(queue).getJobState(id)) !== "active") return "not active";
      if (await player.leavesDue(queue)) return "left out";
      const error = option<boolean>(operation, "unrecoverable")
        ? new UnrecoverableError("for good")
        : new Error("failed");
      error.stack = `stack ${operation.job}`;
      const fetchNext =
        option<boolean>(operation, "fetchNext") && (await player.mayTakeAtEnd(queue));
      return player.next(queue, await job.moveToFailed(error, token, fetchNext));
    }),
  delayActive: (player, operation) =>
    player.end(operation.job, ({ job, token }) =>
      job.moveToDelayed(Date.now() + option<number>(operation, "delay"), token),
    ),
  waitActive: (player, { job: number }) =>
    player.end(number, async ({ job, token }) => (await job.moveToWait(token)) > 0),
  waitForChildren: (player, { job: number }) =>
    player.end(number, async ({ job, token }) => {
      if (!(await job.moveToWaitingChildren(token))) throw new Error("none pending");
    }),
  updateProgress: async (player, operation) =>
    (await player.job(operation.job))?.updateProgress({ at: operation.job }),
  log: async (player, operation) => {
    const job = await player.job(operation.job);
    for (let n = option<number>(operation, "lines"); n > 0; n -= 1) await job?.log(`line ${n}`);
  },
  clearLogs: async (player, operation) =>
    (await player.job(operation.job))?.clearLogs(option(operation, "keep")),
  updateData: async (player, operation) =>
    (await player.job(operation.job))?.updateData({ updated: operation.job }),
  retry: async (player, operation) => {
    const { state, ...resets } = operation.options as { state: "failed" };
    const job = await player.job(operation.job);
    if (job !== undefined && player.isPassedOver(job)) return "left out";
    await job?.retry(state, resets);
  },
  promote: async (player, { job }) => (await player.job(job))?.promote(),
  changeDelay: async (player, operation) =>
    (await player.job(operation.job))?.changeDelay(option(operation, "delay")),
  changePriority: async (player, operation) =>
    (await player.job(operation.job))?.changePriority(operation.options),
  remove: async (player, operation) => {
    const job = await player.job(operation.job);
    if (job !== undefined && player.isKept(job)) return "left out";
    return job?.remove(operation.options);
  },
  removeChildDependency: async (player, { job }) => {
    const child = await player.job(job);
    if (child !== undefined && (await player.isKnownToParent(child))) return "left out";
    return child?.removeChildDependency();
  },
  removeUnprocessedChildren: async (player, { job }) =>
    (await player.job(job))?.removeUnprocessedChildren(),
  pause: (player, { queue }) => player.queue(queue).pause(),
  resume: (player, { queue }) => player.queue(queue).resume(),
  drain: async (player, operation) => {
    const queue = player.queue(operation.queue);
    // Documented: on Redis a scheduler's job that waits loses its place in line.
    const waiting = await queue.getJobs(["wait"]);
    if (waiting.every(({ repeatJobKey }) => repeatJobKey === undefined))
      await queue.drain(option(operation, "delayed"));
  },
  clean: async (player, operation) => {
    const { grace, limit, state } = operation.options as {
      grace: number;
      limit: number;
      state: "wait";
    };
    return (await player.queue(operation.queue).clean(grace, limit, state)).toSorted();
  },
  obliterate: async (player, { queue, options }) => {
    // Documented: on Redis jobs that wait for children stay behind.
    if ((await player.queue(queue).getWaitingChildrenCount()) > 0) return;
    await player.queue(queue).obliterate(options);
    // Documented: on Redis the rate limit and deduplication ids of removed jobs hold on.
    await player.queue(queue).removeRateLimitKey();
    for (const id of ["d1", "d2"]) await player.queue(queue).removeDeduplicationKey(id);
  },
  retryJobs: async (player, { queue, options }) => {
    // Documented: on Redis it forgets priorities.
    const finished = await player.queue(queue).getJobs(["completed", "failed"]);
    if (finished.every(({ priority }) => priority === 0))
      await player.queue(queue).retryJobs(options);
  },
  promoteJobs: async (player, { queue }) => {
    // Documented: on Redis it forgets priorities.
    const delayed = await player.queue(queue).getDelayed();
    if (delayed.every(({ priority }) => priority === 0)) await player.queue(queue).promoteJobs();
  },
  setConcurrency: (player, operation) =>
    player.queue(operation.queue).setGlobalConcurrency(option(operation, "concurrency")),
  removeConcurrency: (player, { queue }) => player.queue(queue).removeGlobalConcurrency(),
  setRateLimit: (player, operation) =>
    player.queue(operation.queue).setGlobalRateLimit(option(operation, "max"), YEARS_MS),
  removeRateLimit: (player, { queue }) => player.queue(queue).removeGlobalRateLimit(),
  rateLimit: (player, { queue }) => player.queue(queue).rateLimit(YEARS_MS),
  removeRateLimitKey: (player, { queue }) => player.queue(queue).removeRateLimitKey(),
  removeDeduplicationKey: (player, operation) =>
    player.queue(operation.queue).removeDeduplicationKey(option(operation, "id")),
  removeOwnDeduplicationKey: async (player, { job }) =>
    (await player.job(job))?.removeDeduplicationKey(),
  extendLock: async (player, { job }) => (await player.job(job))?.extendLock(TOKEN, YEARS_MS),
  read: async (player, { job: number }) => {
    const job = await player.job(number);
    if (job === undefined) return undefined;
    const kinds = [
      job.isCompleted(),
      job.isFailed(),
      job.isDelayed(),
      job.isActive(),
      job.isWaiting(),
    ];
    return [await job.getState(), await Promise.all(kinds), await job.isWaitingChildren()];
  },
  tick: (player, operation) => player.tick(option(operation, "ms")),
};
