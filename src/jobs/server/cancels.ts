import { QueueEvents } from "bullmq";

import { parseRunId } from "../names.ts";
import { isFinal } from "../store/run.ts";
import type { Queues } from "../store/queues.ts";
import { runOfWish, WISH_QUEUE, wishId } from "../wishes.ts";

/** The interval at which all cancel requests are read again to find missed ones, in milliseconds. */
const LOOK_EVERY_MS = 10_000;

/** The actions of the server on a cancel request. */
export interface CancelEvents {
  /** @returns whether this server runs it */
  cancel(run: string): boolean;
  failed(error: unknown): void;
}

/**
 * The cancel requests of the store. Each server reads all of them: it stops its running attempts
 * and does not start a cancelled run.
 */
export class Cancels {
  readonly #queues: Queues;
  readonly #events: CancelEvents;
  readonly #wished = new Set<string>();
  #reader: QueueEvents | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** The pending actions on cancel requests. */
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

  /** The queue of actions, which run one after the other. */
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

  /** A delayed run is made ready now, so that it is taken and ended; a request for a finished run is removed. */
  async #settle(run: string): Promise<void> {
    const id = parseRunId(run);
    const job = id === undefined ? undefined : await this.#queues.reader(id.queue).getJob(id.job);
    const state = await job?.getState();
    if (state === "delayed") await job?.promote();
    else if (state === undefined || state === "unknown" || isFinal(state)) await this.ended(run);
  }

  /** Whether a run that was just taken is cancelled. Reads the store, because a request may have been withdrawn. */
  async has(run: string): Promise<boolean> {
    if (!this.#wished.has(run)) return false;
    const wish = await this.#queues.writer(WISH_QUEUE).getJob(wishId(run));
    if (wish === undefined) this.#wished.delete(run);
    return wish !== undefined;
  }

  /** The run has ended: removes its cancel request. */
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
