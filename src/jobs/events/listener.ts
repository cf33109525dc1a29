import type { Entry } from "./entry.ts";

/** What a slow reader may be behind, in events of its run. Past that it is shown the state instead. */
const BUFFERED_ENTRIES = 500;

/** One who listens to a run: what came and was not taken yet. */
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

  /** Something came that it will not be told: only the state helps. */
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

  /** Takes all that came, in order; `missed` when there is a gap instead. */
  take(): { readonly entries: readonly Entry[]; readonly missed: boolean } {
    const taken = { entries: this.#entries, missed: this.#missed };
    this.#entries = [];
    this.#missed = false;
    return taken;
  }

  /** Resolves when something came, it ended, the signal aborted (`true`), or after the limit (`false`). */
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
