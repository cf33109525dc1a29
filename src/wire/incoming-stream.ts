import { frameError } from "./frames.ts";
import { creditCost } from "./limits.ts";

/** What a stream asks of its session. */
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
  readonly reject: (error: Error) => void;
}

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined };

/**
 * The reading end of a stream: an async iterator over what the peer sends, which sends no more than
 * the credit it was given. Leaving the loop early stops the producer.
 */
export class IncomingStream implements AsyncIterableIterator<unknown, undefined> {
  readonly #window: number;
  readonly #work: StreamWork;
  readonly #readers: Reader[] = [];
  #items: (Item | undefined)[] = [];
  #next = 0;
  /** What the peer may still send, and what was read and not given back yet. */
  #credit: number;
  #consumed = 0;
  #isEnded = false;
  #failure: Error | undefined;

  constructor(window: number, work: StreamWork) {
    this.#window = window;
    this.#work = work;
    this.#credit = window;
  }

  /**
   * An item came.
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

  /** The last item has come. */
  end(): void {
    this.#isEnded = true;
    for (const reader of this.#readers.splice(0)) reader.resolve(DONE);
  }

  /** The stream broke; what came before can still be read. */
  fail(error: Error): void {
    const [reader, ...others] = this.#readers.splice(0);
    if (reader === undefined) this.#failure = error;
    this.#isEnded = true;
    reader?.reject(error);
    for (const other of others) other.resolve(DONE);
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
      const failure = this.#failure;
      this.#failure = undefined;
      return Promise.reject(failure);
    }
    if (this.#isEnded) return Promise.resolve(DONE);
    return new Promise((resolve, reject) => {
      this.#readers.push({ resolve, reject });
    });
  }

  return(): Promise<IteratorResult<unknown, undefined>> {
    this.#items = [];
    this.#next = 0;
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

  /** Credit goes back when half of the window was read, not for each item. */
  #giveBack(cost: number): void {
    this.#consumed += cost;
    if (this.#isEnded || this.#consumed < this.#window / 2) return;
    this.#credit += this.#consumed;
    this.#work.credit(this.#consumed);
    this.#consumed = 0;
  }
}
