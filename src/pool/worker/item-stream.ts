import { newelError } from "../../base/errors.ts";
import { monotonicMs, setImmediate } from "../../base/globals.ts";
import { creditCost } from "../../wire/limits.ts";
import { STREAM_WINDOW } from "../protocol.ts";
import type { Outbound } from "./outbound.ts";

type Step = IteratorResult<unknown, unknown>;

/** Either kind of iterator. */
interface Source {
  next(): Step | PromiseLike<Step>;
  return?(): unknown;
}

/** After this much work the items are sent, and the event loop polls before the next step. */
const MAX_TURN_MS = 1;

/**
 * The iterator of a task's return value.
 *
 * @throws NEWEL_E_POOL_NO_STREAM
 */
function sourceOf(value: unknown): Source {
  if (typeof value === "object" && value !== null) {
    if (Symbol.asyncIterator in value)
      return (value as AsyncIterable<unknown>)[Symbol.asyncIterator]();
    if (Symbol.iterator in value) return (value as Iterable<unknown>)[Symbol.iterator]();
  }
  const what = value === null ? "null" : typeof value;
  throw newelError("NEWEL_E_POOL_NO_STREAM", { what });
}

/**
 * The sending end of a stream: takes the next item of a task only when the reader has given credit
 * for it. A source that computes for long lets the event loop poll between its items, so that a
 * cancellation is read and other tasks run.
 */
export class ItemStream {
  readonly #outbound: Outbound;
  readonly #id: number;
  readonly #source: Source;
  /** Runs a step of the source in the context of its task. */
  readonly #within: <Result>(run: () => Result) => Result;
  #credit = STREAM_WINDOW;
  #isStopped = false;
  #stopping: Promise<unknown> | undefined;
  #wake: (() => void) | undefined;

  /** @throws NEWEL_E_POOL_NO_STREAM */
  constructor(
    outbound: Outbound,
    id: number,
    value: unknown,
    within: <Result>(run: () => Result) => Result,
  ) {
    this.#outbound = outbound;
    this.#id = id;
    this.#within = within;
    this.#source = within(() => sourceOf(value));
  }

  /** Sends items until the source ends, fails or is stopped. */
  async pump(): Promise<void> {
    let endMs = monotonicMs() + MAX_TURN_MS;
    while (!this.#isStopped) {
      if (this.#credit <= 0) {
        await this.#moreCredit();
        endMs = monotonicMs() + MAX_TURN_MS;
        continue;
      }
      const step = this.#within(() => this.#source.next());
      const { done, value } = "then" in step ? await step : step;
      if (this.#isStopped || done === true) break;
      // As in `for await`, an iterator that is not asynchronous may give promises.
      this.#send(isPromise(value) ? await value : value);
      if (monotonicMs() < endMs) continue;
      this.#outbound.flush();
      await new Promise<void>((resolve) => {
        setImmediate(resolve);
      });
      endMs = monotonicMs() + MAX_TURN_MS;
    }
    await this.#stopping;
  }

  #send(value: unknown): void {
    try {
      const bytes = this.#outbound.sendItem(this.#id, value);
      this.#credit -= creditCost(bytes);
    } catch (error) {
      this.stop();
      throw error;
    }
  }

  #moreCredit(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  addCredit(amount: number): void {
    this.#credit += amount;
    this.#wake?.();
  }

  /** Ends the source: its `finally` blocks run. A source that awaits ends when it continues. */
  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#stopping = this.#return();
    // `pump` awaits it; until then it must not count as unhandled.
    this.#stopping.catch(() => undefined);
    this.#wake?.();
  }

  async #return(): Promise<void> {
    await this.#within(() => this.#source.return?.());
  }
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === "object" &&
    value !== null &&
    "then" in value &&
    typeof value.then === "function"
  );
}
