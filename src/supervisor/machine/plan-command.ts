import type { ResolvedService } from "../config/resolved.ts";
import type { Wanted } from "./operation.ts";
import { readyFirst } from "./replica-state.ts";
import { completedNumbers, type RestartTracker } from "./restart-tracker.ts";
import { planReload, planRestart, planScale, planStart, planStop, type Step } from "./steps.ts";
import type { Command, ReplicaState } from "./types.ts";

/** The state of a service that a plan is made from. */
interface Present {
  readonly spec: ResolvedService;
  readonly wanted: Wanted;
  readonly replicas: readonly ReplicaState[];
  readonly tracker: RestartTracker;
}

/** The desired state of a command, and its steps. */
interface CommandPlan {
  readonly spec: ResolvedService;
  readonly wanted: Wanted;
  readonly steps: readonly Step[];
  /** Replicas that completed their work are not run again. */
  readonly keepsCompleted: boolean;
}

/** Plans a command when its turn has come: the replicas may have changed since it was given. */
export function planCommand(command: Command, present: Present): CommandPlan {
  const { spec, wanted, replicas } = present;
  const all = replicas.map(({ number }) => number);
  const living = readyFirst(replicas.filter(({ phase }) => phase !== "stopping"));
  const numbers = living.map(toNumber);
  // Waits for late replicas, so that one too many never runs.
  const ending = replicas.flatMap(({ phase, number }) => (phase === "stopping" ? [number] : []));
  const keepsCompleted = false;
  switch (command.kind) {
    case "start":
      return {
        spec,
        wanted: { ...wanted, up: true },
        steps: [...planStop(ending, "ending"), ...planStart(numbers, wanted.replicas)],
        keepsCompleted,
      };
    case "stop":
      return { spec, wanted: { ...wanted, up: false }, steps: planStop(all), keepsCompleted };
    case "restart":
      return {
        spec,
        wanted: { ...wanted, up: true },
        steps: planRestart(all, wanted.replicas),
        keepsCompleted,
      };
    case "reload":
      return {
        spec,
        wanted: { ...wanted, up: true },
        steps: [
          ...planStop(spec.reload.order === "stop-first" ? ending : [], "ending"),
          ...planReload(replaceOrder(living), wanted.replicas, spec.reload.order, all),
        ],
        keepsCompleted,
      };
    case "replace":
      return {
        spec,
        wanted,
        steps: planReplace(command.generation, present),
        keepsCompleted: true,
      };
    case "scale": {
      const asked = command.relative ? wanted.replicas + command.replicas : command.replicas;
      const count = Math.max(0, asked);
      if (spec.schedule !== undefined)
        return planScheduled({ kind: "apply", spec, up: true, replicas: count }, present);
      return {
        spec,
        wanted: { up: true, replicas: count },
        steps: [
          ...planStop(ending, "ending"),
          ...planScale([...numbers, ...completed(present, spec)], count),
        ],
        keepsCompleted: true,
      };
    }
    case "apply":
      return planApply(command, present);
  }
}

/** Replaces one replica, the new one first; none if it has ended by now. */
function planReplace(generation: number, { wanted, replicas, tracker }: Present): Step[] {
  const unfit = replicas.find((each) => each.generation === generation && each.phase === "running");
  const all = replicas.map(({ number }) => number);
  if (unfit === undefined || !wanted.up) return [];
  // A missing number is the restart policy's, and a completed one may have left processes.
  const missing = tracker.entries().map(([number]) => number);
  return planReload([unfit.number], 1, "start-first", [...all, ...missing]);
}

function planApply(command: Extract<Command, { kind: "apply" }>, present: Present): CommandPlan {
  const { spec, up, replicas } = command;
  const wanted = { up, replicas };
  const all = present.replicas.map(({ number }) => number);
  const isDone = (command.completed ?? []).length > 0;
  if (spec.schedule !== undefined && up) return planScheduled(command, present);
  if (!up || isDone) return { spec, wanted, steps: planStop(all), keepsCompleted: false };
  const living = readyFirst(present.replicas.filter(({ phase }) => phase !== "stopping"));
  const ending = present.replicas.filter(({ phase }) => phase === "stopping").map(toNumber);
  const outdated = replaceOrder(living.filter((replica) => replica.spec.hash !== spec.hash));
  const current = living.filter((replica) => replica.spec.hash === spec.hash);
  const kept = [...current.map(toNumber), ...completed(present, spec)];
  const held = current.filter((replica) => replica.held).map(toNumber);
  const keepsCompleted = present.spec.hash === spec.hash;
  if (outdated.length === 0) {
    const steps = planScale(kept, replicas);
    return {
      spec,
      wanted,
      steps: steps.length > 0 ? [...planAccept(held), ...planStop(ending, "ending"), ...steps] : [],
      keepsCompleted,
    };
  }
  const { order } = spec.reload;
  const steps = [
    // A reload that an earlier supervisor began may have left a replica that serves no client yet.
    ...planAccept(held),
    ...planStop(order === "stop-first" ? ending : [], "ending"),
    ...planReload(outdated, Math.max(0, replicas - kept.length), order, [...all, ...kept]),
    ...planStop(kept.slice(replicas)),
  ];
  return { spec, wanted, steps, keepsCompleted };
}

/** A run under way ends with the settings that it has; it is the next one that has these. */
function planScheduled(
  { spec, replicas }: Extract<Command, { kind: "apply" }>,
  present: Present,
): CommandPlan {
  const wasEndless = present.spec.schedule === undefined && present.wanted.up;
  const living = readyFirst(present.replicas.filter(({ phase }) => phase !== "stopping"));
  const surplus = living.map(toNumber).slice(wasEndless ? 0 : replicas);
  return { spec, wanted: { up: true, replicas }, steps: planStop(surplus), keepsCompleted: true };
}

/** Lets held replicas serve before others are stopped. */
function planAccept(slots: readonly number[]): Step[] {
  if (slots.length === 0) return [];
  return [
    { do: "wait ready", slots },
    { do: "wait stable", slots },
    { do: "accept", slots },
  ];
}

/** Replicas that do not serve are replaced first. */
function replaceOrder(readyOnesFirst: readonly ReplicaState[]): number[] {
  const serving = readyOnesFirst.filter(({ ready }) => ready);
  const others = readyOnesFirst.filter(({ ready }) => !ready);
  return [...others, ...serving].map(toNumber);
}

function toNumber({ number }: ReplicaState): number {
  return number;
}

/** The numbers of replicas that have completed with these settings: only a command runs them again. */
function completed({ spec: former, tracker }: Present, spec: ResolvedService): number[] {
  if (former.hash !== spec.hash) return [];
  return completedNumbers(tracker);
}
