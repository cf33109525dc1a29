import { newelError } from "../base/errors.ts";
import { runWithin, type CallContext } from "./context.ts";
import { FrameType, frameError } from "./frames.ts";
import { creditCost } from "./limits.ts";
import type { Link } from "./link.ts";

/** Either kind of iterator: awaiting the step of a synchronous iterator would only cost time. */
interface Source {
  readonly next: () => Step | Promise<Step>;
  readonly return?: () => unknown;
}

type Step = IteratorResult<unknown, unknown>;

/** The iterator of a streaming method's return value. */
export function iteratorOf(value: unknown, method: string): Source {
  if (typeof value === "object" && value !== null) {
    if (Symbol.asyncIterator in value)
      return (value as AsyncIterable<unknown>)[Symbol.asyncIterator]();
    if (Symbol.iterator in value) return (value as Iterable<unknown>)[Symbol.iterator]();
  }
  throw newelError("NEWEL_E_CONTRACT", {
    method,
    why: "the contract says it streams, but it returned nothing that can be iterated",
  });
}

/**
 * The sending end of a stream: takes the next item only when the reader has given credit for it and
 * the outbox is not blocked, so that a slow reader pauses the producer instead of filling memory.
 */
export class OutgoingStream {
  readonly #link: Link;
  readonly #context: CallContext & { readonly id: number };
  readonly #iterator: Source;
  readonly #window: number;
  #credit: number;
  #isStopped = false;
  #stopping: Promise<void> | undefined;
  #wake: (() => void) | undefined;

  constructor(
    link: Link,
    context: CallContext & { readonly id: number },
    iterator: Source,
    window: number,
  ) {
    this.#link = link;
    this.#context = context;
    this.#iterator = iterator;
    this.#window = window;
    this.#credit = window;
  }

  /** Sends items until the producer ends, fails or is stopped. */
  async pump(): Promise<{ readonly error: unknown } | undefined> {
    try {
      while (!this.#isStopped) {
        if (this.#credit <= 0 || this.#link.outbox.isBlocked) {
          await this.#untilFree();
          continue;
        }
        const step = runWithin(this.#context, this.#iterator.next, this.#iterator, []);
        const { done, value } = "then" in step ? await step : step;
        if (this.#isStopped || done === true) break;
        this.#send(value);
      }
      await this.#stopping;
      return undefined;
    } catch (error) {
      return { error };
    }
  }

  #send(value: unknown): void {
    try {
      const bytes = this.#link.sendValue(FrameType.ITEM, this.#context.id, value);
      this.#credit -= creditCost(bytes);
    } catch (error) {
      this.stop();
      throw error;
    }
  }

  #untilFree(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  wake(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  /** @throws NEWEL_E_FRAME when the reader returns more credit than it used */
  addCredit(amount: number): void {
    this.#credit += amount;
    if (this.#credit > this.#window) throw frameError("more credit than the window of the stream");
    this.wake();
  }

  /**
   * Ends the producer: its `finally` blocks run. A producer that is waiting needs its signal to
   * end.
   */
  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#stopping = this.#return();
    // `pump` awaits this promise and answers with its failure; until then it must not count as
    // unhandled.
    this.#stopping.catch(() => undefined);
    this.wake();
  }

  async #return(): Promise<void> {
    const end = this.#iterator.return;
    if (end !== undefined) await runWithin(this.#context, end, this.#iterator, []);
  }
}
