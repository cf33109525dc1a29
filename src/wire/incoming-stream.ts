import { frameError } from "./frames.ts";
import { creditCost } from "./limits.ts";

/** The requests of a stream to its session. */
export interface StreamWork {
  /** Lets the peer send this much more. */
  readonly credit: (amount: number) => void;
  /** The reader has enough. */
  readonly cancel: () => void;
}

interface Item {
  readonly value: unknown;
  readonly cost: number;
}

interface Reader {
  readonly resolve: (result: IteratorResult<unknown, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined };

/**
 * The reading end of a stream: an async iterator over the peer's items. The peer sends at most as
 * much as its credit allows. Leaving the loop early stops the producer.
 */
export class IncomingStream implements AsyncIterableIterator<unknown, undefined> {
  readonly #window: number;
  readonly #work: StreamWork;
  readonly #readers: Reader[] = [];
  #items: (Item | undefined)[] = [];
  #next = 0;
  /** The credit that the peer still has, and the credit that was read and not yet returned. */
  #credit: number;
  #consumed = 0;
  #isEnded = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(window: number, work: StreamWork) {
    this.#window = window;
    this.#work = work;
    this.#credit = window;
  }

  /**
   * Adds an item that arrived.
   *
   * @throws NEWEL_E_FRAME when the peer had no credit for it
   */
  push(value: unknown, bytes: number): void {
    if (this.#credit <= 0) throw frameError("an item beyond the credit of its stream");
    const cost = creditCost(bytes);
    this.#credit -= cost;
    const reader = this.#readers.shift();
    if (reader === undefined) {
      this.#items.push({ value, cost });
      return;
    }
    reader.resolve({ done: false, value });
    this.#giveBack(cost);
  }

  /** The last item has arrived. */
  end(): void {
    this.#isEnded = true;
    for (const reader of this.#readers.splice(0)) reader.resolve(DONE);
  }

  /** The stream failed; the items that arrived before can still be read. */
  fail(error: unknown): void {
    const [reader, ...others] = this.#readers.splice(0);
    if (reader === undefined) this.#failure = { error };
    this.#isEnded = true;
    reader?.reject(error);
    for (const other of others) other.resolve(DONE);
  }

  /** Forgets the items that were not read. */
  drop(): void {
    this.#items = [];
    this.#next = 0;
  }

  next(): Promise<IteratorResult<unknown, undefined>> {
    const item = this.#items[this.#next];
    if (item !== undefined) {
      this.#items[this.#next] = undefined;
      this.#next += 1;
      if (this.#next === this.#items.length) {
        this.#items = [];
        this.#next = 0;
      }
      this.#giveBack(item.cost);
      return Promise.resolve({ done: false, value: item.value });
    }
    if (this.#failure !== undefined) {
      const { error } = this.#failure;
      this.#failure = undefined;
      return Promise.reject(error);
    }
    if (this.#isEnded) return Promise.resolve(DONE);
    return new Promise((resolve, reject) => {
      this.#readers.push({ resolve, reject });
    });
  }

  return(): Promise<IteratorResult<unknown, undefined>> {
    this.drop();
    this.#failure = undefined;
    if (!this.#isEnded) {
      this.end();
      this.#work.cancel();
    }
    return Promise.resolve(DONE);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  /** Credit is returned when half of the window was read, not for each item. */
  #giveBack(cost: number): void {
    this.#consumed += cost;
    if (this.#isEnded || this.#consumed < this.#window / 2) return;
    this.#credit += this.#consumed;
    this.#work.credit(this.#consumed);
    this.#consumed = 0;
  }
}
