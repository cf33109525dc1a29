import type { ServiceState } from "./api.ts";
import type { Missing } from "./machine/restart-tracker.ts";
import type { ReplicaState } from "./machine/types.ts";

/** The state of a service in one word, from its replicas and from those that are missing. */
export function serviceState(
  replicas: readonly ReplicaState[],
  missing: readonly (readonly [number, Missing])[],
): ServiceState {
  const phases = replicas.map(({ phase }) => phase);
  if (phases.includes("running")) return "running";
  if (phases.includes("starting")) return "starting";
  const kinds = missing.map(([, { kind }]) => kind);
  if (kinds.includes("backoff")) return "backoff";
  if (phases.length > 0) return "stopping";
  if (kinds.includes("failed")) return "failed";
  return kinds.includes("completed") ? "completed" : "stopped";
}
