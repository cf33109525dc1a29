import type { Entry } from "./entry.ts";

/** How many events of its run a slow reader may be behind. Beyond that it gets the state instead. */
const BUFFERED_ENTRIES = 500;

/** A listener to a run: the events that arrived and were not taken yet. */
export class Listener {
  #entries: Entry[] = [];
  #missed = false;
  #ended = false;
  #wake: (() => void) | undefined;

  push(entry: Entry): void {
    if (this.#missed) return;
    this.#entries.push(entry);
    if (this.#entries.length > BUFFERED_ENTRIES) this.miss();
    this.#wake?.();
  }

  /** Drops the events, because one was missed: the listener has to read the state. */
  miss(): void {
    this.#entries = [];
    this.#missed = true;
    this.#wake?.();
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Takes all events that arrived, in order; `missed` when there is a gap. */
  take(): { readonly entries: readonly Entry[]; readonly missed: boolean } {
    const taken = { entries: this.#entries, missed: this.#missed };
    this.#entries = [];
    this.#missed = false;
    return taken;
  }

  /**
   * Resolves with `true` when an event arrived, the listener ended or the signal aborted, with `false` after the
   * limit.
   */
  wait(limitMs: number, signal: AbortSignal | undefined): Promise<boolean> {
    if (this.#entries.length > 0 || this.#missed || this.#ended || signal?.aborted === true)
      return Promise.resolve(true);
    return new Promise((resolve) => {
      const settle = (came: boolean): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", wake);
        this.#wake = undefined;
        resolve(came);
      };
      const wake = (): void => settle(true);
      const timer = setTimeout(() => settle(false), limitMs);
      signal?.addEventListener("abort", wake);
      this.#wake = wake;
    });
  }
}
