import type { SupervisorEvent } from "./api.ts";
import type { App } from "./app.ts";
import type { Service } from "./service.ts";

const EVENTS_KEPT = 1_000;

/** The changes of state of all services, for those that follow them. */
export class EventLog {
  readonly #events: SupervisorEvent[] = [];
  readonly #waiters = new Set<() => void>();
  readonly #shown = new WeakMap<Service, string>();
  readonly #signal: AbortSignal;
  #seq = 0;

  /** @param signal - ends every reader */
  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener("abort", () => this.#wake(), { once: true });
  }

  /** Records the state of a service, if it is another one than before. */
  record(app: App, service: Service): void {
    const shown = `${service.state} ${isReady(service)} ${service.why ?? ""}`;
    if (this.#shown.get(service) === shown) return;
    this.#shown.set(service, shown);
    this.#add(app, service);
  }

  /** Records something about a service that is no change of its state. */
  note(app: App, service: Service, note: string): void {
    this.#add(app, service, note);
  }

  #add(app: App, service: Service, note?: string): void {
    this.add({
      app: app.name,
      service: service.name,
      state: service.state,
      ready: isReady(service),
      ...(service.why === undefined ? {} : { why: service.why }),
      ...(note === undefined ? {} : { note }),
    });
  }

  /** Records an event of this moment. */
  add(event: Omit<SupervisorEvent, "seq" | "timeMs">): void {
    this.#seq += 1;
    this.#events.push({ seq: this.#seq, timeMs: Date.now(), ...event });
    this.#events.splice(0, this.#events.length - EVENTS_KEPT);
    this.#wake();
  }

  /** Every event from now on. */
  async *follow(): AsyncIterable<SupervisorEvent> {
    let seen = this.#seq;
    while (!this.#signal.aborted) {
      const news = this.#events.filter(({ seq }) => seq > seen);
      for (const event of news) {
        seen = event.seq;
        yield event;
      }
      if (news.length === 0) await new Promise<void>((resolve) => this.#waiters.add(resolve));
    }
  }

  #wake(): void {
    for (const wake of this.#waiters) wake();
    this.#waiters.clear();
  }
}

function isReady({ readyCount, wanted }: Service): boolean {
  return readyCount >= wanted.replicas && wanted.up;
}
