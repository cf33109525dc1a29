import type { ResolvedService } from "../../src/supervisor/config/resolved.ts";
import type { ServiceMachine } from "../../src/supervisor/machine/service-machine.ts";
import type { Command, Effect, MachineEvent } from "../../src/supervisor/machine/types.ts";
import type { Clock } from "./clock.ts";
import type { SimKernel } from "./kernel.ts";
import type { Random } from "./random.ts";

/** The state that outlives a supervisor: the kernel's value of the app. */
export interface Stored {
  spec: ResolvedService;
  wanted: { readonly up: boolean; readonly replicas: number };
}

/** The reports of a supervisor to the simulation. */
export interface Observer {
  /** Before an event is handled, and after it with the effects. */
  before(event: MachineEvent, machine: ServiceMachine): void;
  after(event: MachineEvent, effects: readonly Effect[], machine: ServiceMachine): void;
}

const LAUNCH_TRIES = 5;
const CHECK_MS = 200;

/** Performs the effects of one machine on the simulated kernel, with delays and faults. */
export class SimSupervisor {
  readonly machine: ServiceMachine;
  /** How late timers are: the machine is busy. */
  lateMs = 0;
  /** The probability that the kernel does not make a process, or does not answer a stop. */
  faults = 0;
  #isAlive = true;
  #timer = 0;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #kernel: SimKernel;
  readonly #observer: Observer;
  readonly #stored: Stored;
  readonly #probed = new Set<number>();
  /** Processes whose last check failed by chance. */
  readonly #flaky = new Set<number>();

  constructor(
    machine: ServiceMachine,
    parts: { clock: Clock; random: Random; kernel: SimKernel; observer: Observer; stored: Stored },
  ) {
    this.machine = machine;
    this.#clock = parts.clock;
    this.#random = parts.random;
    this.#kernel = parts.kernel;
    this.#observer = parts.observer;
    this.#stored = parts.stored;
    this.#kernel.hear = (generation, exitCode) =>
      this.dispatch({ type: "ended", generation, exitCode });
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  die(): void {
    this.#isAlive = false;
  }

  /** Sends the machine everything that the kernel holds. */
  reconcile(): void {
    const { spec } = this.machine;
    const replicas = [...this.#kernel.processes.values()]
      .filter(({ known }) => known)
      .map((process) => ({
        generation: process.generation,
        number: process.number,
        spec: process.hash === spec.hash ? spec : { ...spec, hash: process.hash },
        current: process.hash === spec.hash,
        running: process.main,
        hasDescendants: !process.main && process.descendants,
        isStopping: process.main && process.asked,
        ...(process.main ? {} : { exitCode: process.exitCode }),
        ageMs: this.#clock.nowMs - process.startedMs,
      }));
    this.dispatch({ type: "found", replicas, rebooted: false });
  }

  command(id: number, command: Command): void {
    this.dispatch({ type: "command", id, command });
  }

  dispatch(event: MachineEvent): void {
    if (!this.#isAlive) return;
    this.#observer.before(event, this.machine);
    const effects = this.machine.handle(event, this.#clock.nowMs);
    this.#observer.after(event, effects, this.machine);
    for (const effect of effects) this.#perform(effect);
    this.#setTimer();
  }

  #setTimer(): void {
    this.#timer += 1;
    const timer = this.#timer;
    const wakeMs = this.machine.nextWakeMs();
    if (wakeMs === undefined) return;
    this.#later(wakeMs - this.#clock.nowMs + this.#random.between(0, this.lateMs), () => {
      if (timer === this.#timer) this.dispatch({ type: "tick" });
    });
  }

  #later(delayMs: number, run: () => void): void {
    this.#clock.after(delayMs, () => {
      if (this.#isAlive) run();
    });
  }

  #soon(run: () => void): void {
    this.#later(this.#random.between(1, 15), run);
  }

  #perform(effect: Effect): void {
    switch (effect.do) {
      case "launch":
        return this.#soon(() => this.#launch(effect, 1));
      case "probe":
        this.#probed.add(effect.generation);
        return this.#soon(() => this.#probe(effect.generation));
      case "check":
        return this.#later(this.#random.between(1, CHECK_MS), () => this.#check(effect.generation));
      case "accept":
        return this.#soon(() => this.#accept(effect.generation));
      case "stop":
        this.#probed.delete(effect.generation);
        return this.#soon(() => this.#stop(effect.generation, effect.now));
      case "finish":
        this.#stored.spec = this.machine.spec;
        this.#stored.wanted = this.machine.wanted;
        return;
      case "forget":
      case "report":
        return;
    }
  }

  #launch(effect: Extract<Effect, { do: "launch" }>, attempt: number): void {
    const { generation, number, spec, hold } = effect;
    if (!this.#kernel.isUp) {
      if (attempt < LAUNCH_TRIES)
        this.#later(this.#random.between(20, 150), () => this.#launch(effect, attempt + 1));
      else this.dispatch({ type: "launch failed", generation, why: "the kernel does not answer" });
      return;
    }
    const fails = this.#random.chance(this.faults);
    // The process may have been made all the same, when only the answer is lost.
    if (!fails || this.#random.chance(0.3)) this.#kernel.make(generation, number, spec.hash, hold);
    this.#soon(() => {
      if (fails) this.dispatch({ type: "launch failed", generation, why: "no such program" });
      else this.dispatch({ type: "launched", generation });
    });
  }

  #probe(generation: number): void {
    const process = this.#kernel.processes.get(generation);
    if (!this.#probed.has(generation) || process === undefined || !process.main) return;
    if (process.readyAtMs <= this.#clock.nowMs) {
      process.wasReady = true;
      this.dispatch({ type: "ready", generation });
    } else if (process.readyAtMs !== Infinity)
      this.#later(process.readyAtMs - this.#clock.nowMs + this.#random.between(1, 50), () =>
        this.#probe(generation),
      );
  }

  /** A check of a healthy process fails at times, but never twice in a row. */
  #check(generation: number): void {
    const process = this.#kernel.processes.get(generation);
    const isFlaky = !this.#flaky.has(generation) && this.#random.chance(0.1);
    this.#flaky.delete(generation);
    if (isFlaky) this.#flaky.add(generation);
    const isWell = process?.main === true && !process.isSick && !isFlaky;
    this.dispatch({ type: "checked", generation, failure: isWell ? undefined : "no answer" });
  }

  /** Takes a sample of the memory of every process. */
  sample(): void {
    for (const { generation, memoryBytes, main } of this.#kernel.trees)
      if (main) this.dispatch({ type: "measured", generation, memoryBytes });
  }

  #accept(generation: number): void {
    const process = this.#kernel.processes.get(generation);
    if (process?.main === true) process.accepts = true;
    this.dispatch({ type: "accepted", generation });
  }

  #stop(generation: number, now: boolean): void {
    if (!this.#kernel.isUp || this.#random.chance(this.faults / 2)) {
      this.#later(this.#random.between(10, 200), () =>
        this.dispatch({ type: "stop failed", generation, why: "the kernel does not answer" }),
      );
      return;
    }
    this.#kernel.stop(generation, now, () => {
      if (this.#isAlive) this.dispatch({ type: "stopped", generation });
    });
  }
}
