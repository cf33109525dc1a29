import type { Kernel, KernelEvent } from "./api.ts";
import type { Journal } from "./journal.ts";
import type { JournalRecord } from "./journal-records.ts";

/** How many events are kept for readers that reconnect: an hour of a busy home, about 1 MB. */
const KEPT = 5_000;

/** The facts of an event before it gets a number and a time. */
export type EventFacts = Omit<KernelEvent, "seq" | "timeMs">;

/** How many events the journal keeps for the readers of the next kernel. */
const JOURNALED = 500;

/** Numbers every change, writes it to the journal, and notifies the listeners. */
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
    // Journalled before any listener is called: a reported event stays known.
    this.#journal.note({ type: "event", event });
    this.#kept.push(event);
    if (this.#kept.length > 2 * KEPT) this.#kept = this.#kept.slice(-KEPT);
    for (const listener of this.#listeners) listener(event);
    return event;
  }

  *snapshot(): Iterable<JournalRecord> {
    yield { type: "seq", seq: this.#last };
    for (const event of this.#kept.slice(-JOURNALED)) yield { type: "event", event };
  }

  /**
   * Event numbers are consecutive, except for events that an earlier kernel could not write to the journal.
   */
  #since(seq: number): readonly KernelEvent[] {
    const kept = this.#kept;
    let from = kept.length;
    while (from > 0 && (kept[from - 1]?.seq ?? 0) > seq) from -= 1;
    return kept.slice(from);
  }

  /** The operations that the session uses. */
  readonly verbs: Kernel["events"] = ((log: EventLog): Kernel["events"] => ({
    since: (seq) => log.#since(seq),
    get last() {
      return log.#last;
    },
    onEvent: (listener) => {
      log.#listeners.add(listener);
      return () => log.#listeners.delete(listener);
    },
  }))(this);
}
