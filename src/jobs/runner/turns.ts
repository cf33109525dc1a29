import { setImmediate as nextTurn } from "node:timers/promises";

/** How long a handler may keep its event loop busy between two turns, in milliseconds. */
const EVERY_MS = 10;

/**
 * Lets the event loop turn from time to time in a loop of calls that do not wait. Otherwise their messages
 * would not leave the process and a cancellation would not arrive.
 */
export class Turns {
  #turnedMs = performance.now();

  async pass(): Promise<void> {
    if (performance.now() - this.#turnedMs < EVERY_MS) return;
    await nextTurn();
    this.#turnedMs = performance.now();
  }
}
