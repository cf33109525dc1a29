import { existsSync } from "node:fs";

import { hasCode, isNewelError, newelError } from "../base/errors.ts";
import { findHome } from "../base/home.ts";
import { sleep } from "../base/timers.ts";
import type { KernelClient } from "../kernel/client-api.ts";
import type { SupervisorApi } from "../supervisor/api.ts";
import { connectSupervisor } from "../supervisor/client.ts";
import type { Remote } from "../wire/contract.ts";
import type { Context } from "./command.ts";

export type Supervisor = Remote<SupervisorApi>;
export type SupervisorConnection = Awaited<ReturnType<typeof connectSupervisor>>;

/** How long a supervisor that is just ending may take to make room for the next, in milliseconds. */
const ENDING_MS = 10_000;

/**
 * The supervisor of the caller's home, started if there is none: services that run without one are
 * then supervised again.
 *
 * @throws NEWEL_E_SUPERVISOR_UNREACHABLE
 */
export async function reachSupervisor(context: Context): Promise<SupervisorConnection> {
  const running = await findSupervisor(context);
  if (running !== undefined) return running;
  const until = performance.now() + ENDING_MS;
  for (;;) {
    const started = await connectSupervisor({ home: findHome(context.environment) });
    try {
      const { pid } = await started.remote.hello();
      context.output.say(`No supervisor was running: started one (pid ${pid}).`);
      return started;
    } catch (error) {
      if (!hasCode(error, "NEWEL_E_CONNECTION_LOST") || performance.now() > until) throw error;
    }
  }
}

/**
 * The supervisor, if one runs; nothing is started.
 *
 * @throws NEWEL_E_SUPERVISOR_UNREACHABLE when there may be one, but it does not answer
 */
export async function findSupervisor(context: Context): Promise<SupervisorConnection | undefined> {
  try {
    const home = findHome(context.environment);
    return await connectSupervisor({ home, autostart: false });
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

/** What connecting fails with when nobody is there; anything else says nothing about that. */
const ABSENT = /\b(ENOENT|ECONNREFUSED|ECONNRESET|EPIPE)\b/;

function isAbsent(error: unknown): boolean {
  if (hasCode(error, "NEWEL_E_CONNECTION_LOST")) return true;
  const isUnreachable =
    hasCode(error, "NEWEL_E_SUPERVISOR_UNREACHABLE") ||
    hasCode(error, "NEWEL_E_KERNEL_UNREACHABLE");
  return isUnreachable && isNewelError(error) && ABSENT.test(String(error.data["why"]));
}

/** Runs `use` with the supervisor; see {@link reachSupervisor}. */
export async function withSupervisor<T>(
  context: Context,
  use: (supervisor: Supervisor, connection: SupervisorConnection) => Promise<T>,
): Promise<T> {
  const connection = await reachSupervisor(context);
  try {
    return await use(connection.remote, connection);
  } finally {
    await connection.close();
  }
}

/** The kernel, if one runs; nothing is started. */
export async function findKernel(context: Context): Promise<KernelClient | undefined> {
  // What most commands never need is not loaded for them.
  const { connectKernel } = await import("../kernel/client/client.ts");
  try {
    return await connectKernel({ home: findHome(context.environment), autostart: false });
  } catch (error) {
    if (isAbsent(error)) return undefined;
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
  const { connectKernel } = await import("../kernel/client/client.ts");
  return connectKernel({ home, autostart: existsSync(home.journal) });
}

/**
 * Ends the supervisor when it has no app any more, and then the kernel when it holds nothing: what
 * nobody needs does not stay behind.
 */
export async function endIdleDaemons(
  context: Context,
  { remote, closed }: SupervisorConnection,
): Promise<void> {
  const { apps } = await remote.hello();
  if (apps.length > 0) return;
  await remote.quit();
  // The next command is not to meet one that is ending.
  await Promise.race([closed, sleep(ENDING_MS)]);
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
  const file = await nearestConfig(context);
  const services = file === undefined ? [] : await supervisor.show({ names: [] });
  return services.find((service) => service.file === file)?.app;
}

async function nearestConfig({ cwd }: Context): Promise<string | undefined> {
  const { findConfig } = await import("../supervisor/config/find.ts");
  try {
    return findConfig(cwd, undefined);
  } catch (error) {
    if (hasCode(error, "NEWEL_E_CONFIG_MISSING")) return undefined;
    throw error;
  }
}
