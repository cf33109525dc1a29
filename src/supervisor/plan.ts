import { describeChanges } from "./config/changes.ts";
import type { ResolvedConfig, ResolvedService } from "./config/resolved.ts";
import type { PlannedChange } from "./api.ts";

/**
 * The pure half of the supervisor: from what is wanted and what is there to the steps that lead from
 * the one to the other. `rollout.ts` performs them and decides nothing.
 */

/** One thing to do, for one or more copies at once. */
export type Step =
  | { readonly do: "start"; readonly slots: readonly number[]; readonly hold: boolean }
  | { readonly do: "wait ready"; readonly slots: readonly number[] }
  /** The first new process of a reload has to live for a while before an old one goes. */
  | { readonly do: "wait stable"; readonly slots: readonly number[] }
  | { readonly do: "accept"; readonly slots: readonly number[] }
  | { readonly do: "stop"; readonly slots: readonly number[] };

/** Starts what is missing, all at once. */
export function planStart(present: readonly number[], replicas: number): Step[] {
  const slots = freeSlots(present, replicas - present.length);
  if (slots.length === 0) return [];
  return [
    { do: "start", slots, hold: false },
    { do: "wait ready", slots },
  ];
}

/** Stops all, then starts all: the sockets stay, so that requests wait. */
export function planRestart(present: readonly number[], replicas: number): Step[] {
  const stop: Step[] = present.length === 0 ? [] : [{ do: "stop", slots: present }];
  return [...stop, ...planStart([], replicas)];
}

/**
 * One at a time: start a new one, wait until it is ready, drain an old one. New ones accept nothing
 * until they are ready, the first of them until it has proved stable; whatever fails before that has
 * served nobody.
 */
export function planReload(present: readonly number[], replicas: number): Step[] {
  if (present.length === 0) return planStart(present, replicas);
  const steps: Step[] = [];
  const old = [...present];
  const taken = [...present];
  for (let index = 0; index < replicas; index += 1) {
    const slots = freeSlots(taken, 1);
    steps.push({ do: "start", slots, hold: true }, { do: "wait ready", slots });
    if (index === 0) steps.push({ do: "wait stable", slots });
    steps.push({ do: "accept", slots });
    taken.push(...slots);
    const gone = old.shift();
    if (gone === undefined) continue;
    steps.push({ do: "stop", slots: [gone] });
    taken.splice(taken.indexOf(gone), 1);
  }
  if (old.length > 0) steps.push({ do: "stop", slots: old });
  return steps;
}

/** Adds what is missing or drains the newest that are too many. */
export function planScale(present: readonly number[], replicas: number): Step[] {
  if (present.length <= replicas) return planStart(present, replicas);
  return [{ do: "stop", slots: present.slice(replicas) }];
}

export function planStop(present: readonly number[]): Step[] {
  return present.length === 0 ? [] : [{ do: "stop", slots: present }];
}

/** The lowest numbers nobody has. */
export function freeSlots(taken: readonly number[], count: number): number[] {
  const slots: number[] = [];
  for (let slot = 1; slots.length < count; slot += 1) if (!taken.includes(slot)) slots.push(slot);
  return slots;
}

/** A step in words: `start web.3`. */
export function describeStep(step: Step, service: string): string {
  const names = step.slots.map((slot) => `${service}.${slot}`).join(", ");
  switch (step.do) {
    case "start":
      return `start ${names}`;
    case "wait ready":
      return `wait until ${names} ${step.slots.length === 1 ? "is" : "are"} ready`;
    case "wait stable":
      return `wait until ${names} has proved stable`;
    case "accept":
      return `let ${names} accept connections`;
    case "stop":
      return `drain and stop ${names}`;
  }
}

/** What there is of a service when `up` begins. */
export interface PresentService {
  readonly spec: ResolvedService;
  readonly up: boolean;
  readonly replicas: number;
  /** Living copies, oldest run first, and whether each runs with the present settings. */
  readonly copies: readonly { readonly slot: number; readonly current: boolean }[];
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
    return { service, change: "reload", reasons, steps: planReload(slots, spec.replicas) };
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
