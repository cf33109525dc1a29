import { monotonicMs } from "../base/globals.ts";

/** The PING of a worker that is not answered yet; there is one at most. */
export class Pings {
  readonly #send: () => void;
  /** The time since which it is unanswered. */
  sinceMs: number | undefined;

  constructor(send: () => void) {
    this.#send = send;
  }

  /** Sends one, unless one is unanswered. */
  ping(): void {
    if (this.sinceMs !== undefined) return;
    this.sinceMs = monotonicMs();
    this.#send();
  }

  /** The worker was heard. */
  answered(): void {
    this.sinceMs = undefined;
  }

  unansweredMs(nowMs: number): number {
    return this.sinceMs === undefined ? 0 : nowMs - this.sinceMs;
  }
}
