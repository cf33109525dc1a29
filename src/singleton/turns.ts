import { AsyncLocalStorage } from "node:async_hooks";

import { callContext, runWithin } from "../wire/context.ts";

/** The turns that the current code is part of. */
const running = new AsyncLocalStorage<Turns>();

/** Runs the calls of an instance one at a time, in the order of their arrival. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  /**
   * Whether the current code is itself part of a turn, so that a call which it awaits would wait
   * for itself.
   */
  get isInside(): boolean {
    return running.getStore() === this;
  }

  /**
   * Runs a call when all earlier calls have settled; a call that was cancelled by then does not
   * run.
   */
  run(call: () => unknown): Promise<unknown> {
    const context = callContext();
    const turn = async (): Promise<unknown> => {
      context.signal.throwIfAborted();
      return runWithin(context, () => running.run(this, call), undefined, []);
    };
    const result = this.#last.then(turn);
    this.#last = result.catch(() => undefined);
    return result;
  }
}
