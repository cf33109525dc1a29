import type { Job, Queue } from "bullmq";

import { sleep } from "../../base/timers.ts";
import { formatRunId, parseRunId } from "../names.ts";
import type { Queues } from "../store/queues.ts";
import { keptMs } from "../stored.ts";

/** The queue of removal notes: delayed jobs that no worker takes, due when their runs have to be removed. */
const RETENTION_QUEUE = "newel-retention";
/** The interval at which due notes are read, in milliseconds. */
const LOOK_EVERY_MS = 5_000;
/** How many notes are read at once. */
const NOTES = 50;
/** Finished runs are noted together: at most this much later, in milliseconds, and this many in a note. */
const NOTE_AFTER_MS = 1_000;
const RUNS = 500;
/** Runs with a long retention are removed together: up to this share of their retention later, but at most a minute. */
const SHARE = 0.01;
const MOST_LATE_MS = 60_000;
/**
 * The interval of the search for finished runs without a note, which also runs at the start, in milliseconds, and its
 * page size.
 */
const SCAN_EVERY_MS = 24 * 3_600_000;
const PAGE = 200;
const PAUSE_MS = 100;

type FinalState = "done" | "failed";

/**
 * Removes finished runs when their retention is over. BullMQ keeps jobs of a queue by the options of the job that
 * finished last, so a run with a retention of a second would remove others too; and it removes no job in an idle
 * queue. The server that ends a run stores a note with its removal time; every server removes runs that are due.
 * A note may be lost with a killed server, so each server scans finished runs at its start, and daily.
 */
export class Retention {
  readonly #queues: Pick<Queues, "writer">;
  readonly #failed: (error: unknown) => void;
  /** Runs without a stored note, by the time at which they are due. */
  readonly #pending = new Map<number, string[]>();
  readonly #stopping = new AbortController();
  #noting: NodeJS.Timeout | undefined;
  #working: Promise<unknown> = Promise.resolve();

  constructor(queues: Pick<Queues, "writer">, failed: (error: unknown) => void) {
    this.#queues = queues;
    this.#failed = failed;
  }

  /** @param queues - the queues whose finished runs are scanned */
  start(queues: readonly string[]): void {
    this.#working = Promise.all([this.#removeDue(), this.#scanAll(queues)]);
  }

  /** Call it when a run has ended for good. */
  ended(job: Job, state: FinalState): void {
    const forMs = keptMs(job.opts, state);
    if (forMs === undefined || job.id === undefined) return;
    const dueMs = (job.finishedOn ?? Date.now()) + forMs;
    const stepMs = Math.max(1, Math.min(MOST_LATE_MS, Math.round(forMs * SHARE)));
    const bucket = Math.ceil(dueMs / stepMs) * stepMs;
    const runs = this.#pending.get(bucket) ?? [];
    runs.push(formatRunId(job.queueName, job.id));
    this.#pending.set(bucket, runs);
    if (runs.length >= RUNS) void this.#note();
    else this.#noting ??= setTimeout(() => void this.#note(), NOTE_AFTER_MS);
  }

  async #note(): Promise<void> {
    clearTimeout(this.#noting);
    this.#noting = undefined;
    const pending = [...this.#pending];
    this.#pending.clear();
    const notes = this.#queues.writer(RETENTION_QUEUE);
    for (const [dueMs, runs] of pending)
      await this.#try(() =>
        notes.add("remove", { runs }, { delay: Math.max(1, dueMs - Date.now()) }),
      );
  }

  async #try(act: () => Promise<unknown>): Promise<void> {
    try {
      await act();
    } catch (error) {
      this.#failed(error);
    }
  }

  get #isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  async #removeDue(): Promise<void> {
    while (!this.#isStopping) {
      await this.#try(() => this.#removeNoted());
      await sleep(LOOK_EVERY_MS, this.#stopping.signal);
    }
  }

  async #removeNoted(): Promise<void> {
    const queue = this.#queues.writer(RETENTION_QUEUE);
    for (;;) {
      const notes = await queue.getJobs(["delayed"], 0, NOTES - 1, true);
      const due = notes.filter((note) => note && note.timestamp + note.delay <= Date.now());
      for (const note of due) {
        for (const run of runsOf(note)) await this.#remove(run);
        await queue.remove(note.id ?? "");
        if (this.#isStopping) return;
      }
      if (due.length < NOTES) return;
    }
  }

  async #remove(run: string): Promise<void> {
    const id = parseRunId(run);
    if (id === undefined) return;
    const job = await this.#queues.writer(id.queue).getJob(id.job);
    // A run that was retried in the meantime is not finished; its next end schedules its removal again.
    const state = await job?.getState();
    if (job !== undefined && (state === "completed" || state === "failed"))
      await removeIfOver(job, state === "completed" ? "done" : "failed");
  }

  async #scanAll(queues: readonly string[]): Promise<void> {
    while (!this.#isStopping) {
      for (const queue of queues)
        for (const state of ["completed", "failed"] as const)
          await this.#try(() => this.#scan(this.#queues.writer(queue), state));
      await sleep(SCAN_EVERY_MS, this.#stopping.signal);
    }
  }

  /** Scans finished runs from the oldest on. */
  async #scan(queue: Queue, state: "completed" | "failed"): Promise<void> {
    for (let kept = 0; !this.#isStopping;) {
      const jobs = await queue.getJobs([state], kept, kept + PAGE - 1, true);
      const final = state === "completed" ? "done" : "failed";
      for (const job of jobs) if (!job || !(await removeIfOver(job, final))) kept += 1;
      if (jobs.length < PAGE) return;
      await sleep(PAUSE_MS, this.#stopping.signal);
    }
  }

  /** Stores notes for the finished runs. */
  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#working;
    await this.#note();
  }
}

/** @returns whether the retention of the run was over, and it was removed */
async function removeIfOver(job: Job, state: FinalState): Promise<boolean> {
  if (!job.finishedOn) return false;
  const forMs = keptMs(job.opts, state);
  if (forMs === undefined || job.finishedOn + forMs > Date.now()) return false;
  await job.remove({ removeChildren: false });
  return true;
}

function runsOf({ data }: Job): readonly string[] {
  const { runs } = (data ?? {}) as { readonly runs?: unknown };
  return Array.isArray(runs) ? runs.map(String) : [];
}
