import { QueueEvents } from "bullmq";

import { parseRunId } from "../names.ts";
import { isFinal } from "../store/run.ts";
import type { Queues } from "../store/queues.ts";
import { runOfWish, WISH_QUEUE, wishId } from "../wishes.ts";

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
  readonly #wished = new Set<string>();
  #reader: QueueEvents | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** What is being done about wishes. */
  #acting: Promise<void> = Promise.resolve();

  constructor(queues: Queues, events: CancelEvents) {
    this.#queues = queues;
    this.#events = events;
  }

  async start(): Promise<void> {
    const { blocking, factory } = this.#queues.backend;
    const reader = new QueueEvents(WISH_QUEUE, { connection: blocking } as never, factory as never);
    this.#reader = reader;
    reader.on("error", (error) => this.#events.failed(error));
    reader.on("added", ({ jobId }) => void this.#act(() => this.#wish(runOfWish(jobId))));
    reader.on("removed", ({ jobId }) => this.#wished.delete(runOfWish(jobId)));
    await reader.waitUntilReady();
    await this.#act(() => this.#lookAtAll());
    this.#timer = setInterval(() => void this.#act(() => this.#lookAtAll()), LOOK_EVERY_MS);
  }

  /** One thing after the other. */
  #act(act: () => Promise<void>): Promise<void> {
    this.#acting = this.#acting.then(act).catch((error: unknown) => this.#events.failed(error));
    return this.#acting;
  }

  async #lookAtAll(): Promise<void> {
    const wishes = await this.#queues.writer(WISH_QUEUE).getJobs(["waiting", "prioritized"]);
    const runs = new Set(wishes.map(({ id = "" }) => runOfWish(id)));
    for (const run of this.#wished) if (!runs.has(run)) this.#wished.delete(run);
    for (const run of runs) await this.#wish(run);
  }

  async #wish(run: string): Promise<void> {
    this.#wished.add(run);
    if (!this.#events.cancel(run)) await this.#settle(run);
  }

  /** A run that waits for its time is taken now, to be ended; a wish for one that has ended is void. */
  async #settle(run: string): Promise<void> {
    const id = parseRunId(run);
    const job = id === undefined ? undefined : await this.#queues.reader(id.queue).getJob(id.job);
    const state = await job?.getState();
    if (state === "delayed") await job?.promote();
    else if (state === undefined || state === "unknown" || isFinal(state)) await this.ended(run);
  }

  /** Whether a run that was just taken is not to start: by the store, since a wish may be withdrawn. */
  async has(run: string): Promise<boolean> {
    if (!this.#wished.has(run)) return false;
    const wish = await this.#queues.writer(WISH_QUEUE).getJob(wishId(run));
    if (wish === undefined) this.#wished.delete(run);
    return wish !== undefined;
  }

  /** The run has ended, and with it the wish. */
  async ended(run: string): Promise<void> {
    if (!this.#wished.delete(run)) return;
    try {
      await this.#queues.writer(WISH_QUEUE).remove(wishId(run));
    } catch (error) {
      this.#events.failed(error);
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#acting;
    await this.#reader?.close();
  }
}
