import type { LifecycleName } from "../channels.ts";
import type { Outcome } from "../publish.ts";
import type { Command } from "./machine.ts";
import type { BusEvent } from "./states.ts";

type Turn = PromiseWithResolvers<Outcome>;

/** The outcome of a call whose listeners never ran. */
const NOTHING_RAN: Outcome = { results: [], failures: [] };

/**
 * The promises of the accepted calls. `start` and `stop` have one turn that all their callers
 * share, and it ends when the state behind it was entered; each `graceful` has a separate turn.
 * Every turn ends: a stop ends the turns that it supersedes.
 */
export class Turns {
  readonly #shared = new Map<LifecycleName, Turn>();
  readonly #outcomes = new Map<LifecycleName, Outcome>();
  readonly #gracefuls: Turn[] = [];
  readonly #exited = Promise.withResolvers<void>();

  /** Resolves when the bus has exited. */
  get exited(): Promise<void> {
    return this.#exited.promise;
  }

  /** The outcome of the call, once there is one. Never rejects. */
  wait(command: Exclude<Command, "exit">): Promise<Outcome> {
    if (command === "graceful") {
      const turn = Promise.withResolvers<Outcome>();
      this.#gracefuls.push(turn);
      return turn.promise;
    }
    let turn = this.#shared.get(command);
    if (turn === undefined) this.#shared.set(command, (turn = Promise.withResolvers<Outcome>()));
    return turn.promise;
  }

  /** The listeners of a step have ended. */
  ended(step: LifecycleName, outcome: Outcome): void {
    if (step === "graceful") {
      this.#gracefuls.shift()?.resolve(outcome);
    } else {
      this.#outcomes.set(step, outcome);
      if (step === "restart") for (const settle of this.#take("restart")) settle();
    }
  }

  /**
   * The bus changes its state: ends the turns that this decides. A later call gets a new turn.
   *
   * @returns a function that settles them, to be called after the listeners of the new state
   */
  moved(event: BusEvent): () => void {
    const settled = this.#decidedBy(event).flatMap((step) => this.#take(step));
    const superseded = event === "stop" ? this.#gracefuls.splice(0) : [];
    return () => {
      for (const settle of settled) settle();
      for (const { resolve } of superseded) resolve(NOTHING_RAN);
      if (event === "exited") this.#exited.resolve();
    };
  }

  #decidedBy(event: BusEvent): readonly LifecycleName[] {
    switch (event) {
      case "started":
        return ["start"];
      case "stop":
        // A start that was interrupted has not failed.
        this.#outcomes.delete("start");
        return ["start", "restart"];
      case "stopped":
        return ["stop"];
      case "fail":
        return ["start", "stop"];
      case "start":
      case "exit":
      case "exited":
        return [];
    }
  }

  /** Removes the turn of a step; returns the function that settles it, if there is one. */
  #take(step: LifecycleName): (() => void)[] {
    const outcome = this.#outcomes.get(step) ?? NOTHING_RAN;
    const turn = this.#shared.get(step);
    this.#outcomes.delete(step);
    this.#shared.delete(step);
    return turn === undefined ? [] : [() => turn.resolve(outcome)];
  }
}
