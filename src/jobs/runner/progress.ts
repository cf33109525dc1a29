import type { Progress } from "../api.ts";
import { progressOf } from "../events/entry.ts";

/** Progress as the store keeps it, with the number of reports of the attempt up to this one. */
export interface StoredProgress extends Progress {
  readonly reports?: number;
}

/** Parses BullMQ's progress of a job as {@link StoredProgress}; `undefined` when newel has not stored it. */
export function storedProgressOf(value: unknown): StoredProgress | undefined {
  const progress = progressOf(value);
  if (progress === undefined) return undefined;
  const { reports } = value as { readonly reports?: unknown };
  return typeof reports === "number" ? { ...progress, reports } : progress;
}

/** The shortest interval between two stored reports, in milliseconds. */
const EVERY_MS = 100;

/**
 * Sends the progress of one attempt to the store: the first report at once, then at most ten a second, the
 * last one always. A report never waits for the store.
 *
 * A new attempt repeats the reports of an earlier one: up to the number of reports that
 * the stored progress counts, a report is shown only if it is ahead of the stored one. Afterwards progress
 * never goes back while the total is the same.
 */
export class ProgressReporter {
  readonly #store: (progress: StoredProgress) => Promise<unknown>;
  /** The progress that an earlier attempt stored. */
  readonly #known: StoredProgress | undefined;
  #reports = 0;
  #hasPassedKnown: boolean;
  #shown: Progress | undefined;
  /** The report that is not sent yet. */
  #next: StoredProgress | undefined;
  #sentMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;

  /** @param known - the progress that earlier attempts stored last */
  constructor(
    known: StoredProgress | undefined,
    store: (progress: StoredProgress) => Promise<unknown>,
  ) {
    this.#known = known;
    this.#hasPassedKnown = known === undefined;
    this.#shown = known;
    this.#store = store;
  }

  /** @throws the error of an earlier report, once */
  report(given: Progress): void {
    this.#throwFailure();
    this.#reports += 1;
    if (this.#isSaidAgain(given)) return;
    this.#hasPassedKnown = true;
    const next = notBehind(given, this.#next ?? this.#shown);
    if (next === undefined) return;
    this.#next = { ...next, reports: this.#reports };
    this.#schedule();
  }

  /**
   * Sends the last report. Resolves when it is stored.
   *
   * @throws the error of a report that no call has thrown
   */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    while (this.#next !== undefined || this.#sending !== undefined) {
      if (this.#sending === undefined) this.#send();
      await this.#sending;
    }
    this.#throwFailure();
  }

  #isSaidAgain({ done, total }: Progress): boolean {
    const known = this.#known;
    if (this.#hasPassedKnown || known === undefined) return false;
    if (known.total === total && done > known.done) return false;
    return this.#reports <= (known.reports ?? 0);
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
    this.#next = undefined;
    this.#shown = progress;
    this.#sentMs = performance.now();
    this.#sending = this.#store(progress)
      .catch((error: unknown) => (this.#failure ??= { error }))
      .then(() => {
        this.#sending = undefined;
        if (this.#next !== undefined) this.#schedule();
      });
  }

  #throwFailure(): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure.error;
  }
}

/** The report to show after `shown`; `undefined` when it adds no information. */
function notBehind(given: Progress, shown: Progress | undefined): Progress | undefined {
  if (shown === undefined || shown.total !== given.total || given.done > shown.done) return given;
  const { note = shown.note } = given;
  if (note === shown.note) return undefined;
  return { done: shown.done, total: shown.total, ...(note === undefined ? {} : { note }) };
}
