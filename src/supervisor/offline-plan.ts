import type { ProcessInfo } from "../kernel/process-api.ts";
import type { UpPlan } from "./api.ts";
import { parseStoredApp } from "./app.ts";
import type { ResolvedConfig, ResolvedService } from "./config/resolved.ts";
import { admit } from "./config/running.ts";
import { describePlan, planUp, type PresentService } from "./plan.ts";
import { isOfHash, parseRunName, type RunName } from "./process-names.ts";

/** The state that exists while no supervisor runs. */
interface Left {
  /** The app as the kernel or its journal keeps it. */
  readonly stored: string | undefined;
  /** The processes of the kernel; none without one. */
  readonly processes: readonly ProcessInfo[];
  readonly move: boolean;
  readonly isThere: (file: string) => boolean;
}

/**
 * Plans `up` without a supervisor: from the stored app and the processes that live.
 *
 * @throws NEWEL_E_APP_NAME_TAKEN, NEWEL_E_APP_UNRELATED, NEWEL_E_CONFIG_STORED
 */
export function planOffline(given: ResolvedConfig, left: Left): UpPlan {
  const app = left.stored === undefined ? undefined : parseStoredApp(left.stored, 0);
  const { config, move } = admit(given, app?.config, left);
  const runs = left.processes.flatMap((info) => {
    const run = parseRunName(info.name);
    return run?.app === config.name ? [{ run, info }] : [];
  });
  const present = (app?.config.services ?? [])
    .filter(({ enabled }) => enabled)
    .map((spec): PresentService => {
      const own = runs.filter(({ run }) => run.service === spec.name);
      const living = own.filter(({ info }) => info.running);
      const up = app?.wanted[spec.name]?.up ?? false;
      return {
        spec,
        up,
        replicas: app?.wanted[spec.name]?.replicas ?? spec.replicas,
        copies: living.map(({ run }) => ({ slot: run.slot, current: isOfHash(run, spec.hash) })),
        completed: up && living.length === 0 && hasCompleted(spec, own),
      };
    });
  return describePlan(planUp(config, new Map(present.map((each) => [each.spec.name, each]))), move);
}

/** Whether the last generation ended with 0, and the restart policy starts no other. */
function hasCompleted(
  spec: ResolvedService,
  runs: readonly { readonly run: RunName; readonly info: ProcessInfo }[],
): boolean {
  const last = runs.toSorted((a, b) => a.run.run - b.run.run).at(-1);
  if (last === undefined || spec.restart.policy === "always") return false;
  return isOfHash(last.run, spec.hash) && last.info.exitCode === 0;
}
