import type { Body } from "./body.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { WorkerHandle } from "./worker-handle.ts";
import type { WorkerSlot } from "./worker-slot.ts";
import type { TaskRequest } from "./task.ts";

/** The parts of a broadcast. */
export interface BroadcastRequest {
  readonly body: Body;
  readonly stickyKey: string | undefined;
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number;
}

/**
 * Tasks for every worker. Sticky broadcasts are kept by their key, and each new worker runs the
 * latest of each key before its first task; that run also answers broadcasts that its predecessor
 * in the same slot left unanswered when it ended.
 */
export class Broadcasts {
  readonly #dispatcher: Dispatcher;
  readonly #onReplayFailed: (error: unknown, worker: number) => void;
  readonly #sticky = new Map<string, Body>();
  /** Incremented with each sticky broadcast. */
  #version = 0;
  /** The last of these that a new worker has run: a replay takes time. */
  readonly #replayed = new WeakMap<WorkerHandle, number>();

  constructor(dispatcher: Dispatcher, onReplayFailed: (error: unknown, worker: number) => void) {
    this.#dispatcher = dispatcher;
    this.#onReplayFailed = onReplayFailed;
  }

  /** Resolves with the answers in the order of the workers' numbers. */
  async send(slots: readonly WorkerSlot[], request: BroadcastRequest): Promise<unknown[]> {
    const { stickyKey, body } = request;
    if (stickyKey !== undefined) {
      this.#sticky.set(stickyKey, body);
      this.#version += 1;
    }
    const ordered = slots.toSorted((a, b) => a.number - b.number);
    return Promise.all(ordered.map((slot) => this.#sendTo(slot, request)));
  }

  #sendTo(slot: WorkerSlot, request: BroadcastRequest): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const { body, stickyKey, signal, timeoutMs } = request;
      const task = requestFor(slot, body, resolve, reject);
      this.#dispatcher.submitTo(slot, task, stickyKey, signal, timeoutMs);
    });
  }

  /** Whether a new worker has run the latest sticky broadcasts. */
  isReplayed(slot: WorkerSlot, worker: WorkerHandle): boolean {
    if (this.#version === 0) return true;
    return this.#replayed.get(worker) === this.#version && slot.awaitingReplay.size === 0;
  }

  /** Runs the sticky broadcasts in a new worker. */
  async replay(slot: WorkerSlot, worker: WorkerHandle): Promise<void> {
    const version = this.#version;
    for (const [key, body] of Array.from(this.#sticky))
      await this.#replayOne(slot, worker, key, body);
    this.#replayed.set(worker, version);
  }

  async #replayOne(slot: WorkerSlot, worker: WorkerHandle, key: string, body: Body): Promise<void> {
    try {
      const result = await new Promise<unknown>((resolve, reject) => {
        this.#dispatcher.sendDirectly(worker, requestFor(slot, body, resolve, reject));
      });
      for (const waiting of slot.takeAwaiting(key)) this.#dispatcher.settle(waiting, result);
    } catch (error) {
      if (worker.state === "ended") return;
      this.#onReplayFailed(error, worker.number);
      for (const waiting of slot.takeAwaiting(key)) this.#dispatcher.fail(waiting, error);
    }
  }
}

function requestFor(
  { number }: WorkerSlot,
  body: Body,
  resolve: TaskRequest["resolve"],
  reject: TaskRequest["reject"],
): TaskRequest {
  return {
    kind: 0,
    body,
    isPut: false,
    priority: 0,
    workerNumber: number,
    retries: 0,
    limits: undefined,
    resolve,
    reject,
  };
}
