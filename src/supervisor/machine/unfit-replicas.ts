import type { ResolvedService } from "../config/resolved.ts";
import { beginsCheck, noteCheck, noteMemory, postpone, type Unfit } from "./fitness.ts";
import type { Operation, Wanted } from "./operation.ts";
import type { ReplicaTable } from "./replica-table.ts";
import type { RestartTracker } from "./restart-tracker.ts";
import type { ReplicaState } from "./types.ts";

interface UnfitParts {
  readonly machine: {
    readonly spec: ResolvedService;
    readonly wanted: Wanted;
    readonly tracker: RestartTracker;
    /** Whether the steps of a command are under way. */
    readonly isChanging: boolean;
    why: string | undefined;
  };
  readonly table: ReplicaTable;
  readonly nowMs: () => number;
  /** Begins a liveness check. */
  readonly check: (replica: ReplicaState) => void;
  /** Queues the command that replaces the replica. */
  readonly replace: (replica: ReplicaState) => void;
  /** Stops the replica as one that failed. */
  readonly giveUp: (replica: ReplicaState, reason: Unfit["reason"], failure: string) => void;
}

/**
 * The replacement of replicas whose liveness checks fail or whose processes use too much memory.
 *
 * A replica is judged while it is `running` and at no other time: the time limit of readiness ends one that
 * starts, and results that came before would be counted for a decision that is never made.
 */
export class UnfitReplicas {
  readonly #parts: UnfitParts;

  constructor(parts: UnfitParts) {
    this.#parts = parts;
  }

  /** Begins a liveness check if one is due. */
  check(replica: ReplicaState): void {
    const { machine, nowMs, check } = this.#parts;
    if (replica.phase !== "running" || replica.held) return;
    if (beginsCheck(replica.fitness, machine.spec, nowMs())) check(replica);
  }

  /** Takes the result of a liveness check. */
  checked(replica: ReplicaState, failure: string | undefined): void {
    if (replica.phase !== "running") return;
    const { machine, nowMs } = this.#parts;
    this.#judge(replica, noteCheck(replica.fitness, machine.spec, failure, nowMs()));
  }

  /** Takes a sample of the memory of its process tree. */
  measured(replica: ReplicaState, memoryBytes: number): void {
    if (replica.phase !== "running") return;
    const { machine, nowMs } = this.#parts;
    this.#judge(replica, noteMemory(replica.fitness, machine.spec, memoryBytes, nowMs()));
  }

  /** Their replacements were cancelled. */
  drop(): void {
    for (const { fitness, phase } of this.#parts.table.all)
      if (phase === "running") fitness.unfit = undefined;
  }

  /** Counts a replica that was replaced, or lets it continue when its replacement failed. */
  settle({ command, changed, failure }: Operation): void {
    if (command.kind !== "replace" || !changed) return;
    const { machine, table, nowMs } = this.#parts;
    if (failure === undefined) return machine.tracker.replaced(nowMs());
    const replica = table.get(command.generation);
    const unfit = replica?.fitness.unfit;
    if (replica === undefined || unfit === undefined || replica.phase !== "running") return;
    machine.why = `${this.#nameOf(replica)}: ${unfit.why}, and its replacement failed: ${failure.why}`;
    postpone(replica.fitness, nowMs());
  }

  /**
   * Replaces the replica by a new one before it is stopped where two may run at once; else it is stopped
   * and the restart policy decides.
   */
  #judge(replica: ReplicaState, unfit: Unfit | undefined): void {
    if (unfit === undefined) return;
    const { machine, nowMs, replace, giveUp } = this.#parts;
    const { reload, restart } = machine.spec;
    const isStartFirst = reload.order === "start-first";
    // The command under way may count on it until its successor serves.
    if (isStartFirst && restart.policy === "never" && machine.isChanging)
      return postpone(replica.fitness, nowMs(), 0);
    machine.why = `${this.#nameOf(replica)}: ${unfit.why}`;
    if (isStartFirst && restart.policy !== "never" && machine.wanted.up) return replace(replica);
    giveUp(replica, unfit.reason, unfit.why);
  }

  #nameOf({ number }: ReplicaState): string {
    return `${this.#parts.machine.spec.name}.${number}`;
  }
}
