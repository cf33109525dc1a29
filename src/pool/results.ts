import type { ResultInfo } from "./options.ts";

/** A result that no reader has processed yet. */
interface Pending {
  readonly value: unknown;
  readonly info: ResultInfo;
  readonly onTaken: () => void;
}

export interface ResultEvents {
  readonly handler: ((value: unknown, info: ResultInfo) => unknown) | undefined;
  emit(value: unknown, info: ResultInfo): boolean;
  failed(error: unknown, info: ResultInfo): void;
  /** There is room again. */
  room(): void;
  /** Results fill all the room there is, and no reader takes them. */
  unread(): void;
}

/**
 * The results of `put` tasks and the messages of workers, until a reader has processed them: the
 * `onResult` handler and its returned promise have settled, or an iteration has requested the next.
 */
export class Results {
  readonly #limit: number;
  readonly #events: ResultEvents;
  readonly #buffer: Pending[] = [];
  readonly #readers: ((result: IteratorResult<unknown>) => void)[] = [];
  #iterations = 0;
  #pending = 0;
  #isEnded = false;
  #wasReported = false;
  /** When the pool stops without a reader, results no longer wait for room. */
  isUnlimited = false;

  constructor(limit: number, events: ResultEvents) {
    this.#limit = limit;
    this.#events = events;
  }

  get pending(): number {
    return this.#pending;
  }

  /** The number of further results that have room. */
  get room(): number {
    return this.isUnlimited ? Number.POSITIVE_INFINITY : this.#limit - this.#pending;
  }

  /** Whether a reader processes results, now or later. */
  get hasReader(): boolean {
    return this.#events.handler !== undefined || this.#iterations > 0;
  }

  /** Accepts a result. `onTaken` is called when a reader has processed the result. */
  deliver(value: unknown, info: ResultInfo, onTaken: () => void): void {
    const wasHeard = this.#events.emit(value, info);
    const { handler } = this.#events;
    const pending: Pending = { value, info, onTaken };
    if (handler !== undefined) this.#handle(handler, pending);
    else if (wasHeard && this.#iterations === 0) onTaken();
    else this.#keep(pending);
  }

  #handle(handler: NonNullable<ResultEvents["handler"]>, pending: Pending): void {
    this.#pending += 1;
    const { value, info } = pending;
    try {
      const handling = handler(value, info);
      if (!(handling instanceof Promise)) {
        this.#taken(pending);
        return;
      }
      handling.then(
        () => this.#taken(pending),
        (error: unknown) => {
          this.#events.failed(error, info);
          this.#taken(pending);
        },
      );
    } catch (error) {
      this.#events.failed(error, info);
      this.#taken(pending);
    }
  }

  #keep(pending: Pending): void {
    this.#pending += 1;
    const reader = this.#readers.shift();
    if (reader === undefined) {
      this.#buffer.push(pending);
      if (this.#pending >= this.#limit && !this.hasReader && !this.isUnlimited)
        this.#reportUnread();
      return;
    }
    reader({ done: false, value: pending.value });
    this.#taken(pending);
  }

  #reportUnread(): void {
    if (this.#wasReported) return;
    this.#wasReported = true;
    this.#events.unread();
  }

  #taken({ onTaken }: Pending): void {
    this.#pending -= 1;
    onTaken();
    this.#events.room();
  }

  /** No more results come: iterations end when they have read the remaining ones. */
  end(): void {
    this.#isEnded = true;
    for (const reader of this.#readers.splice(0)) reader({ done: true, value: undefined });
  }

  /** The results in the order of arrival; each goes to one iteration. */
  iterate(onStart: () => void, onStop: () => void): AsyncIterableIterator<unknown, undefined> {
    this.#iterations += 1;
    onStart();
    let isOpen = true;
    const close = (): void => {
      if (!isOpen) return;
      isOpen = false;
      this.#iterations -= 1;
      onStop();
    };
    const iterator: AsyncIterableIterator<unknown, undefined> = {
      next: async () => {
        const result = await this.#next();
        if (result.done === true) close();
        return result as IteratorResult<unknown, undefined>;
      },
      return: async () => {
        close();
        return { done: true, value: undefined };
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  #next(): Promise<IteratorResult<unknown>> {
    const pending = this.#buffer.shift();
    if (pending !== undefined) {
      this.#taken(pending);
      return Promise.resolve({ done: false, value: pending.value });
    }
    if (this.#isEnded) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => {
      this.#readers.push(resolve);
    });
  }
}
