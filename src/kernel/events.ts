import type { Kernel, KernelEvent } from "./api.ts";
import type { Journal, JournalRecord } from "./journal.ts";

/** How many events are kept for readers that come back: an hour of a busy home, about 1 MB. */
const KEPT = 5_000;

/** What an event is before it has a number and a time. */
export type EventFacts = Omit<KernelEvent, "seq" | "timeMs">;

/** How many of them the journal keeps for the readers of the next kernel. */
const JOURNALED = 500;

/** Numbers every change, writes it down, and tells whoever listens. */
export class EventLog {
  readonly #listeners = new Set<(event: KernelEvent) => void>();
  readonly #journal: Journal;
  #kept: KernelEvent[];
  #last: number;

  /**
   * @param last - the number of the newest event of an earlier kernel of this home
   * @param kept - the newest of its events
   */
  constructor(last: number, kept: readonly KernelEvent[], journal: Journal) {
    this.#last = last;
    this.#kept = [...kept];
    this.#journal = journal;
  }

  get last(): number {
    return this.#last;
  }

  record(facts: EventFacts): KernelEvent {
    this.#last += 1;
    const event: KernelEvent = { seq: this.#last, timeMs: Date.now(), ...facts };
    // Before anybody hears it: what was told once is known for ever.
    this.#journal.append({ type: "event", event });
    this.#kept.push(event);
    if (this.#kept.length > 2 * KEPT) this.#kept = this.#kept.slice(-KEPT);
    for (const listener of this.#listeners) listener(event);
    return event;
  }

  *snapshot(): Iterable<JournalRecord> {
    yield { type: "seq", seq: this.#last };
    for (const event of this.#kept.slice(-JOURNALED)) yield { type: "event", event };
  }

  /** The verbs the session uses. */
  readonly verbs: Kernel["events"] = ((log: EventLog): Kernel["events"] => ({
    since: (seq) => log.#kept.filter((event) => event.seq > seq),
    get last() {
      return log.#last;
    },
    onEvent: (listener) => {
      log.#listeners.add(listener);
      return () => log.#listeners.delete(listener);
    },
  }))(this);
}
