import type { ResolvedService } from "../config/resolved.ts";
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
    stopReason: undefined,
    failure: undefined,
  };
}

/** The replicas that are too many: those with other settings first, then the newest. */
export function excess(
  present: readonly ReplicaState[],
  replicas: number,
  hash: string,
): readonly ReplicaState[] {
  const isOther = ({ spec }: ReplicaState): number => (spec.hash === hash ? 0 : 1);
  const byWorth = [...present].sort(
    (a, b) => isOther(a) - isOther(b) || a.generation - b.generation,
  );
  return byWorth.slice(replicas);
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
