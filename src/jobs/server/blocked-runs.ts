import type { Job } from "bullmq";

import { newelError } from "../../base/errors.ts";
import type { Log } from "../../base/json-log.ts";
import type { BlockedRun } from "../api.ts";
import { parseRunId } from "../names.ts";
import type { JobFacts } from "../runner/protocol.ts";
import { BLOCKED_QUEUE, type BlockedNote } from "../store/blocked.ts";
import type { Queues } from "../store/queues.ts";
import { runOfKey } from "../store/run.ts";
import { fromStored } from "../stored.ts";
import { type Deadlock, findDeadlock, type WaitingRun } from "./deadlock.ts";
import { groupMark } from "./places.ts";

/** The interval of the checks, in milliseconds; without runs that wait, a check reads nothing. */
const CHECK_MS = 2_000;
/** Runs are reported when they have been stuck for this time, in milliseconds: the store is not read in one moment. */
const STUCK_MS = 5_000;
/** The interval of reports while runs are stuck, in milliseconds. */
const REPORT_EVERY_MS = 60_000;
/** The largest numbers of runs that a check reads, and that a message names. */
const MOST_READ = 200;
const MOST_NAMED = 10;

/** A run that executes on this server, or has a permit and waits for one of a shared process. */
export interface ExecutingRun {
  readonly run: string;
  readonly facts: JobFacts;
  readonly group: string | undefined;
  /** Whether it still waits for a permit of its shared process, and holds one of the server for that time. */
  readonly isPending: boolean;
  readonly waitsFor: readonly string[];
}

export interface BlockedRunsOptions {
  readonly queues: Pick<Queues, "reader" | "writer">;
  readonly definitions: ReadonlyMap<string, JobFacts>;
  /** The number of permits of the server. */
  readonly processes: number;
  /** The name of this server, as runs show it. */
  readonly server: string;
  readonly running: () => readonly ExecutingRun[];
  readonly log: Log;
}

/**
 * Reports runs that hold each other up: each waits for a run that cannot start, because they hold all permits. The report
 * is a line of the log, each minute, and a note in the store for `jobs.stats()`. A handler may stop to wait, or its time
 * limit ends it, so the server only reports.
 */
export class BlockedRuns {
  readonly #options: BlockedRunsOptions;
  /** Since when each run is stuck without interruption, by the clock of `performance.now()`. */
  #sinceMs = new Map<string, number>();
  #reportedMs = Number.NEGATIVE_INFINITY;
  #isNoted = false;
  #timer: NodeJS.Timeout | undefined;
  #checking: Promise<void> = Promise.resolve();

  constructor(options: BlockedRunsOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = setInterval(() => {
      this.#checking = this.#checking.then(() => this.#check());
    }, CHECK_MS);
    this.#timer.unref();
  }

  async #check(): Promise<void> {
    try {
      await this.#report(await this.#find(), performance.now());
    } catch (error) {
      this.#options.log.warn({ err: error }, "Runs that wait for others could not be checked.");
    }
  }

  async #find(): Promise<Deadlock | undefined> {
    const running = this.#options.running();
    if (running.every(({ waitsFor }) => waitsFor.length === 0)) return undefined;
    const limits = new Map<string, number>();
    const known = new Map(running.map((each) => [each.run, this.#executing(each, limits)]));
    const unread = running.flatMap(({ waitsFor }) => waitsFor);
    for (let reads = 0; reads < MOST_READ; reads += 1) {
      const run = unread.shift();
      if (run === undefined) break;
      if (known.has(run)) continue;
      const awaited = await this.#awaited(run, limits);
      if (awaited === undefined) continue;
      known.set(run, awaited);
      unread.push(...awaited.waitsFor);
    }
    return findDeadlock(limits, [...known.values()]);
  }

  #executing(
    { run, facts, group, isPending, waitsFor }: ExecutingRun,
    sizes: Map<string, number>,
  ): WaitingRun {
    const { processes, share, others } = this.#limitsOf(facts, group, sizes);
    if (isPending) return { run, holds: [processes, ...others], needs: [share ?? ""], waitsFor };
    return { run, holds: [share ?? processes, ...others], needs: [], waitsFor };
  }

  /** A run that is not executed here; `undefined` when nothing on this server prevents its start. */
  async #awaited(run: string, sizes: Map<string, number>): Promise<WaitingRun | undefined> {
    const parsed = parseRunId(run);
    const { queues, definitions } = this.#options;
    const job = parsed && (await queues.reader(parsed.queue).getJob(parsed.job));
    if (job === undefined) return undefined;
    const state = await job.getState();
    if (state === "waiting-children") return this.#parent(run, job);
    if (state !== "waiting" && state !== "prioritized" && state !== "delayed") return undefined;
    if (job.timestamp + (job.opts.delay ?? 0) > Date.now()) return undefined;
    const facts = definitions.get(job.name);
    if (facts === undefined || facts.queue !== job.queueName) return undefined;
    const { processes, share, others } = this.#limitsOf(facts, fromStored(job.data).group, sizes);
    const needs = [processes, ...(share === undefined ? [] : [share]), ...others];
    return { run, holds: [], needs, waitsFor: [] };
  }

  /** The parent of a flow waits for its children in the store. */
  async #parent(run: string, job: Job): Promise<WaitingRun> {
    const { unprocessed = [] } = await job.getDependencies({ unprocessed: { count: MOST_READ } });
    const waitsFor = unprocessed.map((key) => runOfKey(key) ?? key);
    return { run, holds: [], needs: [], waitsFor };
  }

  /** The names of the limits of a run; their sizes are added to `sizes`. */
  #limitsOf(
    { name, queue, share, concurrency, groupConcurrency }: JobFacts,
    group: string | undefined,
    sizes: Map<string, number>,
  ): { processes: string; share: string | undefined; others: string[] } {
    const limit = (label: string, size: number): string => {
      sizes.set(label, size);
      return label;
    };
    const { processes } = this.#options;
    const others: string[] = [];
    if (concurrency !== undefined)
      others.push(limit(`concurrency of ${queue}: ${concurrency}`, concurrency));
    if (groupConcurrency !== undefined && group !== undefined)
      others.push(
        limit(`groupConcurrency of ${name} in ${group}: ${groupConcurrency}`, groupConcurrency),
      );
    return {
      processes: limit(`processes: ${processes}`, processes),
      share: share > 1 ? limit(`share: ${share}`, share * processes) : undefined,
      others,
    };
  }

  async #report(found: Deadlock | undefined, nowMs: number): Promise<void> {
    const runs = found?.runs ?? [];
    this.#sinceMs = new Map(runs.map(({ run }) => [run, this.#sinceMs.get(run) ?? nowMs]));
    const stuck = runs.filter(({ run }) => nowMs - (this.#sinceMs.get(run) ?? nowMs) >= STUCK_MS);
    if (stuck.length === 0 || found === undefined) {
      if (runs.length === 0) await this.#over();
      return;
    }
    if (nowMs - this.#reportedMs < REPORT_EVERY_MS) return;
    this.#reportedMs = nowMs;
    const { limits } = found;
    const blocked = stuck.map(({ run, waitsFor }) => ({ run, waitsFor, limits }));
    const error = newelError("NEWEL_E_JOB_DEADLOCK", {
      limits: limits.join(", "),
      runs: describe(blocked),
    });
    this.#options.log.error({ code: error.code, limits, blocked }, error.message);
    await this.#note(blocked);
  }

  async #over(): Promise<void> {
    this.#reportedMs = Number.NEGATIVE_INFINITY;
    if (!this.#isNoted) return;
    this.#options.log.info("Runs that could not start are no longer held up.");
    await this.#forget();
  }

  get #noteId(): string {
    return groupMark("blocked", this.#options.server);
  }

  async #note(blocked: readonly BlockedRun[]): Promise<void> {
    const notes = this.#options.queues.writer(BLOCKED_QUEUE);
    const note: BlockedNote = { runs: blocked.slice(0, MOST_READ), seenMs: Date.now() };
    await notes.remove(this.#noteId);
    await notes.add("blocked", note, { jobId: this.#noteId });
    this.#isNoted = true;
  }

  async #forget(): Promise<void> {
    await this.#options.queues.writer(BLOCKED_QUEUE).remove(this.#noteId);
    this.#isNoted = false;
  }

  /** Ends the checks, and removes the note of this server. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#checking;
    if (this.#isNoted) await this.#forget();
  }
}

/** The first blocked runs, each with the runs that it waits for. */
function describe(blocked: readonly BlockedRun[]): string {
  const named = blocked.slice(0, MOST_NAMED).map(({ run, waitsFor }) => {
    const [first = "", ...others] = waitsFor;
    return `${run} for ${first}${others.length === 0 ? "" : ` and ${others.length} more`}`;
  });
  const left = blocked.length - named.length;
  return `${named.join(", ")}${left > 0 ? `, and ${left} more` : ""}`;
}
