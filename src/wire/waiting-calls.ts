/** The minimum number of queue entries that justifies a removal of settled calls. */
const MIN_SETTLED = 64;

/** A call that may settle while it waits: its time has expired, or its caller cancelled it. */
export interface WaitingCall {
  readonly isSettled: boolean;
}

/**
 * Calls that wait for room, first in, first out. Each operation takes constant amortised time, even
 * when calls settle while they wait.
 */
export class WaitingCalls<Call extends WaitingCall> {
  #calls: (Call | undefined)[] = [];
  #head = 0;
  #live = 0;

  /** Calls that wait and have not settled. */
  get size(): number {
    return this.#live;
  }

  push(call: Call): void {
    this.#calls.push(call);
    this.#live += 1;
  }

  /** The next call that has not settled. */
  shift(): Call | undefined {
    while (this.#head < this.#calls.length) {
      const call = this.#calls[this.#head];
      this.#calls[this.#head] = undefined;
      this.#head += 1;
      if (call === undefined || call.isSettled) continue;
      this.#live -= 1;
      this.#compact();
      return call;
    }
    this.#compact();
    return undefined;
  }

  /** A call that waits here has settled. */
  settled(): void {
    this.#live -= 1;
    this.#compact();
  }

  /** Removes and returns all calls that have not settled. */
  drain(): Call[] {
    const calls = this.#calls.slice(this.#head).filter((call) => call?.isSettled === false);
    this.#calls = [];
    this.#head = 0;
    this.#live = 0;
    return calls as Call[];
  }

  #compact(): void {
    if (this.#calls.length < MIN_SETTLED + 2 * this.#live) return;
    this.#calls = this.#calls.slice(this.#head).filter((call) => call?.isSettled === false);
    this.#head = 0;
  }
}
