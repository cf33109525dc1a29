import { existsSync } from "node:fs";

import { hasCode, newelError } from "../base/errors.ts";
import { findHome } from "../base/home.ts";
import { connectKernel } from "../kernel/client/client.ts";
import type { KernelClient } from "../kernel/client-api.ts";
import type { SupervisorApi } from "../supervisor/api.ts";
import { connectSupervisor } from "../supervisor/client.ts";
import { findConfig } from "../supervisor/config/find.ts";
import type { Remote } from "../wire/contract.ts";
import type { Context } from "./command.ts";

export type Supervisor = Remote<SupervisorApi>;
export type SupervisorConnection = Awaited<ReturnType<typeof connectSupervisor>>;

/**
 * The supervisor of the caller's home, started if there is none: services that run without one are
 * then supervised again.
 *
 * @throws NEWEL_E_SUPERVISOR_UNREACHABLE
 */
export async function reachSupervisor(context: Context): Promise<SupervisorConnection> {
  const running = await findSupervisor(context);
  if (running !== undefined) return running;
  const started = await connectSupervisor({ home: findHome(context.environment) });
  const { pid } = await started.remote.hello();
  context.output.say(`No supervisor was running: started one (pid ${pid}).`);
  return started;
}

/** The supervisor, if one runs. */
export async function findSupervisor(context: Context): Promise<SupervisorConnection | undefined> {
  try {
    return await connectSupervisor({ home: findHome(context.environment), autostart: false });
  } catch (error) {
    if (hasCode(error, "NEWEL_E_SUPERVISOR_UNREACHABLE")) return undefined;
    throw error;
  }
}

/** Runs `use` with the supervisor; see {@link reachSupervisor}. */
export async function withSupervisor<T>(
  context: Context,
  use: (supervisor: Supervisor) => Promise<T>,
): Promise<T> {
  const connection = await reachSupervisor(context);
  try {
    return await use(connection.remote);
  } finally {
    await connection.close();
  }
}

/** The kernel, if one runs; nothing is started. */
export async function findKernel(context: Context): Promise<KernelClient | undefined> {
  try {
    return await connectKernel({ home: findHome(context.environment), autostart: false });
  } catch (error) {
    if (hasCode(error, "NEWEL_E_KERNEL_UNREACHABLE")) return undefined;
    throw error;
  }
}

/**
 * The kernel, to read what it has. It is started when it left a journal: after a crash it finds
 * again what lives.
 *
 * @throws NEWEL_E_KERNEL_UNREACHABLE when there never was one in this home
 */
export async function reachKernel(context: Context): Promise<KernelClient> {
  const home = findHome(context.environment);
  return connectKernel({ home, autostart: existsSync(home.journal) });
}

/**
 * Ends the supervisor when it has no app any more, and then the kernel when it holds nothing: what
 * nobody needs does not stay behind.
 */
export async function endIdleDaemons(context: Context, supervisor: Supervisor): Promise<void> {
  const { apps } = await supervisor.hello();
  if (apps.length > 0) return;
  await supervisor.quit();
  const kernel = await findKernel(context);
  await kernel?.exitIfIdle();
  await kernel?.close();
}

/**
 * The app a verb is for: the one named with --app; else, where several run, the one whose
 * configuration is here or above; `undefined` where there is no choice to make.
 *
 * @throws NEWEL_E_NO_SERVICE for a name that is no app
 */
export async function chooseApp(
  context: Context,
  supervisor: Supervisor,
  named: string | undefined,
): Promise<string | undefined> {
  const { apps } = await supervisor.hello();
  if (named !== undefined) {
    if (apps.includes(named)) return named;
    const hint = apps.length === 0 ? "; none is up" : `; there is ${apps.join(", ")}`;
    throw newelError("NEWEL_E_NO_SERVICE", { name: `of an app ${named}`, hint });
  }
  if (apps.length < 2) return undefined;
  const file = nearestConfig(context);
  const services = file === undefined ? [] : await supervisor.show({ names: [] });
  return services.find((service) => service.file === file)?.app;
}

function nearestConfig({ cwd }: Context): string | undefined {
  try {
    return findConfig(cwd, undefined);
  } catch (error) {
    if (hasCode(error, "NEWEL_E_CONFIG_MISSING")) return undefined;
    throw error;
  }
}
