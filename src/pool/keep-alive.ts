import { clearInterval, setInterval } from "../base/globals.ts";

/** The longest timer of Node.js. */
const VERY_LONG_MS = 2 ** 31 - 1;

/**
 * Keeps the program alive while the pool has work for it. The workers alone do not: a program ends
 * if only an idle pool is left, and its workers end with it.
 */
export class KeepAlive {
  readonly #reasons = new Map<string, number>();
  readonly #always: boolean;
  #timer: NodeJS.Timeout | undefined;

  /** @param always - from `open` to `close`, because a handler waits for messages without a task */
  constructor(always: boolean) {
    this.#always = always;
  }

  open(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setInterval(() => undefined, VERY_LONG_MS);
    this.#apply();
  }

  hold(reason: string): void {
    this.#reasons.set(reason, (this.#reasons.get(reason) ?? 0) + 1);
    this.#apply();
  }

  release(reason: string): void {
    const left = (this.#reasons.get(reason) ?? 0) - 1;
    if (left > 0) this.#reasons.set(reason, left);
    else this.#reasons.delete(reason);
    this.#apply();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #apply(): void {
    if (this.#always || this.#reasons.size > 0) this.#timer?.ref();
    else this.#timer?.unref();
  }
}
