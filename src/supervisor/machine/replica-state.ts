import type { ResolvedService } from "../config/resolved.ts";
import { newFitness } from "./fitness.ts";
import type { ReplicaState } from "./types.ts";

/** A replica at the moment of its launch. */
export function newReplica(
  generation: number,
  number: number,
  spec: ResolvedService,
  startedMs: number,
): ReplicaState {
  return {
    generation,
    number,
    spec,
    startedMs,
    phase: "starting",
    ready: false,
    held: false,
    launched: false,
    exited: false,
    exitCode: null,
    asked: false,
    readyByMs: undefined,
    readyMs: undefined,
    acceptByMs: undefined,
    stopAgainMs: undefined,
    stopTries: 0,
    stopReason: undefined,
    failure: undefined,
    fitness: newFitness(),
  };
}

/** A replica whose process has ended while its descendants may run on. */
export function endedReplica(
  generation: number,
  number: number,
  spec: ResolvedService,
  startedMs: number,
): ReplicaState {
  return { ...newReplica(generation, number, spec, startedMs), launched: true, exited: true };
}

/** The replicas that are too many: those with other settings first, then those not ready, then the newest. */
export function excess(
  present: readonly ReplicaState[],
  replicas: number,
  hash: string,
): readonly ReplicaState[] {
  if (present.length <= replicas) return [];
  const isOther = ({ spec }: ReplicaState): number => (spec.hash === hash ? 0 : 1);
  return readyFirst(present)
    .sort((a, b) => isOther(a) - isOther(b))
    .slice(replicas);
}

/** Those that serve before those that do not yet, each oldest first: the end of the list is given up first. */
export function readyFirst(replicas: readonly ReplicaState[]): ReplicaState[] {
  const rank = ({ ready }: ReplicaState): number => (ready ? 0 : 1);
  return [...replicas].sort((a, b) => rank(a) - rank(b) || a.generation - b.generation);
}

/** Why a replica failed; with the limit when it failed before it counted as stable. */
export function failureWithinStable(
  { failure = "", readyMs, spec }: ReplicaState,
  nowMs: number,
): string {
  const { stableMs } = spec.ready;
  return readyMs !== undefined && nowMs - readyMs < stableMs
    ? `${failure} within ${stableMs} ms`
    : failure;
}
