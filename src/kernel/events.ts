import type { Kernel, KernelEvent } from "./api.ts";

/** How many events are kept for readers that come back: an hour of a busy home, about 1 MB. */
const KEPT = 5_000;

/** What an event is before it has a number and a time. */
export type EventFacts = Omit<KernelEvent, "seq" | "timeMs">;

/** Numbers every change and tells whoever listens. */
export class EventLog {
  readonly #listeners = new Set<(event: KernelEvent) => void>();
  #kept: KernelEvent[] = [];
  #last: number;

  /** @param last - the number of the newest event of an earlier kernel of this home */
  constructor(last: number) {
    this.#last = last;
  }

  get last(): number {
    return this.#last;
  }

  record(facts: EventFacts): KernelEvent {
    this.#last += 1;
    const event: KernelEvent = { seq: this.#last, timeMs: Date.now(), ...facts };
    this.#kept.push(event);
    if (this.#kept.length > 2 * KEPT) this.#kept = this.#kept.slice(-KEPT);
    for (const listener of this.#listeners) listener(event);
    return event;
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
