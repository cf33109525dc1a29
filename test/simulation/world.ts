import type { ResolvedService } from "../../src/supervisor/config/resolved.ts";
import type { ServiceMachine } from "../../src/supervisor/machine/service-machine.ts";
import type { Command } from "../../src/supervisor/machine/types.ts";
import { Clock } from "./clock.ts";
import { Invariants } from "./invariants.ts";
import { type Quality, SimKernel } from "./kernel.ts";
import { Random } from "./random.ts";
import { randomService } from "./service.ts";
import { SimSupervisor, type Stored } from "./supervisor.ts";

/** Makes the machine under test: the real one, or a broken variant of it. */
export type MakeMachine = (...args: ConstructorParameters<typeof ServiceMachine>) => ServiceMachine;

/** Of the first round, and of each that follows. */
const CHAOS_MS = 20_000;
const MORE_CHAOS_MS = 8_000;
const ROUNDS = 3;
/** The longest quiet time; it ends early once the state has been right and unchanged for {@link SETTLED_MS}. */
const QUIET_MS = 120_000;
const SETTLED_MS = 6_000;
const LOOK_MS = 1_000;
/** From the last fault to one more reconciliation. */
const RECONCILE_MS = [5_000, 1_000] as const;
const SETTINGS = 4;
/** Unless the caller decides, in one of five runs the service has a liveness check and a limit of memory. */
const CHECKED_SHARE = 5;
const SAMPLE_MS = 400;
const MUCH_BYTES = 200_000_000;

const QUALITIES: readonly Quality[] = [
  "good",
  "good",
  "good",
  "slow",
  "never ready",
  "dies at boot",
  "dies later",
  "completes",
];

/** How a run is made. */
export interface RunOptions {
  readonly keepsLog?: boolean;
  /** Whether the service has a liveness check and a limit of memory. */
  readonly isChecked?: boolean;
}

/**
 * One run: a service under a supervisor and a kernel that both die at times, with commands, broken
 * builds, slow starts, lost answers and late timers; then a quiet time in which everything works. After it
 * come shorter rounds of both, in which replicas of a checked service get unfit more often.
 *
 * @returns the violations of the invariants, and how often each was checked
 */
export function simulate(
  seed: number,
  makeMachine: MakeMachine,
  { keepsLog = false, isChecked = seed % CHECKED_SHARE === 1 }: RunOptions = {},
): Invariants {
  const world = new World(seed, makeMachine, isChecked);
  world.invariants.keepsLog = keepsLog;
  world.run();
  return world.invariants;
}

class World {
  readonly invariants: Invariants;
  readonly #clock = new Clock();
  readonly #random: Random;
  readonly #kernel: SimKernel;
  readonly #makeMachine: MakeMachine;
  readonly #base: ResolvedService;
  readonly #stored: Stored;
  #supervisor: SimSupervisor;
  readonly #isChecked: boolean;
  #isChaos = true;
  #round = 1;
  #nextGeneration = 1;
  #nextCommand = 0;

  constructor(seed: number, makeMachine: MakeMachine, isChecked: boolean) {
    this.#random = new Random(seed);
    this.#makeMachine = makeMachine;
    this.#kernel = new SimKernel(this.#clock, this.#random);
    this.#isChecked = isChecked;
    this.#base = randomService(this.#random, this.#isChecked);
    this.#stored = { spec: this.#base, wanted: { up: true, replicas: this.#random.between(1, 3) } };
    this.invariants = new Invariants(this.#clock, this.#kernel);
    this.#kernel.onMake = (process) => this.invariants.onMake(process);
    this.#kernel.onEnd = (process, isAsked) => this.invariants.onEnd(process, isAsked);
    this.#supervisor = this.#startSupervisor();
  }

  run(): void {
    this.#supervisor.reconcile();
    this.#kernel.quality = "good";
    this.#scheduleChaos();
    if (this.#isChecked) this.#scheduleSample();
    this.#clock.runUntil(CHAOS_MS);
    this.#rest();
    while (this.#round < ROUNDS && this.invariants.violations.length === 0) {
      this.#round += 1;
      this.#isChaos = true;
      this.#trouble(this.#supervisor);
      this.#scheduleChaos();
      this.#clock.runUntil(this.#clock.nowMs + MORE_CHAOS_MS);
      this.#rest();
    }
  }

  #rest(): void {
    this.#calm();
    const endMs = this.#clock.nowMs + QUIET_MS;
    while (this.#clock.nowMs < endMs) {
      this.#clock.runUntil(this.#clock.nowMs + LOOK_MS);
      if (this.invariants.isSettled(this.#supervisor.machine, SETTLED_MS)) break;
    }
    this.invariants.atRest(this.#supervisor.machine);
  }

  #startSupervisor(): SimSupervisor {
    const { spec, wanted } = this.#stored;
    const machine = this.#makeMachine(spec, wanted, {
      nextGeneration: () => this.#nextGeneration++,
      random: () => this.#random.next(),
    });
    const supervisor = new SimSupervisor(machine, {
      clock: this.#clock,
      random: this.#random,
      kernel: this.#kernel,
      observer: this.invariants,
      stored: this.#stored,
    });
    this.#trouble(supervisor);
    return supervisor;
  }

  #trouble(supervisor: SimSupervisor): void {
    supervisor.lateMs = this.#isChaos ? this.#random.pick([2, 20, 400]) : 2;
    supervisor.faults = this.#isChaos ? this.#random.pick([0, 0.05, 0.2]) : 0;
  }

  #scheduleChaos(): void {
    const random = this.#random;
    const round = this.#round;
    const again = (least: number, most: number, act: () => void): void => {
      this.#clock.after(random.between(least, most), () => {
        if (!this.#isChaos || round !== this.#round) return;
        act();
        again(least, most, act);
      });
    };
    const isFocused = this.#isChecked && round > 1;
    const pace = isFocused ? 4 : random.pick([1, 4]);
    again(50, 2_500 * pace, () => this.#command());
    again(300, 3_000 * pace, () => (this.#kernel.quality = random.pick(QUALITIES)));
    again(100, 4_000 * pace, () => this.#killProcess());
    if (this.#isChecked) again(100, isFocused ? 500 : 3_000 * pace, () => this.#spoilProcess());
    if (random.chance(0.6)) again(200, 8_000, () => this.#killSupervisor());
    if (random.chance(0.5)) again(200, 8_000, () => this.#killKernel());
  }

  #scheduleSample(): void {
    this.#clock.after(SAMPLE_MS, () => {
      this.#supervisor.sample();
      this.#scheduleSample();
    });
  }

  /** A process does not answer any more, or uses much memory. */
  #spoilProcess(): void {
    const living = this.#kernel.trees.filter(({ main }) => main);
    if (living.length === 0) return;
    const process = this.#random.pick(living);
    if (this.#random.chance(0.5)) process.isSick = true;
    else process.memoryBytes = MUCH_BYTES;
  }

  #command(): void {
    if (!this.#supervisor.isAlive) return;
    const id = this.#nextCommand;
    this.#nextCommand += 1;
    const command = this.#randomCommand();
    this.invariants.onCommand(id, command);
    this.#supervisor.command(id, command);
  }

  #randomCommand(): Command {
    const random = this.#random;
    const kinds: readonly Exclude<Command["kind"], "replace">[] = [
      "start",
      "stop",
      "restart",
      "reload",
      "reload",
      "scale",
      "apply",
      "apply",
    ];
    const kind = random.pick(kinds);
    if (kind === "stop") return { kind, now: random.chance(0.2) };
    if (kind === "scale") {
      const relative = random.chance(0.3);
      return { kind, relative, replicas: relative ? random.pick([-1, 1]) : random.between(0, 4) };
    }
    if (kind !== "apply") return { kind };
    const hash = `h${random.between(0, SETTINGS)}`;
    const spec = { ...this.#base, hash };
    return { kind, spec, up: random.chance(0.9), replicas: random.between(1, 3) };
  }

  #killProcess(): void {
    const living = this.#kernel.trees.filter(({ main }) => main);
    if (living.length > 0) this.#kernel.end(this.#random.pick(living), -9);
  }

  #killSupervisor(): void {
    if (!this.#supervisor.isAlive) return;
    this.#supervisor.die();
    this.invariants.onSupervisorDeath();
    this.#clock.after(this.#random.between(5, 3_000), () => {
      this.#supervisor.die();
      this.#supervisor = this.#startSupervisor();
      this.#kernel.endUnrecorded();
      if (this.#kernel.isUp) this.#supervisor.reconcile();
    });
  }

  #killKernel(): void {
    if (!this.#kernel.isUp) return;
    this.#kernel.die();
    this.#clock.after(this.#random.between(5, 1_500), () => this.#bringKernelBack());
  }

  #bringKernelBack(): void {
    if (this.#kernel.isUp) return;
    this.#kernel.isUp = true;
    // The record of a process was damaged.
    const supervisor = this.#supervisor;
    const isBelieved = (generation: number): boolean =>
      supervisor.isAlive &&
      supervisor.machine.replicas.some((replica) => replica.generation === generation);
    const living = this.#kernel.trees.filter(
      ({ main, known, generation }) => main && known && isBelieved(generation),
    );
    if (living.length > 0 && this.#random.chance(0.1)) this.#random.pick(living).known = false;
    this.#clock.after(this.#random.between(1, 50), () => {
      if (this.#kernel.isUp) this.#supervisor.reconcile();
    });
  }

  /** Everything works from now on, and one more supervisor reconciles the state. */
  #calm(): void {
    this.#isChaos = false;
    this.#kernel.quality = "good";
    this.#supervisor.lateMs = 2;
    this.#supervisor.faults = 0;
    this.#bringKernelBack();
    const [first, later] = RECONCILE_MS;
    this.#clock.after(this.#round === 1 ? first : later, () => this.#supervisor.reconcile());
  }
}
