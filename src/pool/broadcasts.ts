import type { Body } from "./body.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { RunningWorker } from "./running-worker.ts";
import type { Seat } from "./seat.ts";
import type { TaskRequest } from "./task.ts";

/** What a broadcast is made of. */
export interface BroadcastRequest {
  readonly body: Body;
  readonly stickyKey: string | undefined;
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number;
}

/**
 * Tasks for every worker. Sticky ones are kept by their key, and each new worker runs the latest of
 * each key before it gets its first task; that run also answers broadcasts that its predecessor in
 * the same seat took with it.
 */
export class Broadcasts {
  readonly #dispatcher: Dispatcher;
  readonly #onReplayFailed: (error: unknown, worker: number) => void;
  readonly #sticky = new Map<string, Body>();
  /** Raised with each sticky broadcast, … */
  #version = 0;
  /** … and the one a new worker has: a replay takes time. */
  readonly #replayed = new WeakMap<RunningWorker, number>();

  constructor(dispatcher: Dispatcher, onReplayFailed: (error: unknown, worker: number) => void) {
    this.#dispatcher = dispatcher;
    this.#onReplayFailed = onReplayFailed;
  }

  /** Resolves with the answers in the order of the workers' numbers. */
  async send(seats: readonly Seat[], request: BroadcastRequest): Promise<unknown[]> {
    const { stickyKey, body } = request;
    if (stickyKey !== undefined) {
      this.#sticky.set(stickyKey, body);
      this.#version += 1;
    }
    const ordered = seats.toSorted((a, b) => a.number - b.number);
    return Promise.all(ordered.map((seat) => this.#sendTo(seat, request)));
  }

  #sendTo(seat: Seat, request: BroadcastRequest): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const { body, stickyKey, signal, timeoutMs } = request;
      const task = requestFor(seat, body, resolve, reject);
      this.#dispatcher.submitTo(seat, task, stickyKey, signal, timeoutMs);
    });
  }

  /** Whether a new worker has the latest of everything. */
  isReplayed(seat: Seat, worker: RunningWorker): boolean {
    if (this.#version === 0) return true;
    return this.#replayed.get(worker) === this.#version && seat.awaitingReplay.size === 0;
  }

  /** Runs what is sticky in a new worker. */
  async replay(seat: Seat, worker: RunningWorker): Promise<void> {
    const version = this.#version;
    for (const [key, body] of Array.from(this.#sticky))
      await this.#replayOne(seat, worker, key, body);
    this.#replayed.set(worker, version);
  }

  async #replayOne(seat: Seat, worker: RunningWorker, key: string, body: Body): Promise<void> {
    try {
      const result = await new Promise<unknown>((resolve, reject) => {
        this.#dispatcher.sendDirectly(worker, requestFor(seat, body, resolve, reject));
      });
      for (const waiting of seat.takeAwaiting(key)) this.#dispatcher.settle(waiting, result);
    } catch (error) {
      if (worker.state === "ended") return;
      this.#onReplayFailed(error, worker.number);
      for (const waiting of seat.takeAwaiting(key)) this.#dispatcher.fail(waiting, error);
    }
  }
}

function requestFor(
  { number }: Seat,
  body: Body,
  resolve: TaskRequest["resolve"],
  reject: TaskRequest["reject"],
): TaskRequest {
  return {
    body,
    isPut: false,
    priority: 0,
    workerNumber: number,
    retries: 0,
    terms: undefined,
    resolve,
    reject,
  };
}
