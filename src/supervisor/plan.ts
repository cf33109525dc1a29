import { describeChanges } from "./config/changes.ts";
import type { ResolvedConfig, ResolvedService } from "./config/resolved.ts";
import type { Move } from "./config/running.ts";
import type { PlannedChange, UpPlan } from "./api.ts";
import {
  describeStep,
  planReload,
  planScale,
  planStart,
  planStop,
  type Step,
} from "./machine/steps.ts";
import type { CompletedReplica } from "./machine/types.ts";

/**
 * The pure half of the supervisor: computes the steps from the present state to the desired state.
 * The steps of one service are in `machine/steps.ts`.
 */

/** A plan in words, as the command line prints it. */
export function describePlan(changes: readonly ServiceChange[], move: Move | undefined): UpPlan {
  const described = changes.map(({ steps, drains, ...change }) => ({
    ...change,
    steps: steps.map((step) => describeStep(step, change.service, drains)),
  }));
  return { ...(move === undefined ? {} : { move }), changes: described };
}

/** The present state of a service when `up` begins. */
export interface PresentService {
  readonly spec: ResolvedService;
  readonly up: boolean;
  readonly replicas: number;
  /** Living replicas, oldest generation first, and whether each runs with the present settings. */
  readonly copies: readonly { readonly slot: number; readonly current: boolean }[];
  /** Every replica ended with exit code 0, and the restart policy starts no more. */
  readonly completed: boolean;
  /** The replicas that completed, for the rollback of an `up`. */
  readonly completedReplicas?: readonly CompletedReplica[];
}

/** The change of `up` to one service. */
export interface ServiceChange {
  readonly service: string;
  readonly change: PlannedChange["change"];
  readonly reasons: readonly string[];
  readonly steps: readonly Step[];
  /** Whether its replicas of now have clients. */
  readonly drains: boolean;
}

/** Computes the changes that bring an app to its configuration. */
export function planUp(
  config: ResolvedConfig,
  present: ReadonlyMap<string, PresentService>,
): ServiceChange[] {
  const wanted = config.services.map((spec): ServiceChange => {
    const now = present.get(spec.name);
    return { ...planService(spec, now), drains: (now?.spec ?? spec).listen.length > 0 };
  });
  const gone = [...present.values()]
    .filter(({ spec }) => !config.services.some(({ name }) => name === spec.name))
    .map(({ spec, copies }): ServiceChange => ({
      service: spec.name,
      change: "stop",
      reasons: ["not in the configuration any more"],
      steps: planStop(copies.map(({ slot }) => slot)),
      drains: spec.listen.length > 0,
    }));
  return [...wanted, ...gone];
}

function planService(
  spec: ResolvedService,
  present: PresentService | undefined,
): Omit<ServiceChange, "drains"> {
  const service = spec.name;
  const slots = present?.copies.map(({ slot }) => slot) ?? [];
  if (!spec.enabled) {
    const reasons = ["enabled is false"];
    return { service, change: slots.length > 0 ? "stop" : "none", reasons, steps: planStop(slots) };
  }
  if (spec.schedule !== undefined) return planScheduled(spec, present);
  if (present?.completed === true && present.spec.hash === spec.hash)
    return { service, change: "none", reasons: ["completed"], steps: [] };
  if (present === undefined || slots.length === 0) {
    const reason = present === undefined ? "new" : "not running";
    const steps = planStart([], spec.replicas);
    return { service, change: steps.length > 0 ? "start" : "none", reasons: [reason], steps };
  }
  const outdated =
    present.spec.hash !== spec.hash || present.copies.some(({ current }) => !current);
  const changed = describeChanges(present.spec, spec);
  const resized =
    present.replicas === spec.replicas ? [] : [`replicas ${present.replicas} → ${spec.replicas}`];
  if (outdated) {
    const reasons = [
      ...(changed.length > 0 ? changed : ["runs with earlier settings"]),
      ...resized,
    ];
    return {
      service,
      change: "reload",
      reasons,
      steps: planReload(slots, spec.replicas, spec.reload.order),
    };
  }
  const steps = planScale(slots, spec.replicas);
  if (steps.length > 0) {
    const reasons = resized.length > 0 ? resized : [`${slots.length} of ${spec.replicas} running`];
    return { service, change: "scale", reasons, steps };
  }
  // Settings that a running process need not know of: the restart policy, the stop ladder, …
  return changed.length > 0
    ? { service, change: "update", reasons: changed, steps: [] }
    : { service, change: "none", reasons: [], steps: [] };
}

/** A service with a schedule starts at its times alone. */
function planScheduled(
  spec: ResolvedService,
  present: PresentService | undefined,
): Omit<ServiceChange, "drains"> {
  const service = spec.name;
  const steps =
    present !== undefined && present.spec.schedule === undefined
      ? planStop(present.copies.map(({ slot }) => slot))
      : [];
  const reasons =
    present === undefined
      ? ["new, runs by its schedule"]
      : present.up
        ? describeChanges({ ...present.spec, replicas: present.replicas }, spec)
        : ["its schedule continues"];
  return { service, change: reasons.length > 0 ? "update" : "none", reasons, steps };
}

/** The services in an order in which each comes after those it depends on. */
export function dependencyOrder(services: readonly ResolvedService[]): ResolvedService[] {
  const ordered: ResolvedService[] = [];
  const visit = (service: ResolvedService): void => {
    if (ordered.includes(service)) return;
    for (const name of Object.keys(service.dependsOn)) {
      const dependency = services.find((other) => other.name === name);
      if (dependency !== undefined) visit(dependency);
    }
    if (!ordered.includes(service)) ordered.push(service);
  };
  for (const service of services) visit(service);
  return ordered;
}
