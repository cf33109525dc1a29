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
 * The pure half of the supervisor: from what is wanted and what is there to the steps that lead from
 * the one to the other. The steps of one service are in `machine/steps.ts`.
 */

/** A plan in words, as the command line prints it. */
export function describePlan(changes: readonly ServiceChange[], move: Move | undefined): UpPlan {
  const described = changes.map(({ steps, ...change }) => ({
    ...change,
    steps: steps.map((step) => describeStep(step, change.service)),
  }));
  return { ...(move === undefined ? {} : { move }), changes: described };
}

/** What there is of a service when `up` begins. */
export interface PresentService {
  readonly spec: ResolvedService;
  readonly up: boolean;
  readonly replicas: number;
  /** Living copies, oldest run first, and whether each runs with the present settings. */
  readonly copies: readonly { readonly slot: number; readonly current: boolean }[];
  /** Every replica ended with exit code 0, and the restart policy wants no more. */
  readonly completed: boolean;
  /** The replicas that completed, for the way back of an `up`. */
  readonly completedReplicas?: readonly CompletedReplica[];
}

/** What `up` does to one service. */
export interface ServiceChange {
  readonly service: string;
  readonly change: PlannedChange["change"];
  readonly reasons: readonly string[];
  readonly steps: readonly Step[];
}

/** What has to happen so that an app is as its configuration says. */
export function planUp(
  config: ResolvedConfig,
  present: ReadonlyMap<string, PresentService>,
): ServiceChange[] {
  const wanted = config.services.map((spec) => planService(spec, present.get(spec.name)));
  const gone = [...present.values()]
    .filter(({ spec }) => !config.services.some(({ name }) => name === spec.name))
    .map(({ spec, copies }): ServiceChange => ({
      service: spec.name,
      change: "stop",
      reasons: ["not in the configuration any more"],
      steps: planStop(copies.map(({ slot }) => slot)),
    }));
  return [...wanted, ...gone];
}

function planService(spec: ResolvedService, present: PresentService | undefined): ServiceChange {
  const service = spec.name;
  const slots = present?.copies.map(({ slot }) => slot) ?? [];
  if (!spec.enabled) {
    const reasons = ["enabled is false"];
    return { service, change: slots.length > 0 ? "stop" : "none", reasons, steps: planStop(slots) };
  }
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
