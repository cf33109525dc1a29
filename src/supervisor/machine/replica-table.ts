import type { ResolvedService } from "../config/resolved.ts";
import { endedReplica, newReplica } from "./replica-state.ts";
import type { RestartTracker } from "./restart-tracker.ts";
import type { Effect, ReplicaState, StopReason } from "./types.ts";

/** How long a held replica may take to begin to accept, in milliseconds. */
export const ACCEPT_MS = 30_000;
/** The dependencies of the table. */
interface TableParts {
  readonly tracker: RestartTracker;
  readonly nextGeneration: () => number;
  readonly nowMs: () => number;
  readonly effect: (effect: Effect) => void;
}

/** The replicas of a service whose process trees exist, with the actions on each. */
export class ReplicaTable {
  readonly #byGeneration = new Map<number, ReplicaState>();
  readonly #parts: TableParts;

  constructor(parts: TableParts) {
    this.#parts = parts;
  }

  /** Oldest first. */
  get all(): readonly ReplicaState[] {
    return [...this.#byGeneration.values()];
  }

  /** Their numbers. */
  get numbers(): ReadonlySet<number> {
    return new Set(this.all.map(({ number }) => number));
  }

  get(generation: number): ReplicaState | undefined {
    return this.#byGeneration.get(generation);
  }

  /** Makes a replica. `hold`: it does not accept connections until {@link accept}. */
  launch(spec: ResolvedService, number: number, hold: boolean): ReplicaState {
    const nowMs = this.#parts.nowMs();
    const generation = this.#parts.nextGeneration();
    this.#parts.tracker.clear(number);
    const replica: ReplicaState = {
      ...newReplica(generation, number, spec, nowMs),
      held: hold,
      readyByMs: nowMs + spec.ready.timeoutMs,
    };
    this.#byGeneration.set(generation, replica);
    this.#parts.effect({ do: "launch", generation, number, spec, hold });
    return replica;
  }

  /** Takes a replica that another supervisor launched. */
  adopt(replica: ReplicaState): void {
    this.#byGeneration.set(replica.generation, replica);
    this.#parts.effect({ do: "probe", generation: replica.generation });
  }

  /** Begins the stop of a replica, or escalates it. `now`: without the grace. */
  stop(replica: ReplicaState, reason: StopReason, now = false): void {
    const { generation } = replica;
    if (replica.phase === "stopping") {
      // From now on the command decides the successor.
      if (reason === "command") replica.stopReason = reason;
      if (now && replica.launched) this.#parts.effect({ do: "stop", generation, now });
      return;
    }
    replica.phase = "stopping";
    replica.stopReason = reason;
    replica.asked ||= !replica.exited;
    replica.ready = false;
    replica.acceptByMs = undefined;
    // A stop before the process exists would find nothing to stop.
    if (replica.launched || replica.exited) this.#parts.effect({ do: "stop", generation, now });
  }

  /** Lets a held replica accept connections. */
  accept(replica: ReplicaState): void {
    if (!replica.held || replica.phase === "stopping") return;
    replica.acceptByMs = this.#parts.nowMs() + ACCEPT_MS;
    this.#parts.effect({ do: "accept", generation: replica.generation });
  }

  /** Takes a replica that has ended, and ends its descendants. */
  cleanUp(replica: ReplicaState, reason: StopReason): void {
    this.#byGeneration.set(replica.generation, replica);
    this.stop(replica, reason);
  }

  /** Ends the descendants of a replica that completed. */
  sweep(spec: ResolvedService, number: number, generation: number, reason: StopReason): void {
    const replica = endedReplica(generation, number, spec, this.#parts.nowMs());
    replica.exitCode = 0;
    this.cleanUp(replica, reason);
  }

  /** Ends the descendants of every replica that completed; returns their numbers. */
  sweepCompleted(spec: ResolvedService): number[] {
    return this.#parts.tracker.entries().flatMap(([number, missing]) => {
      if (missing.kind !== "completed") return [];
      this.sweep(spec, number, missing.generation, "command");
      return [number];
    });
  }

  /** Removes a replica without processes. */
  forget(replica: ReplicaState): void {
    const { generation, number, exitCode, asked, stopReason, fitness } = replica;
    this.#byGeneration.delete(generation);
    // A command stops a replica that is replaced; the cause is that it was not fit.
    const { unfit } = fitness;
    const reason = unfit?.reason ?? stopReason;
    const failure = replica.failure ?? unfit?.why;
    this.#parts.effect({ do: "forget", generation, number, exitCode, asked, failure, reason });
  }
}
