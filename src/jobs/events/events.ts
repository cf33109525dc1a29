import type { RunEvent } from "../api.ts";
import { type EventReader, QueueLog } from "./queue-log.ts";
import { type ReadRun, RunReading } from "./run-events.ts";

/** The access to the events of a store. */
export interface EventSources {
  /** A backend of BullMQ for the queue, made with `{ blocking: true }`. */
  readonly open: (queue: string) => EventReader;
  readonly read: ReadRun;
  /** Called with errors of the store; reading continues by itself. */
  readonly onError: (error: unknown) => void;
}

/**
 * A queue without listeners is still read for this time, because a page that reloads listens again. In milliseconds.
 */
const LINGER_MS = 5_000;

interface Shared {
  readonly log: QueueLog;
  listeners: number;
  timer: NodeJS.Timeout | undefined;
}

/**
 * The events of runs, from the durable event streams of BullMQ. All listeners of a process share one
 * reader for each queue.
 */
export class RunEvents {
  readonly #sources: EventSources;
  readonly #logs = new Map<string, Shared>();
  readonly #closings = new Set<Promise<void>>();
  #closed = false;

  constructor(sources: EventSources) {
    this.#sources = sources;
  }

  /**
   * The events of a run, up to its end (`done`, `failed` or `cancelled`). Each event comes once, in order.
   *
   * Without `after`, or when that event is too old to be kept, the first event is the state (`type: "run"`). A run that
   * was shown and is removed ends as `cancelled`; a run that does not exist has no events. A reader
   * that is too slow gets the state in place of the events that it missed.
   *
   * @param options.after - the id of the last event that was seen
   * @param options.signal - ends the events
   */
  async *events(
    run: string,
    options: { readonly after?: string; readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<RunEvent, void, undefined> {
    const queue = run.slice(0, Math.max(0, run.indexOf("~")));
    if (queue === "" || this.#closed) return;
    const shared = this.#enter(queue);
    try {
      const reading = new RunReading(shared.log, this.#sources.read, run);
      yield* reading.events(options.after, options.signal);
    } finally {
      this.#leave(queue, shared);
    }
  }

  /** Ends all events and closes the readers. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const [queue, shared] of this.#logs) this.#end(queue, shared);
    await Promise.all(this.#closings);
  }

  #enter(queue: string): Shared {
    const { open, onError } = this.#sources;
    const shared = this.#logs.get(queue) ?? {
      log: new QueueLog(() => open(queue), onError),
      listeners: 0,
      timer: undefined,
    };
    this.#logs.set(queue, shared);
    clearTimeout(shared.timer);
    shared.listeners += 1;
    return shared;
  }

  #leave(queue: string, shared: Shared): void {
    shared.listeners -= 1;
    if (shared.listeners > 0 || this.#logs.get(queue) !== shared) return;
    shared.timer = setTimeout(() => this.#end(queue, shared), LINGER_MS);
  }

  #end(queue: string, shared: Shared): void {
    this.#logs.delete(queue);
    clearTimeout(shared.timer);
    const closing = shared.log
      .close()
      .catch(this.#sources.onError)
      .finally(() => this.#closings.delete(closing));
    this.#closings.add(closing);
  }
}
