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

/** What a command wants, and the steps that lead there. */
interface CommandPlan {
  readonly spec: ResolvedService;
  readonly wanted: Wanted;
  readonly steps: readonly Step[];
  /** Replicas that completed their work are not run again. */
  readonly keepsCompleted: boolean;
}

/** Plans a command when its turn has come: what there is may have changed since it was given. */
export function planCommand(command: Command, present: Present): CommandPlan {
  const { spec, wanted, replicas } = present;
  const all = replicas.map(({ number }) => number);
  const living = readyFirst(replicas.filter(({ phase }) => phase !== "stopping"));
  const numbers = living.map(toNumber);
  // Late ones are waited for, so that one too many never runs.
  const ending = replicas.flatMap(({ phase, number }) => (phase === "stopping" ? [number] : []));
  const keepsCompleted = false;
  switch (command.kind) {
    case "start":
      return {
        spec,
        wanted: { ...wanted, up: true },
        steps: [...planStop(ending), ...planStart(numbers, wanted.replicas)],
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
          ...planStop(spec.reload.order === "stop-first" ? ending : []),
          ...planReload(replaceOrder(living), wanted.replicas, spec.reload.order, all),
        ],
        keepsCompleted,
      };
    case "scale": {
      const asked = command.relative ? wanted.replicas + command.replicas : command.replicas;
      const count = Math.max(0, asked);
      return {
        spec,
        wanted: { up: true, replicas: count },
        steps: [
          ...planStop(ending),
          ...planScale([...numbers, ...completed(present, spec)], count),
        ],
        keepsCompleted: true,
      };
    }
    case "apply":
      return planApply(command, present);
  }
}

function planApply(command: Extract<Command, { kind: "apply" }>, present: Present): CommandPlan {
  const { spec, up, replicas } = command;
  const wanted = { up, replicas };
  const all = present.replicas.map(({ number }) => number);
  const isDone = (command.completed ?? []).length > 0;
  if (!up || isDone) return { spec, wanted, steps: planStop(all), keepsCompleted: false };
  const living = readyFirst(present.replicas.filter(({ phase }) => phase !== "stopping"));
  const ending = present.replicas.filter(({ phase }) => phase === "stopping").map(toNumber);
  const outdated = replaceOrder(living.filter((replica) => replica.spec.hash !== spec.hash));
  const current = living.filter((replica) => replica.spec.hash === spec.hash).map(toNumber);
  const kept = [...current, ...completed(present, spec)];
  const keepsCompleted = present.spec.hash === spec.hash;
  if (outdated.length === 0) {
    const steps = planScale(kept, replicas);
    return {
      spec,
      wanted,
      steps: steps.length > 0 ? [...planStop(ending), ...steps] : [],
      keepsCompleted,
    };
  }
  const { order } = spec.reload;
  const steps = [
    ...planStop(order === "stop-first" ? ending : []),
    ...planReload(outdated, Math.max(0, replicas - kept.length), order, [...all, ...kept]),
    ...planStop(kept.slice(replicas)),
  ];
  return { spec, wanted, steps, keepsCompleted };
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

/** Numbers whose work is done under these settings: they are not run again unless asked for. */
function completed({ spec: former, tracker }: Present, spec: ResolvedService): number[] {
  if (former.hash !== spec.hash) return [];
  return completedNumbers(tracker);
}
