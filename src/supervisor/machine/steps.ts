/**
 * The steps a service is changed by, and the plans made of them. A plan is made from the numbers of
 * the replicas there are, oldest first; it never starts a number that is taken.
 */

/** One thing to do, for one or more replica numbers at once. */
export type Step =
  | { readonly do: "start"; readonly slots: readonly number[]; readonly hold: boolean }
  | { readonly do: "wait ready"; readonly slots: readonly number[] }
  /** The first new replica of a reload has to run for the time `ready.stable` before an old one is drained. */
  | { readonly do: "wait stable"; readonly slots: readonly number[] }
  | { readonly do: "accept"; readonly slots: readonly number[] }
  | { readonly do: "stop"; readonly slots: readonly number[]; readonly of?: Stopped };

/** Replicas of a stop that serve no client: they are being stopped, or completed and may have left processes. */
type Stopped = "ending" | "completed";

/** Whether a reload starts the new replica before the old one is stopped, or after. */
export type ReloadOrder = "start-first" | "stop-first";

/** Starts the missing replicas, all at once. `taken`: numbers that are still being stopped, too. */
export function planStart(
  present: readonly number[],
  replicas: number,
  taken: readonly number[] = present,
): Step[] {
  const slots = freeSlots([...present, ...taken], replicas - present.length);
  if (slots.length === 0) return [];
  return [
    { do: "start", slots, hold: false },
    { do: "wait ready", slots },
  ];
}

/** Stops all, then starts all: the sockets stay, so that requests wait. */
export function planRestart(present: readonly number[], replicas: number): Step[] {
  return [...planStop(present), ...planStart([], replicas)];
}

/**
 * Replaces the replicas one at a time.
 *
 * `start-first`: start a new one, wait until it is ready, drain an old one. New ones accept nothing
 * until they are ready, the first of them until it has proved stable; a replica that fails before has
 * served no client. `stop-first`, for replicas of which two cannot run at once: stop an old one,
 * start the new one under the same number.
 */
export function planReload(
  present: readonly number[],
  replicas: number,
  order: ReloadOrder = "start-first",
  taken: readonly number[] = present,
): Step[] {
  if (present.length === 0) return planStart(present, replicas, taken);
  return order === "start-first"
    ? planStartFirst(present, replicas, taken)
    : planStopFirst(present, replicas, taken);
}

function planStartFirst(
  present: readonly number[],
  replicas: number,
  alsoTaken: readonly number[],
): Step[] {
  const steps: Step[] = [];
  const old = [...present];
  const taken = [...new Set([...present, ...alsoTaken])];
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
  return [...steps, ...planStop(old)];
}

function planStopFirst(
  present: readonly number[],
  replicas: number,
  alsoTaken: readonly number[],
): Step[] {
  const kept = present.slice(0, replicas);
  const added = freeSlots([...present, ...alsoTaken], Math.max(0, replicas - kept.length));
  const steps: Step[] = planStop(present.slice(replicas));
  for (const [index, slot] of [...kept, ...added].entries()) {
    const slots = [slot];
    if (index < kept.length) steps.push({ do: "stop", slots });
    steps.push({ do: "start", slots, hold: false }, { do: "wait ready", slots });
    if (index === 0) steps.push({ do: "wait stable", slots });
  }
  return steps;
}

/** Adds missing replicas, or drains the newest of too many. */
export function planScale(
  present: readonly number[],
  replicas: number,
  taken: readonly number[] = present,
): Step[] {
  if (present.length <= replicas) return planStart(present, replicas, taken);
  return planStop(present.slice(replicas));
}

export function planStop(present: readonly number[], of?: Stopped): Step[] {
  if (present.length === 0) return [];
  return [{ do: "stop", slots: present, ...(of === undefined ? {} : { of }) }];
}

/** The lowest numbers that are not taken. */
export function freeSlots(taken: readonly number[], count: number): number[] {
  const slots: number[] = [];
  for (let slot = 1; slots.length < count; slot += 1) if (!taken.includes(slot)) slots.push(slot);
  return slots;
}

/**
 * A step in words: `start web.3`.
 *
 * @param drains - whether the service has clients that are served before its end
 */
export function describeStep(step: Step, service: string, drains: boolean): string {
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
      if (step.of === "completed") return `end the remaining processes of ${names}`;
      if (step.of === "ending")
        return `wait until ${names} ${step.slots.length === 1 ? "has" : "have"} ended`;
      return `${drains ? "drain and stop" : "stop"} ${names}`;
  }
}
