import type { Clock } from "./clock.ts";
import type { Random } from "./random.ts";

/** How the processes of the service behave at the time they are started. */
export type Quality = "good" | "slow" | "never ready" | "dies at boot" | "dies later" | "completes";

/** The memory of a process that does not use too much. */
export const LITTLE_BYTES = 50_000_000;
/** The exit code of a process that ends by the stop signal. */
const STOPPED = -15;

/** One process of the simulated machine with its descendants. */
export interface SimProcess {
  readonly generation: number;
  readonly number: number;
  readonly hash: string;
  readonly startedMs: number;
  readyAtMs: number;
  /** Whether the main process lives. */
  main: boolean;
  /** Whether a descendant lives; it ends with the stop ladder alone. */
  descendants: boolean;
  exitCode: number | null;
  accepts: boolean;
  /** Whether its liveness checks fail from now on. */
  isSick: boolean;
  memoryBytes: number;
  /** Whether the kernel has a record of it. */
  known: boolean;
  /** Whether a supervisor has once seen it ready. */
  wasReady: boolean;
  /** From the stop signal to its end. */
  readonly stopMs: number;
  stopping: boolean;
  /** Whether the kernel knows that it has the stop signal; a kernel that dies forgets it. */
  asked: boolean;
}

/** The part of newel's kernel that a supervisor depends on, with its processes. */
export class SimKernel {
  isUp = true;
  quality: Quality = "good";
  readonly processes = new Map<number, SimProcess>();
  /** Gets `ended` events of the supervisor that is connected. */
  hear: (generation: number, exitCode: number | null) => void = () => undefined;
  /** Called before a process is made. */
  onMake: (process: SimProcess) => void = () => undefined;
  /** Called before a main process ends. */
  onEnd: (process: SimProcess, isAsked: boolean) => void = () => undefined;
  readonly #clock: Clock;
  readonly #random: Random;

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Processes of which something lives. */
  get trees(): SimProcess[] {
    return [...this.processes.values()].filter(isAlive);
  }

  /** Makes a process; making it again is the same as once. */
  make(generation: number, number: number, hash: string, hold: boolean): void {
    if (this.processes.has(generation)) return;
    const { quality } = this;
    const random = this.#random;
    const bootMs = quality === "slow" ? random.between(1_500, 4_000) : random.between(5, 400);
    const process: SimProcess = {
      generation,
      number,
      hash,
      startedMs: this.#clock.nowMs,
      readyAtMs:
        quality === "never ready" || quality === "dies at boot"
          ? Infinity
          : this.#clock.nowMs + bootMs,
      main: true,
      descendants: random.chance(0.2),
      exitCode: null,
      accepts: !hold,
      isSick: false,
      memoryBytes: LITTLE_BYTES,
      known: true,
      wasReady: false,
      stopMs: random.chance(0.1) ? 2_000 : random.between(1, 300),
      stopping: false,
      asked: false,
    };
    this.onMake(process);
    this.processes.set(generation, process);
    if (quality === "dies at boot") this.endLater(process, random.between(1, 300), 1);
    if (quality === "dies later") this.endLater(process, random.between(300, 3_000), 1);
    if (quality === "completes") this.endLater(process, random.between(10, 1_500), 0);
  }

  endLater(process: SimProcess, delayMs: number, exitCode: number): void {
    this.#clock.after(delayMs, () => {
      if (!process.stopping || exitCode === STOPPED) this.end(process, exitCode);
    });
  }

  /** The main process ends; the event reaches the supervisor unless the kernel dies before. */
  end(process: SimProcess, exitCode: number): void {
    if (!process.main) return;
    this.onEnd(process, exitCode === STOPPED);
    process.main = false;
    process.accepts = false;
    process.exitCode = this.isUp ? exitCode : null;
    if (!this.isUp) return;
    const epoch = this.#epoch;
    this.#clock.after(this.#random.between(1, 30), () => {
      if (epoch === this.#epoch && this.isUp && process.known)
        this.hear(process.generation, process.exitCode);
    });
  }

  #epoch = 0;

  /** The kernel dies; events on their way are lost with it. */
  die(): void {
    this.isUp = false;
    this.#epoch += 1;
    for (const process of this.processes.values()) process.asked = false;
  }

  /** Finds processes without a record in kernel or supervisor by their environment, and ends them. */
  endUnrecorded(): void {
    for (const process of this.trees) {
      if (process.known) continue;
      process.main = false;
      process.descendants = false;
    }
  }

  /** The stop ladder; `done` is called when the whole tree is gone. */
  stop(generation: number, now: boolean, done: () => void): void {
    const process = this.processes.get(generation);
    if (process === undefined || !isAlive(process)) {
      this.#clock.after(this.#random.between(1, 10), done);
      return;
    }
    process.stopping = true;
    process.asked = true;
    if (process.main) this.endLater(process, now ? 1 : process.stopMs, STOPPED);
    const wait = (): void => {
      if (process.main) {
        this.#clock.after(10, wait);
        return;
      }
      this.#clock.after(this.#random.between(1, 40), () => {
        process.descendants = false;
        done();
      });
    };
    wait();
  }
}

export function isAlive({ main, descendants }: SimProcess): boolean {
  return main || descendants;
}

/** Whether clients are served by it. */
export function isServing(process: SimProcess, nowMs: number): boolean {
  return process.main && process.accepts && process.readyAtMs <= nowMs && !process.stopping;
}
