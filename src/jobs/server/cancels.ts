import { QueueEvents } from "bullmq";

import { parseRunId } from "../names.ts";
import type { Queues } from "../store/queues.ts";
import { WISH_QUEUE, wishedRun } from "../wishes.ts";

/** How often all wishes are read again, in milliseconds: what was missed is found then. */
const LOOK_EVERY_MS = 10_000;

/** What the server does about a wish. */
export interface CancelEvents {
  /** @returns whether this server runs it */
  cancel(run: string): boolean;
  failed(error: unknown): void;
}

/**
 * The wishes that runs be cancelled, as the store has them. Each server knows them all: it stops what it
 * runs, and does not start what it takes.
 */
export class Cancels {
  readonly #queues: Queues;
  readonly #events: CancelEvents;
  /** The wish's job in the control queue, by the run. */
  readonly #wished = new Map<string, string>();
  #reader: QueueEvents | undefined;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();

  constructor(queues: Queues, events: CancelEvents) {
    this.#queues = queues;
    this.#events = events;
  }

  async start(): Promise<void> {
    const { blocking, factory } = this.#queues.backend;
    const reader = new QueueEvents(WISH_QUEUE, { connection: blocking } as never, factory as never);
    this.#reader = reader;
    reader.on("error", (error) => this.#events.failed(error));
    reader.on("added", () => void this.look());
    await reader.waitUntilReady();
    await this.look();
    this.#timer = setInterval(() => void this.look(), LOOK_EVERY_MS);
  }

  has(run: string): boolean {
    return this.#wished.has(run);
  }

  /** Reads what wishes there are, one look after the other. */
  look(): Promise<void> {
    this.#looking = this.#looking
      .then(() => this.#look())
      .catch((error: unknown) => this.#events.failed(error));
    return this.#looking;
  }

  async #look(): Promise<void> {
    const queue = this.#queues.writer(WISH_QUEUE);
    const wishes = await queue.getJobs(["waiting", "prioritized", "delayed"]);
    const wished = new Map<string, string>();
    for (const wish of wishes) {
      const run = wishedRun(wish.data);
      if (run !== undefined && wish.id !== undefined) wished.set(run, wish.id);
    }
    for (const run of this.#wished.keys()) if (!wished.has(run)) this.#wished.delete(run);
    for (const [run, wish] of wished) {
      this.#wished.set(run, wish);
      if (!this.#events.cancel(run)) await this.#settle(run);
    }
  }

  /** A run that waits for its time is taken now, to be ended; a wish for one that has ended is void. */
  async #settle(run: string): Promise<void> {
    const id = parseRunId(run);
    const queue = id === undefined ? undefined : this.#queues.reader(id.queue);
    const job = id === undefined ? undefined : await queue?.getJob(id.job);
    const state = await job?.getState();
    if (state === "delayed") await job?.promote();
    else if (
      job === undefined ||
      state === "completed" ||
      state === "failed" ||
      state === "unknown"
    )
      await this.ended(run);
  }

  /** The run has ended, and with it the wish. */
  async ended(run: string): Promise<void> {
    const wish = this.#wished.get(run);
    if (wish === undefined) return;
    this.#wished.delete(run);
    try {
      await this.#queues.writer(WISH_QUEUE).remove(wish);
    } catch (error) {
      this.#events.failed(error);
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
    await this.#reader?.close();
  }
}
