import type { ResolvedService } from "../config/resolved.ts";
import { type Controls, Operation, type Wanted } from "./operation.ts";
import { planCommand } from "./plan-command.ts";
import type { ReplicaTable } from "./replica-table.ts";
import { completedNumbers, completedReplicas, type RestartTracker } from "./restart-tracker.ts";
import { planStop } from "./steps.ts";
import type { Command, CommandFailure, CompletedReplica, Effect, ReplicaState } from "./types.ts";
import type { UnfitReplicas } from "./unfit-replicas.ts";

interface CommandsParts {
  readonly machine: {
    readonly spec: ResolvedService;
    readonly wanted: Wanted;
    readonly replicas: readonly ReplicaState[];
    readonly tracker: RestartTracker;
    why: string | undefined;
  };
  readonly table: ReplicaTable;
  readonly unfit: UnfitReplicas;
  /** Changes the settings in force and the desired state. */
  readonly want: (spec: ResolvedService, wanted: Wanted) => void;
  readonly effect: (effect: Effect) => void;
}

/** The number of a command that the machine gave itself; its end is not reported. */
const OWN = -1;

const CANCELLED = {
  reason: "cancelled",
  why: "another command stopped it",
  reloading: false,
} as const;

/** The commands of a service: one is under way, and the others wait for their turn. A stop takes the place of all. */
export class CommandQueue {
  readonly #parts: CommandsParts;
  readonly #queue: { readonly id: number; readonly command: Command }[] = [];
  #operation: Operation | undefined;
  /** Commands that have changed the operation before them. */
  readonly #effective = new Set<number>();

  constructor(parts: CommandsParts) {
    this.#parts = parts;
  }

  /** Whether a command is under way or waits. */
  get isBusy(): boolean {
    return this.#operation !== undefined || this.#queue.length > 0;
  }

  /** Whether the steps of a command are under way. */
  get isChanging(): boolean {
    return this.#operation !== undefined;
  }

  /** The time at which the present step may complete without an event. */
  nextWakeMs(): number | undefined {
    return this.#operation?.nextWakeMs();
  }

  add(id: number, command: Command): void {
    if (command.kind === "stop") {
      // Waiting and running commands give way; nothing is started that would be stopped at once.
      for (const { id: other } of this.#queue.splice(0)) this.#finish(other, false, CANCELLED);
      this.#parts.unfit.drop();
      if (this.#operation?.command.kind === "stop") {
        // Both wait for the same end.
        if (command.now) {
          this.#operation.killNow();
          this.#effective.add(id);
        }
      } else if (this.#operation !== undefined) {
        this.#operation.cancel();
        this.#complete(this.#operation);
      }
    }
    this.#queue.push({ id, command });
  }

  /** Adds a command of the machine itself. */
  addOwn(command: Command): void {
    this.#queue.push({ id: OWN, command });
  }

  /** Carries out what is possible now; `true` once no command is left. */
  advance(nowMs: number): boolean {
    for (;;) {
      if (this.#operation === undefined) {
        const next = this.#queue.shift();
        if (next === undefined) return true;
        this.#operation = this.#begin(next.id, next.command);
      }
      if (!this.#operation.advance(nowMs)) return false;
      this.#complete(this.#operation);
    }
  }

  /** A replica ended by itself, was late, could not be launched, or does not end. */
  failed(replica: ReplicaState, reason: CommandFailure["reason"], why: string): void {
    this.#operation?.failed(replica, reason, why);
  }

  /** A replica that the current plan keeps is lost: makes a new plan from the remaining replicas. */
  replanWithout(replica: ReplicaState): void {
    const operation = this.#operation;
    if (operation?.countsOn(replica) !== true) return;
    const { command } = operation;
    const { machine } = this.#parts;
    const again: Command =
      command.kind === "scale"
        ? { ...command, relative: false, replicas: machine.wanted.replicas }
        : command;
    const { steps, keepsCompleted } = planCommand(again, machine);
    // Missing replicas are started by the plan.
    if (steps.length > 0) machine.tracker.clearAll(keepsCompleted);
    operation.replan(steps);
  }

  #begin(id: number, command: Command): Operation {
    const { machine, table, want } = this.#parts;
    const completed = completedReplicas(machine.tracker);
    const former = { spec: machine.spec, wanted: machine.wanted, completed };
    const { spec, wanted, steps, keepsCompleted } = planCommand(command, machine);
    const acts = steps.length > 0 || command.kind === "stop";
    const swept = acts && !keepsCompleted ? table.sweepCompleted(machine.spec) : [];
    want(spec, wanted);
    // A missing replica is started by the plan, or not wanted.
    if (acts && command.kind !== "replace") machine.tracker.clearAll(keepsCompleted);
    if (command.kind === "apply") command.completed?.forEach(this.#setCompleted);
    const all = [...planStop(swept, "completed"), ...steps];
    return new Operation(id, command, all, former, this.#controls);
  }

  #complete(operation: Operation): void {
    this.#operation = undefined;
    const { machine, unfit } = this.#parts;
    const { id, failure } = operation;
    const changed = this.#effective.delete(id) || operation.changed;
    if (failure === undefined) {
      // A command that changes nothing leaves the reason why replicas are missing.
      if (changed || this.#isWhole) machine.why = undefined;
    } else {
      const { number, why } = failure;
      const cause = number === undefined ? why : `${machine.spec.name}.${number}: ${why}`;
      machine.why = operation.isRestored ? `${describeFailed(operation.command)}: ${cause}` : cause;
    }
    unfit.settle(operation);
    this.#finish(id, changed, failure);
  }

  /** Every wanted replica exists and is ready. */
  get #isWhole(): boolean {
    const { wanted, replicas } = this.#parts.machine;
    return wanted.up && replicas.filter(({ ready }) => ready).length >= wanted.replicas;
  }

  #finish(id: number, changed: boolean, failure: Operation["failure"]): void {
    if (id !== OWN) this.#parts.effect({ do: "finish", id, changed, failure });
  }

  readonly #setCompleted = ({ number, generation }: CompletedReplica): void => {
    this.#parts.machine.tracker.set(number, { kind: "completed", generation });
  };

  get #controls(): Controls {
    const { machine, table, want, effect } = this.#parts;
    return {
      get spec() {
        return machine.spec;
      },
      get wanted() {
        return machine.wanted;
      },
      get replicas() {
        return machine.replicas;
      },
      get completed() {
        return completedNumbers(machine.tracker);
      },
      want,
      setCompleted: this.#setCompleted,
      forgetMissing: (number) => machine.tracker.clear(number),
      launch: (number, hold) => table.launch(machine.spec, number, hold),
      stop: (replica, reason, now) => table.stop(replica, reason, now),
      accept: (replica) => table.accept(replica),
      report: (step) => {
        const id = this.#operation?.id ?? OWN;
        if (id !== OWN) effect({ do: "report", id, step });
      },
    };
  }
}

/** A command that failed and whose former state runs. */
function describeFailed({ kind }: Command): string {
  return `the last ${kind === "apply" ? "up" : kind} failed and was undone`;
}
