import type { Job } from "bullmq";

import type { Log } from "../../base/json-log.ts";
import type { JobFacts } from "../runner/protocol.ts";
import type { Queues } from "../store/queues.ts";
import { UNSERVED_QUEUE, type UnservedNote } from "../store/unserved.ts";
import { groupMark } from "./places.ts";

/** The shortest and longest delay of a run that is left to other servers, in milliseconds. */
const SHORTEST_MS = 1_000;
const LONGEST_MS = 15_000;
/**
 * A run that has been due for longer than `DEPLOY_MS` is delayed by this share of the time beyond `DEPLOY_MS`.
 */
const DEPLOY_MS = 60_000;
const SHARE = 0.25;
/** The shortest interval between two notes and log lines about a job, in milliseconds. */
const NOTE_EVERY_MS = 60_000;
/** How many noted jobs are remembered. */
const MOST_NOTED = 1_000;
/**
 * When runs that were left are due, this server takes no job for this time, so that others take them first, in
 * milliseconds.
 */
const HEAD_START_MS = 300;
/** The shortest interval between two such pauses, because its own runs would wait otherwise. In milliseconds. */
const HEAD_START_EVERY_MS = 3_000;
const MOST_DUE = 100;

/**
 * Handles runs that this server cannot execute: it does not define their job, or its schema is of another version than
 * their input. They are delayed briefly, so that another server can take them, without an attempt and
 * without a limit. Their jobs are noted in the store, for `jobs.stats()`, and logged.
 */
export class Unserved {
  readonly #queues: Pick<Queues, "writer">;
  readonly #log: Log;
  readonly #notedMs = new Map<string, number>();
  /** When the runs that were left lately are due, by queue, the earliest first. */
  readonly #due = new Map<string, number[]>();
  #headStartMs = 0;

  constructor(queues: Pick<Queues, "writer">, log: Log) {
    this.#queues = queues;
    this.#log = log;
  }

  /** The delay of a run: short at first, as in a rolling deploy, and longer for a run that waits for days. */
  waitMs({ timestamp, opts }: Job): number {
    const waitedMs = Date.now() - timestamp - (opts.delay ?? 0);
    return Math.round(Math.min(LONGEST_MS, Math.max(SHORTEST_MS, (waitedMs - DEPLOY_MS) * SHARE)));
  }

  /** Call it when a run of a queue was left until a time. */
  left(queue: string, dueMs: number): void {
    const due = this.#due.get(queue) ?? [];
    due.push(dueMs);
    this.#due.set(queue, due.sort((a, b) => a - b).slice(-MOST_DUE));
  }

  /** How long to wait before a job of a queue is taken, in milliseconds. */
  headStartMs(queue: string, nowMs: number = Date.now()): number {
    const due = this.#due.get(queue)?.filter((dueMs) => dueMs + HEAD_START_MS > nowMs) ?? [];
    if (due.length === 0) {
      this.#due.delete(queue);
      return 0;
    }
    this.#due.set(queue, due);
    const [first = 0] = due;
    if (first > nowMs) return 0;
    const sinceMs = nowMs - this.#headStartMs;
    if (sinceMs > HEAD_START_MS && sinceMs < HEAD_START_EVERY_MS) return 0;
    if (sinceMs >= HEAD_START_EVERY_MS || sinceMs < 0) this.#headStartMs = nowMs;
    return Math.max(0, this.#headStartMs + HEAD_START_MS - nowMs);
  }

  /** @param why - the input error; default: no definition */
  note({ name, queueName: queue }: Job, why: string | undefined): void {
    const id = groupMark(queue, name);
    const nowMs = performance.now();
    if (nowMs - (this.#notedMs.get(id) ?? Number.NEGATIVE_INFINITY) < NOTE_EVERY_MS) return;
    if (this.#notedMs.size >= MOST_NOTED) this.#notedMs.clear();
    this.#notedMs.set(id, nowMs);
    this.#log.warn(
      { queue, job: name, ...(why === undefined ? {} : { why }) },
      why === undefined
        ? "No module of this server defines the job; its runs wait for another server."
        : "An input does not fit the schema of this server; the run waits for another server.",
    );
    void this.#store(id, { queue, name, seenMs: Date.now() });
  }

  async #store(id: string, note: UnservedNote): Promise<void> {
    try {
      const notes = this.#queues.writer(UNSERVED_QUEUE);
      await notes.remove(id);
      await notes.add("unserved", note, { jobId: id });
    } catch (error) {
      this.#log.warn({ err: error }, "A job without a server could not be noted.");
    }
  }

  /** Removes the notes of jobs that this server serves from now on. */
  async serve(facts: Iterable<JobFacts>): Promise<void> {
    const notes = this.#queues.writer(UNSERVED_QUEUE);
    for (const { queue, name } of facts) await notes.remove(groupMark(queue, name));
  }
}
