import { existsSync } from "node:fs";

import { findHome } from "../base/home.ts";
import type { UpPlan } from "../supervisor/api.ts";
import type { ResolvedConfig } from "../supervisor/config/resolved.ts";
import { appValueName } from "../supervisor/process-names.ts";
import { storedApps } from "../supervisor/stored-apps.ts";
import type { Context } from "./command.ts";
import { findKernel, findSupervisor } from "./reach.ts";

/** The supervisor's plan; without a supervisor, a plan from the stored state, because `--plan` starts nothing. */
export async function planOf(
  config: ResolvedConfig,
  move: boolean,
  context: Context,
): Promise<UpPlan> {
  const connection = await findSupervisor(context);
  if (connection === undefined) return planAlone(config, move, context);
  try {
    return await connection.remote.plan(config, { move });
  } finally {
    await connection.close();
  }
}

async function planAlone(config: ResolvedConfig, move: boolean, context: Context): Promise<UpPlan> {
  const { planOffline } = await import("../supervisor/offline-plan.ts");
  const options = { move, isThere: existsSync };
  const kernel = await findKernel(context);
  if (kernel === undefined) {
    const stored = storedApps(findHome(context.environment)).get(config.name);
    return planOffline(config, { stored, processes: [], ...options });
  }
  try {
    const stored = await kernel.values.get(appValueName(config.name));
    return planOffline(config, { stored, processes: await kernel.processes.list(), ...options });
  } finally {
    await kernel.close();
  }
}
