import type { Progress } from "../api.ts";

/** Between two that are stored, in milliseconds. */
const EVERY_MS = 100;

/**
 * The progress of one attempt on its way to the store: the first at once, then at most ten a second, the
 * last one always; and never back while the total is the same, also after another attempt.
 */
export class ProgressReporter {
  readonly #store: (progress: Progress) => Promise<unknown>;
  #shown: Progress | undefined;
  /** Given and not yet on its way. */
  #next: Progress | undefined;
  #sentMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<unknown> | undefined;
  #waiting: { resolve(): void; reject(error: unknown): void }[] = [];

  /** @param known - what earlier attempts said last */
  constructor(known: Progress | undefined, store: (progress: Progress) => Promise<unknown>) {
    this.#shown = known;
    this.#store = store;
  }

  /** Resolves when this, or what came after it, is stored. */
  report(given: Progress): Promise<void> {
    const next = notBehind(given, this.#next ?? this.#shown);
    if (next === undefined) return this.#sending?.then(() => undefined) ?? Promise.resolve();
    this.#next = next;
    const stored = new Promise<void>((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
    });
    // A handler need not await it.
    stored.catch(() => undefined);
    this.#schedule();
    return stored;
  }

  /** Sends what still waits. Resolves when all is stored. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    while (this.#next !== undefined || this.#sending !== undefined) {
      if (this.#sending === undefined) this.#send();
      await this.#sending;
    }
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#sending !== undefined) return;
    const waitMs = this.#sentMs + EVERY_MS - performance.now();
    if (waitMs <= 0) this.#send();
    else
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        this.#send();
      }, waitMs);
  }

  #send(): void {
    const progress = this.#next;
    if (progress === undefined) return;
    const waiting = this.#waiting.splice(0);
    this.#next = undefined;
    this.#shown = progress;
    this.#sentMs = performance.now();
    this.#sending = this.#store(progress).then(
      () => this.#sent(() => waiting.forEach((each) => each.resolve())),
      (error: unknown) => this.#sent(() => waiting.forEach((each) => each.reject(error))),
    );
  }

  #sent(tell: () => void): void {
    this.#sending = undefined;
    tell();
    if (this.#next !== undefined) this.#schedule();
  }
}

/** What to show after `shown`; `undefined` when it says nothing new. */
function notBehind(given: Progress, shown: Progress | undefined): Progress | undefined {
  if (shown === undefined || shown.total !== given.total || given.done > shown.done) return given;
  const { note = shown.note } = given;
  if (note === shown.note) return undefined;
  return { done: shown.done, total: shown.total, ...(note === undefined ? {} : { note }) };
}
