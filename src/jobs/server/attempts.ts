import { DelayedError, type Job, WaitingError } from "bullmq";

import { newelError } from "../../base/errors.ts";
import { sleep } from "../../base/timers.ts";
import type { StoredJob } from "../api.ts";
import { toRunError } from "../failure.ts";
import { formatRunId } from "../names.ts";
import type { JobFacts, RunnerAsk, RunTask } from "../runner/protocol.ts";
import { progressOf } from "../events/entry.ts";
import { fromStored } from "../stored.ts";
import type { Cancels } from "./cancels.ts";
import {
  attemptError,
  cancelledReason,
  type End,
  type Ended,
  endOf,
  finalError,
  stoppingReason,
  timeoutReason,
} from "./ends.ts";
import type { Groups } from "./groups.ts";
import { Keeper } from "./keeper.ts";
import type { Pools } from "./pools.ts";
import type { Slot } from "./slots.ts";

const BACK: End = { kind: "back", waitMs: 0 };
/** The stacks of a run that are kept, if it says nothing else. */
const STACKS = 5;

/** What attempts are run with. */
export interface AttemptsOptions {
  readonly pools: Pools;
  readonly cancels: Pick<Cancels, "has">;
  readonly groups: Groups;
  readonly definitions: ReadonlyMap<string, JobFacts>;
  /** What attempts have to end when the server stops, in milliseconds. */
  readonly graceMs: number;
}

/** A job that was taken, and what is known of it. */
interface Taken {
  readonly job: Job;
  readonly run: string;
  readonly facts: JobFacts;
  readonly stored: StoredJob;
}

/** One attempt that runs here. */
interface Running {
  readonly abort: AbortController;
  /** From the abort on. */
  graceMs: number;
}

/** The attempts that run in this server: each from its job to the end that BullMQ is told. */
export class Attempts {
  readonly #options: AttemptsOptions;
  readonly #running = new Map<string, Running>();
  readonly #stopping = new AbortController();

  constructor(options: AttemptsOptions) {
    this.#options = options;
  }

  /** How many run. */
  get size(): number {
    return this.#running.size;
  }

  /** @returns the result; throws what BullMQ makes a failure, a retry or a give-back of */
  async run(job: Job, token: string, slot: Slot): Promise<unknown> {
    const end = await this.#end(job, token, slot);
    if (end.kind === "back") {
      await sleep(end.waitMs, this.#stopping.signal);
      await job.moveToWait(token);
      throw new WaitingError();
    }
    if (end.kind === "failed" && end.atOnce) startNext(job);
    // What begins again at once keeps its place.
    else slot.offer();
    if (end.kind === "done") return end.result;
    keepFewStacks(job);
    throw end.error;
  }

  async #end(job: Job, token: string, slot: Slot): Promise<End> {
    try {
      return await this.#admit(job, token, slot);
    } catch (error) {
      slot.offer();
      throw error;
    }
  }

  async #admit(job: Job, token: string, slot: Slot): Promise<End> {
    const run = formatRunId(job.queueName, job.id ?? "");
    if (await this.#options.cancels.has(run)) throw finalError(toRunError(cancelledReason(run)));
    if (this.#stopping.signal.aborted) return BACK;
    const facts = this.#options.definitions.get(job.name);
    if (facts === undefined) {
      const { name, queueName: queue } = job;
      throw attemptError(toRunError(newelError("NEWEL_E_JOB_UNKNOWN", { job: name, queue })));
    }
    return this.#inGroup({ job, run, facts, stored: fromStored(job.data) }, token, slot);
  }

  async #inGroup(taken: Taken, token: string, slot: Slot): Promise<End> {
    const { groupConcurrency, name } = taken.facts;
    const { group } = taken.stored;
    if (groupConcurrency === undefined || group === undefined) return this.#inPool(taken, slot);
    const { groups } = this.#options;
    const place = await groups.enter(name, group, groupConcurrency);
    if ("frees" in place) {
      await groups.park(taken.job, token, group, place);
      throw new DelayedError();
    }
    try {
      return await this.#inPool(taken, slot);
    } finally {
      place.release();
    }
  }

  /** A job that shares a process has its place there instead. */
  async #inPool(taken: Taken, slot: Slot): Promise<End> {
    const slots = this.#options.pools.sharedSlots(taken.facts);
    if (slots === undefined) return this.#execute(taken);
    const shared = await slots.acquire(this.#stopping.signal);
    if (shared === undefined) return BACK;
    slot.release();
    try {
      return await this.#execute(taken);
    } finally {
      shared.release();
    }
  }

  async #execute(taken: Taken): Promise<End> {
    const { job, run, facts, stored } = taken;
    const running: Running = { abort: new AbortController(), graceMs: facts.graceMs };
    this.#running.set(run, running);
    const timer = startTimer(facts, running);
    const keeper = new Keeper(job, stored, job.attemptsMade + 1);
    try {
      // While it waited for its place it may have been cancelled.
      if (await this.#options.cancels.has(run)) this.cancel(run);
      const outcome = await this.#outcome(taken, running, keeper);
      return endOf({ facts, outcome, reason: running.abort.signal.reason });
    } finally {
      clearTimeout(timer);
      this.#running.delete(run);
      await keeper.end();
    }
  }

  async #outcome(taken: Taken, running: Running, keeper: Keeper): Promise<Ended["outcome"]> {
    const { memoryBytes } = taken.facts;
    try {
      return await this.#options.pools.run(taskOf(taken), taken.facts, {
        signal: running.abort.signal,
        graceMs: () => running.graceMs,
        // Of our own runner.
        onAsk: (asked) => keeper.keep(asked as RunnerAsk),
        ...(memoryBytes === undefined ? {} : { memoryBytes }),
      });
    } catch (error) {
      return { state: "lost", error };
    }
  }

  /** @returns whether it runs here */
  cancel(run: string): boolean {
    const running = this.#running.get(run);
    running?.abort.abort(cancelledReason(run));
    return running !== undefined;
  }

  /** Asks all to end; those that do not are killed after the grace. */
  stop(): void {
    const { graceMs } = this.#options;
    this.#stopping.abort();
    for (const running of this.#running.values()) {
      running.graceMs = graceMs;
      running.abort.abort(stoppingReason(graceMs));
    }
  }
}

function startTimer(facts: JobFacts, { abort }: Running): NodeJS.Timeout | undefined {
  const { timeoutMs } = facts;
  if (timeoutMs === undefined) return undefined;
  return setTimeout(() => abort.abort(timeoutReason(facts, timeoutMs)), timeoutMs);
}

function taskOf({ job, run, stored }: Taken): RunTask {
  const { input, by, steps, trace } = stored;
  const progress = progressOf(job.progress);
  return {
    kind: "run",
    run,
    queue: job.queueName,
    name: job.name,
    input,
    attempt: job.attemptsMade + 1,
    attempts: Math.max(1, job.opts.attempts ?? 1),
    ...(by === undefined ? {} : { by }),
    ...(steps === undefined ? {} : { steps }),
    ...(progress === undefined ? {} : { progress }),
    ...(trace === undefined ? {} : { trace }),
  };
}

/** Its next attempt goes first in line, without a wait. In the store its options stay as they are. */
function startNext(job: Job): void {
  const { backoff: _, ...opts } = job.opts;
  job.opts = { ...opts, lifo: true };
}

/** A run with many attempts is not to carry the stack of each. */
function keepFewStacks(job: Job): void {
  job.opts = { stackTraceLimit: STACKS, ...job.opts };
}
