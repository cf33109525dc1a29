import type { ResolvedService } from "../config/resolved.ts";
import type { Wanted } from "./operation.ts";
import type { RestartTracker } from "./restart-tracker.ts";
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
}

/** Plans a command when its turn has come: what there is may have changed since it was given. */
export function planCommand(command: Command, present: Present): CommandPlan {
  const { spec, wanted, replicas } = present;
  const all = replicas.map(({ number }) => number);
  const living = replicas.filter(({ phase }) => phase !== "stopping");
  const numbers = living.map(({ number }) => number);
  switch (command.kind) {
    case "start":
      return {
        spec,
        wanted: { ...wanted, up: true },
        steps: planStart(numbers, wanted.replicas, all),
      };
    case "stop":
      return { spec, wanted: { ...wanted, up: false }, steps: planStop(all) };
    case "restart":
      return {
        spec,
        wanted: { ...wanted, up: true },
        steps: planRestart(all, wanted.replicas),
      };
    case "reload":
      return {
        spec,
        wanted: { ...wanted, up: true },
        steps: planReload(numbers, wanted.replicas, spec.reload.order, all),
      };
    case "scale": {
      const asked = command.relative ? wanted.replicas + command.replicas : command.replicas;
      const count = Math.max(0, asked);
      return {
        spec,
        wanted: { up: true, replicas: count },
        steps: planScale([...numbers, ...completed(present, spec)], count, all),
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
  if (!up) return { spec, wanted, steps: planStop(all) };
  const living = present.replicas.filter(({ phase }) => phase !== "stopping");
  const outdated = living.filter((replica) => replica.spec.hash !== spec.hash);
  const current = living.filter((replica) => replica.spec.hash === spec.hash);
  const done = completed(present, spec);
  const kept = [...current.map(({ number }) => number), ...done];
  if (outdated.length === 0) return { spec, wanted, steps: planScale(kept, replicas, all) };
  const need = Math.max(0, replicas - kept.length);
  const steps = planReload(
    outdated.map(({ number }) => number),
    need,
    spec.reload.order,
    all,
  );
  return { spec, wanted, steps: [...steps, ...planStop(kept.slice(replicas))] };
}

/** Numbers whose work is done under these settings: they are not run again unless asked for. */
function completed({ spec: former, tracker }: Present, spec: ResolvedService): number[] {
  if (former.hash !== spec.hash) return [];
  return tracker
    .entries()
    .flatMap(([number, missing]) => (missing.kind === "completed" ? [number] : []));
}
