import type { Missing } from "../../src/supervisor/machine/restart-tracker.ts";
import type { ServiceMachine } from "../../src/supervisor/machine/service-machine.ts";
import type {
  Command,
  Effect,
  MachineEvent,
  ReplicaState,
} from "../../src/supervisor/machine/types.ts";
import type { Clock } from "./clock.ts";
import { isAlive, isServing, type SimKernel, type SimProcess } from "./kernel.ts";
import {
  type Expectation,
  type Invariant,
  isUnfit,
  restingState,
  type Violation,
} from "./expected.ts";
import { type Settings, settingsAfter, settingsOf } from "./settings.ts";
import type { Observer } from "./supervisor.ts";

/** The longest time that a command may take: every step of it has a limit of 2 s. */
const COMMAND_MS = 110_000;
/** The same for a stop, which waits for no other command. */
const STOP_MS = 15_000;

/** A command that has begun, with the state at that time. */
interface Running {
  readonly id: number;
  readonly serving: number;
  /** The lowest number of replicas that was wanted since. */
  wanted: number;
  /** Serving replicas that ended by themselves since. */
  lost: number;
}

/** Events that a service at rest has too. */
const PERIODIC: ReadonlySet<MachineEvent["type"]> = new Set(["tick", "checked", "measured"]);

const NONE_MISSING: ReadonlyMap<number, Missing> = new Map();

/** Observes a run and notes violations. */
export class Invariants implements Observer {
  readonly violations: Violation[] = [];
  readonly checks = new Map<Invariant, number>();
  steps = 0;
  readonly #clock: Clock;
  readonly #kernel: SimKernel;
  readonly #commands = new Map<number, { readonly command: Command; readonly atMs: number }>();
  #before: Settings = { hash: "", up: false, replicas: 0 };
  /** The settings that the commands so far lead to. */
  #expected: Settings = this.#before;
  #running: Running | undefined;
  #wasBusy = false;
  /** The decisions about missing replicas before the event, by number. */
  #missing: ReadonlyMap<number, Missing> = NONE_MISSING;
  #isNew = true;
  /** Generations that are being stopped. */
  readonly #decided = new Set<number>();
  /** How many replicas were wanted when a generation was launched. */
  readonly #mostReplicas = new Map<number, number>();
  readonly #log: string[] = [];
  /** When an event or effect last was more than a periodic one. */
  #changedMs = 0;

  constructor(clock: Clock, kernel: SimKernel) {
    this.#clock = clock;
    this.#kernel = kernel;
  }

  /** The history of the run, a line for each event and effect. */
  get log(): readonly string[] {
    return this.#log;
  }

  onCommand(id: number, command: Command): void {
    this.#commands.set(id, { command, atMs: this.#clock.nowMs });
  }

  /** Its callers learn that the connection was lost; the commands end with it. */
  onSupervisorDeath(): void {
    this.#note(() => "the supervisor dies");
    this.#commands.clear();
    this.#isNew = true;
    this.#decided.clear();
    this.#running = undefined;
    this.#wasBusy = false;
  }

  onMake(process: SimProcess): void {
    const twin = this.#kernel.trees.find(({ number }) => number === process.number);
    this.#check(
      "one process tree for a replica number",
      twin === undefined,
      () => `${process.number}: generation ${process.generation} next to ${twin?.generation}`,
    );
    // The kernel makes a process after one that was launched later, at times; more may be wanted by then.
    const since = this.#kernel.trees.filter(({ generation }) => generation > process.generation);
    const most = Math.max(
      ...[process, ...since].map(({ generation }) => this.#mostReplicas.get(generation) ?? 0),
    );
    const others = this.#kernel.trees.filter(({ known }) => known).length;
    if (this.#isStopFirst)
      this.#check(
        "stop-first never doubles",
        others < most,
        () => `${others + 1} process trees for ${most} replicas`,
      );
  }

  #isStopFirst = false;

  before(event: MachineEvent, machine: ServiceMachine): void {
    this.steps += 1;
    this.#note(() => `> ${JSON.stringify(event, shortSpec)}`);
    this.#before = settingsOf(machine);
    if (this.#isNew) this.#expected = this.#before;
    this.#isNew = false;
    this.#wasBusy = machine.isBusy;
    const { tracker } = machine;
    this.#missing = tracker.size === 0 ? NONE_MISSING : new Map(tracker.entries());
    this.#isStopFirst = machine.spec.reload.order === "stop-first";
    if (this.#running !== undefined && event.type === "found")
      this.#running.lost += this.#forgotten(event, machine);
  }

  after(event: MachineEvent, effects: readonly Effect[], machine: ServiceMachine): void {
    const { wanted } = machine;
    if (!PERIODIC.has(event.type) || effects.some((effect) => effect.do !== "check"))
      this.#changedMs = this.#clock.nowMs;
    const most = Math.max(wanted.replicas, this.#before.replicas, this.#expected.replicas);
    if (!machine.isBusy) this.#running = undefined;
    if (this.#running !== undefined)
      this.#running.wanted = Math.min(this.#running.wanted, wanted.replicas);
    for (const effect of effects) {
      this.#note(() => `  < ${JSON.stringify(effect, shortSpec)}`);
      if (effect.do === "launch") {
        this.#mostReplicas.set(effect.generation, most);
        this.#checkPolicy(effect.number, event);
      }
      if (effect.do === "report") this.#begun(effect.id, machine);
      if (effect.do === "stop") this.#stopping(effect.generation, event, machine);
    }
    this.#finished(effects, machine);
    if (event.type === "command" && event.command.kind === "stop") this.#checkStop(event.id);
    const wakeMs = machine.nextWakeMs() ?? Infinity;
    this.#check(
      "the next wake-up is in the future",
      wakeMs > this.#clock.nowMs,
      () => `at ${wakeMs} ms after ${event.type}`,
    );
    this.#checkDurations();
  }

  #checkPolicy(number: number, { type }: MachineEvent): void {
    const missing = this.#missing.get(number);
    // The plan of a command starts missing replicas, and so does a supervisor that repairs its state.
    if (missing === undefined || this.#wasBusy || type === "command" || type === "found") return;
    this.#check(
      "the restart policy is kept",
      missing.kind === "backoff" && missing.atMs <= this.#clock.nowMs,
      () => `${number} is started although it is ${JSON.stringify(missing)}`,
    );
  }

  #checkStop(id: number): void {
    const others = [...this.#commands].filter(([, { command }]) => command.kind !== "stop");
    this.#check(
      "a stop takes the place of the commands before it",
      others.length === 0,
      () => `${others.map(([other]) => other).join(", ")} after the stop (${id})`,
    );
  }

  #finished(effects: readonly Effect[], machine: ServiceMachine): void {
    const finished = effects.filter((effect) => effect.do === "finish");
    for (const { id, failure } of finished) {
      const given = this.#commands.get(id);
      this.#commands.delete(id);
      if (given !== undefined)
        this.#expected = settingsAfter(this.#expected, given.command, failure);
    }
    // Else a command that follows has set its own.
    if (finished.length === 0 || machine.isBusy) return;
    const now = settingsOf(machine);
    this.#check(
      "a failure changes nothing",
      JSON.stringify(now) === JSON.stringify(this.#expected),
      () => `${JSON.stringify(this.#expected)} is expected, ${JSON.stringify(now)} is in force`,
    );
  }

  /** Whether nothing but periodic events has happened for a time, and the state is the one expected at rest. */
  isSettled(machine: ServiceMachine, forMs: number): boolean {
    if (this.#clock.nowMs - this.#changedMs < forMs || this.#commands.size > 0) return false;
    return this.#resting(machine).every(({ holds }) => holds);
  }

  /** At the end of a quiet time. */
  atRest(machine: ServiceMachine): void {
    this.#checkDurations();
    for (const { invariant, holds, what } of this.#resting(machine))
      this.#check(invariant, holds, what);
  }

  #resting(machine: ServiceMachine): readonly Expectation[] {
    return restingState(machine, this.#kernel.trees, this.#clock.nowMs);
  }

  /** A main process ends; `isAsked`: by the stop ladder. */
  onEnd(process: SimProcess, isAsked: boolean): void {
    if (this.#running !== undefined && !isAsked && process.wasReady) this.#running.lost += 1;
  }

  /** How many serving replicas the kernel has no record of. */
  #forgotten(
    { replicas }: Extract<MachineEvent, { type: "found" }>,
    machine: ServiceMachine,
  ): number {
    const known = new Set(replicas.map(({ generation }) => generation));
    return machine.replicas.filter(
      ({ ready, generation }) =>
        ready && !known.has(generation) && this.#kernel.processes.get(generation)?.main === true,
    ).length;
  }

  #begun(id: number, machine: ServiceMachine): void {
    if (this.#running?.id === id) return;
    const { nowMs } = this.#clock;
    const serving = this.#kernel.trees.filter(
      (process) => isServing(process, nowMs) && isKept(machine, process.generation),
    ).length;
    const lost = this.#endedUnreported(machine);
    this.#running = { id, serving: serving + lost, wanted: machine.wanted.replicas, lost };
  }

  /** How many replicas have ended that the machine still counts on, since the event is on its way. */
  #endedUnreported({ replicas }: ServiceMachine): number {
    return replicas.filter(
      ({ phase, held, generation }) =>
        phase === "running" && !held && this.#kernel.processes.get(generation)?.main !== true,
    ).length;
  }

  #stopping(generation: number, event: MachineEvent, machine: ServiceMachine): void {
    const process = this.#kernel.processes.get(generation);
    // A ladder that is tried again was decided before.
    if (process === undefined || !isAlive(process) || this.#decided.has(generation)) return;
    this.#decided.add(generation);
    const state = machine.replicas.find((each) => each.generation === generation);
    if (state !== undefined) this.#checkUnfit(process, state, event, machine);
    if (state?.stopReason === "late")
      this.#check(
        "healthy replicas are kept",
        !process.wasReady,
        () => `generation ${generation} was ready and is stopped for being late`,
      );
    if (event.type === "found" && state?.stopReason !== "late") this.#checkFound(process, machine);
    // A replica that the kernel has no record of counts as lost, not as stopped by the reload.
    if (state?.stopReason !== "late" && event.type !== "found") this.#checkReload(process, machine);
  }

  #checkUnfit(
    process: SimProcess,
    { fitness, stopReason }: ReplicaState,
    event: MachineEvent,
    machine: ServiceMachine,
  ): void {
    if (fitness.unfit === undefined) return;
    const { nowMs } = this.#clock;
    this.#check(
      "a fit replica is kept",
      isUnfit(process) || !process.main,
      () => `generation ${process.generation} is stopped: ${fitness.unfit?.why}`,
    );
    // A command may stop it before a successor exists, as `restart` does.
    const isOwn = stopReason === "command" && this.#commands.size === 0 && event.type !== "found";
    if (!isOwn || this.#isStopFirst || !machine.wanted.up) return;
    const others = this.#kernel.trees.filter(
      (other) => other !== process && isServing(other, nowMs) && isKept(machine, other.generation),
    ).length;
    this.#check(
      "an unfit replica is replaced first",
      others + this.#endedUnreported(machine) > 0,
      () => `generation ${process.generation} is stopped, and no other serves`,
    );
  }

  #checkFound(process: SimProcess, machine: ServiceMachine): void {
    const { wanted, spec } = machine;
    const { nowMs } = this.#clock;
    if (!wanted.up || this.#wasBusy) return;
    const trees = this.#kernel.trees.filter(({ known }) => known);
    const isInOrder =
      trees.length <= wanted.replicas &&
      new Set(trees.map(({ number }) => number)).size === trees.length &&
      trees.every(({ hash }) => hash === spec.hash);
    this.#check(
      "healthy replicas are kept",
      !(isInOrder && isServing(process, nowMs) && process.known),
      () => `generation ${process.generation} was found in order and is stopped`,
    );
  }

  #checkReload(process: SimProcess, machine: ServiceMachine): void {
    const running = this.#running;
    const { nowMs } = this.#clock;
    const given = running === undefined ? undefined : this.#commands.get(running.id);
    const isReload = given?.command.kind === "reload" || given?.command.kind === "apply";
    if (running === undefined || !isReload || this.#isStopFirst || !machine.wanted.up) return;
    if (!isServing(process, nowMs) || !process.wasReady) return;
    const left = this.#kernel.trees.filter(
      (other) => other !== process && isServing(other, nowMs) && isKept(machine, other.generation),
    ).length;
    const least = Math.min(running.wanted, running.serving) - running.lost;
    this.#check(
      "a reload keeps serving",
      left >= least,
      () => `${left} serve after generation ${process.generation} is stopped, ${least} at least`,
    );
  }

  #checkDurations(): void {
    for (const [id, { command, atMs }] of this.#commands) {
      const isLate = this.#clock.nowMs - atMs > (command.kind === "stop" ? STOP_MS : COMMAND_MS);
      this.#check("every command ends", !isLate, () => `${command.kind} (${id}) since ${atMs} ms`);
      if (isLate) this.#commands.delete(id);
    }
  }

  #check(invariant: Invariant, holds: boolean, what: () => string): void {
    this.checks.set(invariant, (this.checks.get(invariant) ?? 0) + 1);
    if (holds) return;
    this.#note(() => `!! ${invariant}: ${what()}`);
    this.violations.push({ invariant, atMs: this.#clock.nowMs, what: what() });
  }

  #note(text: () => string): void {
    if (this.keepsLog) this.#log.push(`${this.#clock.nowMs} ${text()}`);
  }

  /** Set to see what led to a violation. */
  keepsLog = false;
}

function isKept(machine: ServiceMachine, generation: number): boolean {
  return machine.replicas.some(
    (each) => each.generation === generation && each.phase === "running",
  );
}

function shortSpec(key: string, value: unknown): unknown {
  return key === "spec" && typeof value === "object" && value !== null && "hash" in value
    ? value.hash
    : value;
}
