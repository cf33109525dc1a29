import type { LifecycleName } from "../channels.ts";
import type { LogLevel } from "../log.ts";
import type { Outcome } from "../publish.ts";
import {
  type Action,
  after,
  answerTo,
  breaksOff,
  type Command,
  type Life,
  NEW_LIFE,
  nextAction,
} from "./machine.ts";
import { type BusEvent, type BusState, STATE_WORDS } from "./states.ts";
import type { Steps } from "./steps.ts";
import { Turns } from "./turns.ts";

/** The parts of the bus that the driver uses. None of them throws. */
interface DrivenBus {
  log(message: string, level: LogLevel, error?: unknown): void;
  /** Calls all listeners of the channel of a state. */
  publishState(state: BusState): void;
  /** A state was entered and its listeners were called. */
  entered(life: Life): void;
  /** Another field of the life has changed. */
  changed(life: Life): void;
}

/** Carries out the decisions of the machine, one action after the other, in one place. */
export class Lifecycle {
  readonly #name: string;
  readonly #bus: DrivenBus;
  readonly #steps: Steps;
  readonly #turns = new Turns();
  #life = NEW_LIFE;
  #isDriving = false;
  #breakOff = new AbortController();

  constructor(name: string, bus: DrivenBus, steps: Steps) {
    this.#name = name;
    this.#bus = bus;
    this.#steps = steps;
  }

  get life(): Life {
    return this.#life;
  }

  /** Resolves when the bus has exited. */
  get exited(): Promise<void> {
    return this.#turns.exited;
  }

  /**
   * Accepts a call that `answerTo` accepts, and begins with it if nothing else is under way.
   *
   * @returns the outcome of its listeners, once they have ended; without listeners if a stop or an exit came first
   */
  ask(command: Exclude<Command, "exit">): Promise<Outcome> {
    this.#life = after(this.#life, { on: "asked", command });
    const turn = this.#turns.wait(command);
    this.#asked(command);
    return turn;
  }

  /** Requests the exit, which is never refused. */
  askExit(code?: number): void {
    this.#life = after(this.#life, { on: "asked", command: "exit", code });
    this.#asked("exit");
  }

  accepts(command: Command): boolean {
    return answerTo(this.#life, command) === "accepted";
  }

  #asked(command: Command): void {
    if (breaksOff(this.#life, command)) this.#breakOff.abort();
    this.#bus.changed(this.#life);
    if (!this.#isDriving) void this.#drive();
  }

  /**
   * Runs without a pause until it must wait for listeners, so that a call takes effect immediately.
   * Between the end of the listeners and the transition that follows no other code runs: a call
   * would see a life whose state is over.
   */
  async #drive(): Promise<void> {
    this.#isDriving = true;
    for (
      let action: Action | undefined = nextAction(this.#life);
      action !== undefined;
      action = nextAction(this.#life)
    ) {
      if (action.do === "move") this.#move(action.event);
      else this.#ended(action.step, await this.#begin(action.step));
    }
    this.#isDriving = false;
  }

  #move(event: BusEvent): void {
    this.#life = after(this.#life, { on: "moved", event });
    const { state } = this.#life;
    const settle = this.#turns.moved(event);
    this.#bus.log(`${this.#name} ${STATE_WORDS[event]}`, event === "fail" ? "error" : "info");
    this.#bus.publishState(state);
    this.#bus.entered(this.#life);
    settle();
  }

  #begin(step: LifecycleName): Promise<Outcome> {
    if (step === "start") this.#steps.clear();
    if (step === "graceful") this.#bus.log(`${this.#name} graceful`, "info");
    this.#breakOff = new AbortController();
    this.#life = after(this.#life, { on: "began", step });
    // The listeners of stop and exit are never interrupted.
    const thorough = step === "stop" || step === "exit";
    return this.#steps.run(step, {
      ...(thorough ? { thorough } : { signal: this.#breakOff.signal }),
      onRequest: ({ exitCode }) => this.askExit(exitCode),
    });
  }

  #ended(step: LifecycleName, outcome: Outcome): void {
    if (step !== "graceful" && step !== "restart") this.#steps.fail(outcome);
    this.#life = after(this.#life, { on: "ended", step, failed: outcome.failures.length > 0 });
    this.#turns.ended(step, outcome);
    this.#bus.changed(this.#life);
  }
}
