/** A smaller difference between the clocks is drift and no step of the wall clock, in milliseconds. */
const CLOCK_STEP_MS = 100;

/** Detects steps of the wall clock by comparing it with the monotonic clock. */
export class ClockSteps {
  /** The wall clock minus the monotonic clock, in milliseconds. */
  #offset = Date.now() - performance.now();

  /** Whether the wall clock was set since the last call, or the machine slept. */
  hasStepped(): boolean {
    const offset = Date.now() - performance.now();
    const stepped = Math.abs(offset - this.#offset) > CLOCK_STEP_MS;
    this.#offset = offset;
    return stepped;
  }
}
