import type { ResolvedService } from "../config/resolved.ts";
import { planReload, planStart, planStop, type Step } from "./steps.ts";
import type {
  Command,
  CommandFailure,
  CompletedReplica,
  ReplicaState,
  StopReason,
} from "./types.ts";

/** Whether a service is to run, and how many replicas. */
export interface Wanted {
  readonly up: boolean;
  readonly replicas: number;
}

/** The state of a service before a command. */
export interface Former {
  readonly spec: ResolvedService;
  readonly wanted: Wanted;
  readonly completed: readonly CompletedReplica[];
}

/** The actions of an operation on its service. */
export interface Controls {
  readonly spec: ResolvedService;
  readonly wanted: Wanted;
  /** Replicas whose process tree is there, oldest first. */
  readonly replicas: readonly ReplicaState[];
  /** Numbers whose work is done: they are not started again without being asked. */
  readonly completed: readonly number[];
  want(spec: ResolvedService, wanted: Wanted): void;
  /** Removes the number from the missing ones. */
  forgetMissing(number: number): void;
  /** The number has completed its work. */
  setCompleted(replica: CompletedReplica): void;
  launch(number: number, hold: boolean): ReplicaState;
  stop(replica: ReplicaState, reason: StopReason, now?: boolean): void;
  accept(replica: ReplicaState): void;
  report(step: Step): void;
}

/** Commands that leave the service as it was when they fail. */
const TRANSACTIONAL: ReadonlySet<Command["kind"]> = new Set([
  "reload",
  "replace",
  "scale",
  "apply",
]);

/**
 * One command under way: the steps of its plan, one after the other, and the rollback when one fails.
 *
 * | phase | what is awaited | leads to |
 * |---|---|---|
 * | `steps` | each step of the plan | `done`, or `undo` on a failure |
 * | `undo` | the end of the replicas that the plan started and that serve no client | `restore` |
 * | `restore` | each step back to the former settings and number | `done` |
 *
 * A failure within `restore` ends it: the restart policy takes over.
 */
export class Operation {
  readonly id: number;
  readonly command: Command;
  #phase: "steps" | "undo" | "restore" | "done" = "steps";
  #steps: readonly Step[];
  #index = 0;
  #isBegun = false;
  #failure: CommandFailure | undefined;
  /** `false` after a step back failed, or another command took the place of this one. */
  #isUndone = true;
  #isHurried = false;
  readonly #planned: number;
  readonly #former: Former;
  /** The newest generation (start of a replica) that this operation launched, by replica number. */
  readonly #launched = new Map<number, number>();
  readonly #controls: Controls;

  /** @param former - the state of the service before the command; restored when the command fails */
  constructor(
    id: number,
    command: Command,
    steps: readonly Step[],
    former: Former,
    controls: Controls,
  ) {
    this.id = id;
    this.command = command;
    this.#steps = steps;
    this.#planned = steps.length;
    this.#former = former;
    this.#controls = controls;
  }

  get changed(): boolean {
    return this.#planned > 0;
  }

  get failure(): CommandFailure | undefined {
    return this.#failure;
  }

  /** The command failed, and every step back was taken. */
  get isRestored(): boolean {
    return this.#isTransaction && this.#failure !== undefined && this.#isUndone;
  }

  /** Performs the steps that are possible now; `true` once the operation is over. */
  advance(nowMs: number): boolean {
    for (;;) {
      if (this.#phase === "done") return true;
      if (this.#phase === "undo") {
        if (this.#launchedStopping()) return false;
        this.#beginRestore();
        continue;
      }
      const step = this.#steps[this.#index];
      if (step === undefined) {
        this.#phase = "done";
        continue;
      }
      if (!this.#isBegun) {
        // A replica that ended by itself may have left descendants that are being ended.
        if (step.do === "start" && this.#concerned(step).length > 0) return false;
        this.#isBegun = true;
        // Seldom has a completed replica left processes; those that are killed are reported.
        const isSweep = step.do === "stop" && step.of === "completed";
        if (this.#phase === "steps" && !isSweep) this.#controls.report(step);
        this.#begin(step);
        continue;
      }
      if (!this.#isComplete(step, nowMs)) return false;
      this.#index += 1;
      this.#isBegun = false;
    }
  }

  /**
   * Whether the plan counts on a replica that has ended or is being stopped: it is neither started nor
   * stopped by the plan. Such a plan would stop others for it.
   */
  countsOn({ number, generation }: ReplicaState): boolean {
    if (this.#phase !== "steps" || this.#launched.get(number) === generation) return false;
    if (this.command.kind !== "apply" && this.command.kind !== "scale") return false;
    return !this.#steps.some((step) => step.do === "stop" && step.slots.includes(number));
  }

  /** Continues with another plan for the same command. */
  replan(steps: readonly Step[]): void {
    this.#steps = steps;
    this.#index = 0;
    this.#isBegun = false;
  }

  /** The time at which the present step may complete without an event. */
  nextWakeMs(): number | undefined {
    const step = this.#steps[this.#index];
    if (this.#phase === "done" || this.#phase === "undo" || step?.do !== "wait stable")
      return undefined;
    const ends = this.#concerned(step).map(stableMs);
    return ends.length === 0 ? undefined : Math.max(...ends);
  }

  /** A replica ended by itself, was late, could not be launched, or does not end. */
  failed(replica: ReplicaState, reason: CommandFailure["reason"], why: string): void {
    const { generation, number } = replica;
    const concerns =
      reason === "not stopped"
        ? ["stop", "start"].includes(this.#steps[this.#index]?.do ?? "")
        : this.#launched.get(number) === generation;
    if (!concerns || this.#phase === "undo" || this.#phase === "done") return;
    if (this.#phase === "restore") {
      this.#isUndone = false;
      this.#phase = "done";
      return;
    }
    const reloading = this.#steps.some((step) => step.do === "start" && step.hold);
    this.#fail({ reason, number, generation, why, reloading });
  }

  /** A stop that was to give its replicas the grace ends it. */
  killNow(): void {
    this.#isHurried = true;
    const step = this.#steps[this.#index];
    if (step?.do !== "stop" || !this.#isBegun) return;
    for (const replica of this.#concerned(step)) this.#controls.stop(replica, "command", true);
  }

  /** Another command takes its place: settings are restored, the replicas are left to that command. */
  cancel(): void {
    if (this.#phase === "done") return;
    const reloading = false;
    this.#failure ??= { reason: "cancelled", why: "another command stopped it", reloading };
    this.#isUndone = false;
    this.#restoreSettings();
    this.#stopUnproved();
    this.#phase = "done";
  }

  #fail(failure: CommandFailure): void {
    this.#failure = failure;
    this.#restoreSettings();
    this.#stopUnproved();
    this.#phase = "undo";
  }

  get #isTransaction(): boolean {
    return TRANSACTIONAL.has(this.command.kind);
  }

  #restoreSettings(): void {
    if (this.#isTransaction) this.#controls.want(this.#former.spec, this.#former.wanted);
  }

  /** Stops the replicas that the operation launched and that serve no client. */
  #stopUnproved(): void {
    if (!this.#isTransaction) return;
    const isScale = this.command.kind === "scale" || !this.#former.wanted.up;
    for (const replica of this.#mine()) {
      if (replica.phase === "stopping") continue;
      if (replica.held || !replica.ready || isScale) this.#controls.stop(replica, "command");
    }
  }

  #mine(): ReplicaState[] {
    return this.#controls.replicas.filter(
      ({ number, generation }) => this.#launched.get(number) === generation,
    );
  }

  #launchedStopping(): boolean {
    return this.#isTransaction && this.#mine().some(({ phase }) => phase === "stopping");
  }

  /** Plans the rollback: replicas with the new settings are replaced, missing ones are started. */
  #beginRestore(): void {
    this.#phase = "done";
    if (!this.#isTransaction) return;
    // Replicas that the plan launched do not belong to the service any more, for any kind of end.
    for (const number of this.#launched.keys()) this.#controls.forgetMissing(number);
    // The replica that was to be replaced continues, and missing ones wait for their next try.
    if (this.command.kind === "replace") return;
    const { spec, wanted } = this.#former;
    if (!wanted.up) return;
    const living = this.#controls.replicas;
    const present = living.filter(({ phase }) => phase !== "stopping");
    this.#restoreCompleted(wanted.replicas - present.length);
    const taken = [...living.map(({ number }) => number), ...this.#controls.completed];
    const foreign = present.filter((replica) => replica.spec.hash !== spec.hash);
    const kept = present.length - foreign.length;
    const numbers = foreign.map(({ number }) => number);
    const need = Math.max(0, wanted.replicas - kept - this.#controls.completed.length);
    const steps =
      foreign.length > 0
        ? planReload(numbers, need, spec.reload.order, taken)
        : planStart(
            [...present.map(({ number }) => number), ...this.#controls.completed],
            wanted.replicas,
            taken,
          );
    if (steps.length === 0) return;
    const ending = living.filter(({ phase }) => phase === "stopping").map(({ number }) => number);
    const waits = spec.reload.order === "stop-first" ? planStop(ending) : [];
    this.#launched.clear();
    this.#steps = [...waits, ...steps];
    this.#index = 0;
    this.#isBegun = false;
    this.#phase = "restore";
  }

  /** Work that was done before the command is not done again. */
  #restoreCompleted(room: number): void {
    const taken = new Set(this.#controls.replicas.map(({ number }) => number));
    const free = this.#former.completed.filter(({ number }) => !taken.has(number));
    for (const replica of free.slice(0, Math.max(0, room))) this.#controls.setCompleted(replica);
  }

  #begin(step: Step): void {
    switch (step.do) {
      case "start":
        for (const number of step.slots) {
          const { generation } = this.#controls.launch(number, step.hold);
          this.#launched.set(number, generation);
        }
        break;
      case "accept":
        for (const replica of this.#concerned(step)) this.#controls.accept(replica);
        break;
      case "stop":
        for (const replica of this.#concerned(step))
          this.#controls.stop(replica, "command", this.#killsNow());
        break;
      case "wait ready":
      case "wait stable":
        break;
    }
  }

  #killsNow(): boolean {
    return this.#isHurried || (this.command.kind === "stop" && this.command.now);
  }

  /** A replica that completed its work is gone, and needs no further step. */
  #isComplete(step: Step, nowMs: number): boolean {
    const replicas = this.#concerned(step);
    switch (step.do) {
      case "start":
        return true;
      case "wait ready":
        return replicas.every(({ ready }) => ready);
      case "wait stable":
        return replicas.every((replica) => nowMs >= stableMs(replica));
      case "accept":
        return replicas.every(({ held }) => !held);
      case "stop":
        return replicas.length === 0;
    }
  }

  #concerned({ slots }: Step): ReplicaState[] {
    return this.#controls.replicas.filter(({ number }) => slots.includes(number));
  }
}

/** When a replica counts as stable; a replica that is not ready has not begun to. */
function stableMs({ readyMs, spec }: ReplicaState): number {
  return (readyMs ?? Infinity) + spec.ready.stableMs;
}
