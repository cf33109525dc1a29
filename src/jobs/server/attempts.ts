import { DelayedError, type Job, WaitingError } from "bullmq";

import { sleep } from "../../base/timers.ts";
import type { FailedAttempt, StoredJob } from "../api.ts";
import { formatAttemptRecord } from "../attempt-record.ts";
import { parseFailure } from "../failure.ts";
import { formatRunId } from "../names.ts";
import type { JobFacts, Outcome, RunnerAsk, RunTask } from "../runner/protocol.ts";
import { storedProgressOf } from "../runner/progress.ts";
import { fromStored, isStored, withoutAges } from "../stored.ts";
import type { Queues } from "../store/queues.ts";
import { attemptsOf } from "../store/run.ts";
import { AttemptWaits } from "./attempt-waits.ts";
import type { Admission } from "./admission.ts";
import type { ExecutingRun } from "./blocked-runs.ts";
import type { Cancels } from "./cancels.ts";
import {
  cancelledReason,
  type End,
  type Ended,
  endOf,
  stoppingReason,
  timeoutReason,
} from "./ends.ts";
import type { Groups } from "./groups.ts";
import { Keeper } from "./keeper.ts";
import type { HeldLease } from "./leases.ts";
import { MemoryLimits, type MemoryWatch } from "./memory-limits.ts";
import type { Pools } from "./pools.ts";
import type { Slot } from "./slots.ts";
import { isTakenByOther } from "./store-refusals.ts";

const BACK: End = { kind: "back", waitMs: 0 };
/** The number of stacks that are kept of a run by default. */
const STACKS = 5;

/** The parts of the server that attempts use. */
export interface AttemptsOptions {
  readonly queues: Pick<Queues, "writer">;
  readonly pools: Pools;
  readonly cancels: Pick<Cancels, "has">;
  readonly groups: Groups;
  readonly admission: Admission;
  /** The name of this server, as runs show it. */
  readonly server: string;
  /** The grace that attempts get when the server stops, in milliseconds. */
  readonly graceMs: number;
}

/** A taken job with its definition, lease and permit. */
interface Taken {
  readonly job: Job;
  readonly run: string;
  readonly facts: JobFacts;
  readonly stored: StoredJob;
  readonly lease: HeldLease;
}

/** An attempt that runs here. A run may have two: one that has lost its lease, and its successor. */
interface Running {
  readonly run: string;
  readonly taken: Taken;
  readonly waits: AttemptWaits;
  readonly abort: AbortController;
  /** Set when the attempt is aborted. */
  graceMs: number;
}

/** The running attempts of this server, each from the taken job to the outcome that BullMQ stores. */
export class Attempts {
  readonly #options: AttemptsOptions;
  readonly #running = new Set<Running>();
  /** Runs that wait for a permit of their shared process. */
  readonly #pending = new Set<Taken>();
  readonly #stopping = new AbortController();
  readonly #memory = new MemoryLimits();

  constructor(options: AttemptsOptions) {
    this.#options = options;
  }

  /** The number of running attempts. */
  get size(): number {
    return this.#running.size;
  }

  /** The runs that execute here, and those that wait for a shared process. */
  executing(): readonly ExecutingRun[] {
    const running = [...this.#running].map(({ taken, waits }) =>
      toExecuting(taken, false, waits.list()),
    );
    return [...running, ...[...this.#pending].map((taken) => toExecuting(taken, true, []))];
  }

  /** @returns the result; throws the errors that BullMQ turns into a failure, a retry or a requeue */
  async run(job: Job, lease: HeldLease, slot: Slot): Promise<unknown> {
    const startedMs = Date.now();
    const end = await this.#end(job, lease, slot);
    if (end.kind === "back") await sleep(end.waitMs, this.#stopping.signal);
    // From here on the lease may end because the outcome is stored. An attempt with a lost lease stores none.
    if (!lease.settle()) {
      slot.offer();
      throw new WaitingError();
    }
    switch (end.kind) {
      case "done":
        slot.offer();
        job.opts = withoutAges(job.opts);
        return end.result;
      case "back":
        await this.#tell(lease, () => job.moveToWait(lease.token));
        throw new WaitingError();
      case "parked":
        await this.#tell(lease, end.park);
        slot.offer();
        throw new DelayedError();
      case "failed":
        if (end.atOnce) startNext(job);
        // A job that begins again at once keeps its permit.
        else slot.offer();
        keepFewStacks(job);
        throw withRecord(end, {
          attempt: job.attemptsMade + 1,
          startedMs,
          endedMs: Date.now(),
          server: this.#options.server,
        });
    }
  }

  /** Runs a call that gives the job back; if another token has the job, there is nothing to give back. */
  async #tell(lease: HeldLease, give: () => Promise<unknown>): Promise<void> {
    try {
      await give();
    } catch (error) {
      if (!isTakenByOther(error)) throw error;
      lease.refuse();
    }
  }

  async #end(job: Job, lease: HeldLease, slot: Slot): Promise<End> {
    try {
      return await this.#admit(job, lease, slot);
    } catch (error) {
      slot.offer();
      throw error;
    }
  }

  async #admit(job: Job, lease: HeldLease, slot: Slot): Promise<End> {
    if (this.#stopping.signal.aborted) return BACK;
    const admitted = await this.#options.admission.admit(job, lease.token);
    if ("kind" in admitted) return admitted;
    const run = formatRunId(job.queueName, job.id ?? "");
    const stored = fromStored(job.data);
    return this.#inGroup({ job, run, facts: admitted, stored, lease }, slot);
  }

  async #inGroup(taken: Taken, slot: Slot): Promise<End> {
    const { groupConcurrency, name } = taken.facts;
    const { group } = taken.stored;
    if (groupConcurrency === undefined || group === undefined) return this.#inPool(taken, slot);
    const { groups } = this.#options;
    const place = await groups.enter(name, group, groupConcurrency);
    if ("frees" in place) {
      const { token } = taken.lease;
      return { kind: "parked", park: () => groups.park(taken.job, token, group, place) };
    }
    try {
      return await this.#inPool(taken, slot);
    } finally {
      place.release();
    }
  }

  /** Acquires the permit of the shared process for a job that shares one, in place of the server's. */
  async #inPool(taken: Taken, slot: Slot): Promise<End> {
    const slots = this.#options.pools.sharedSlots(taken.facts);
    if (slots === undefined) return this.#execute(taken);
    this.#pending.add(taken);
    const shared = await slots.acquire(this.#stopping.signal);
    this.#pending.delete(taken);
    if (shared === undefined) return BACK;
    slot.release();
    try {
      return await this.#execute(taken);
    } finally {
      shared.release();
    }
  }

  async #execute(taken: Taken): Promise<End> {
    const { job, run, facts, stored, lease } = taken;
    const running: Running = {
      run,
      taken,
      waits: new AttemptWaits(),
      abort: new AbortController(),
      graceMs: facts.graceMs,
    };
    this.#running.add(running);
    const lose = (): void => running.abort.abort(lease.lost.reason);
    lease.lost.addEventListener("abort", lose);
    lease.begin();
    const timer = startTimer(facts, running);
    const queue = this.#options.queues.writer(job.queueName);
    const keeper = new Keeper(queue, job, stored, job.attemptsMade + 1, lease);
    try {
      if (lease.lost.aborted) return BACK;
      // The job may have been cancelled while it waited for its permit.
      if (await this.#options.cancels.has(run)) this.cancel(run);
      const outcome = await this.#outcome(taken, running, keeper);
      const { reason } = running.abort.signal;
      if (isOfOtherVersion(job, outcome))
        return this.#options.admission.leave(job, lease.token, outcome.error.message);
      return endOf({ facts, outcome, reason, crash: keeper.crash });
    } finally {
      clearTimeout(timer);
      lease.lost.removeEventListener("abort", lose);
      this.#running.delete(running);
      await keeper.end();
    }
  }

  async #outcome(taken: Taken, running: Running, keeper: Keeper): Promise<Ended["outcome"]> {
    const { memoryBytes } = taken.facts;
    let memory: MemoryWatch | undefined;
    try {
      return await this.#options.pools.run(taskOf(taken), taken.facts, {
        signal: running.abort.signal,
        graceMs: () => running.graceMs,
        onAsk: (question) => {
          // The message comes from newel's own runner.
          const asked = question as RunnerAsk;
          if (asked.kind === "waits") {
            running.waits.note(asked);
            return undefined;
          }
          if (asked.kind !== "begun") return keeper.keep(asked);
          memory = this.#memory.watch(asked, memoryBytes);
          return undefined;
        },
        // On systems other than Linux only the pool knows the memory of a process.
        ...(memoryBytes === undefined || process.platform === "linux" ? {} : { memoryBytes }),
      });
    } catch (error) {
      return { state: "lost", error: memory?.verdict ?? error };
    } finally {
      memory?.end();
    }
  }

  /** @returns whether it runs here */
  cancel(run: string): boolean {
    const attempts = [...this.#running].filter((running) => running.run === run);
    for (const { abort } of attempts) abort.abort(cancelledReason(run));
    return attempts.length > 0;
  }

  /** Aborts all attempts; those that do not end are killed after the grace. */
  stop(): void {
    const { graceMs } = this.#options;
    this.#stopping.abort();
    for (const running of this.#running) {
      running.graceMs = graceMs;
      running.abort.abort(stoppingReason(graceMs));
    }
  }
}

function toExecuting(
  { run, facts, stored }: Taken,
  isPending: boolean,
  waitsFor: readonly string[],
): ExecutingRun {
  return { run, facts, group: stored.group, isPending, waitsFor };
}

function startTimer(facts: JobFacts, { abort }: Running): NodeJS.Timeout | undefined {
  const { timeoutMs } = facts;
  if (timeoutMs === undefined) return undefined;
  return setTimeout(() => abort.abort(timeoutReason(facts, timeoutMs)), timeoutMs);
}

/** Leaves a run to other servers for a while when its input does not fit: the input may be of a newer version. */
const OTHER_VERSION_MS = 900_000;

function isOfOtherVersion(
  { data, timestamp, opts }: Job,
  outcome: Ended["outcome"],
): outcome is Extract<Outcome, { readonly state: "failed" }> {
  if (outcome.state !== "failed" || outcome.isInputRefused !== true) return false;
  return isStored(data) && Date.now() - timestamp - (opts.delay ?? 0) < OTHER_VERSION_MS;
}

/** The attempt record that is stored in place of BullMQ's stack. */
function withRecord(
  { error, stderr = [] }: End & { readonly kind: "failed" },
  record: Omit<FailedAttempt, "error" | "stack">,
): Error {
  const facts = stderr.length === 0 ? record : { ...record, stderr };
  const told = { ...facts, error: parseFailure(error.message) };
  error.stack = formatAttemptRecord(error.stack ?? "", told);
  return error;
}

function taskOf({ job, run, facts, stored }: Taken): RunTask {
  const { input, by, trace } = stored;
  const progress = storedProgressOf(job.progress);
  return {
    kind: "run",
    run,
    queue: job.queueName,
    name: job.name,
    input,
    attempt: job.attemptsMade + 1,
    attempts: attemptsOf(job.opts),
    ...(facts.memoryBytes !== undefined || facts.share > 1 ? { isMeasured: true } : {}),
    ...(by === undefined ? {} : { by }),
    ...(progress === undefined ? {} : { progress }),
    ...(trace === undefined ? {} : { trace }),
  };
}

/** Lets the next attempt start first, without a backoff. The options in the store stay as they are. */
function startNext(job: Job): void {
  const { backoff: _, ...opts } = job.opts;
  job.opts = { ...opts, lifo: true };
}

/** Limits the stored stacks, because a run with many attempts would otherwise have one for each. */
function keepFewStacks(job: Job): void {
  job.opts = { stackTraceLimit: STACKS, ...withoutAges(job.opts) };
}
