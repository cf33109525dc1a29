import { existsSync } from "node:fs";

import { hasCode, isNewelError, newelError } from "../base/errors.ts";
import { compareVersions, ownBuild, parseBuildName } from "../base/build.ts";
import { findHome } from "../base/home.ts";
import { readLink } from "../base/runtime-links.ts";
import { sleep } from "../base/timers.ts";
import type { KernelClient } from "../kernel/client-api.ts";
import type { SupervisorApi } from "../supervisor/api.ts";
import { connectSupervisor } from "../supervisor/client.ts";
import { appValueName } from "../supervisor/process-names.ts";
import { storedApps } from "../supervisor/stored-apps.ts";
import type { Remote } from "../wire/contract.ts";
import type { Context } from "./command.ts";

export type Supervisor = Remote<SupervisorApi>;
export type SupervisorConnection = Awaited<ReturnType<typeof connectSupervisor>>;

/**
 * How long a supervisor that is ending may hold the lock of the home before the next one can start, in
 * milliseconds.
 */
const ENDING_MS = 10_000;

/**
 * The supervisor of the caller's home, started if there is none: services that run without one are
 * then supervised again.
 *
 * @throws NEWEL_E_SUPERVISOR_UNREACHABLE
 */
export async function reachSupervisor(context: Context): Promise<SupervisorConnection> {
  const running = await findSupervisor(context);
  if (running !== undefined) return onPresentNode(context, running);
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
 * @throws NEWEL_E_SUPERVISOR_HANGS when one runs and does not answer
 * @throws NEWEL_E_SUPERVISOR_UNREACHABLE when there may be one that cannot be reached
 */
export async function findSupervisor(
  context: Context,
  options: { readonly greetingMs?: number } = {},
): Promise<SupervisorConnection | undefined> {
  try {
    const home = findHome(context.environment);
    const found = await connectSupervisor({ home, autostart: false, ...options });
    noteVersions(context);
    return found;
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

/** The outputs that have had the note: a command says it once. */
const noted = new WeakSet<object>();

/** Says in one line when the daemons are of another version than this command. */
function noteVersions({ environment, output }: Context): void {
  const own = ownBuild();
  const current = parseBuildName(readLink(findHome(environment), "current") ?? "");
  if (own === undefined || current === undefined || own.name === current.name) return;
  if (noted.has(output)) return;
  noted.add(output);
  const age = compareVersions(own.version, current.version);
  const theirs =
    age === 0 ? `another build of newel ${current.version}` : `newel ${current.version}`;
  const advice = "`newel upgrade` moves them to it, and no service restarts.";
  output.say(
    age < 0
      ? `This newel is ${own.version}; the daemons are ${theirs}, which is newer: use that here (NEWEL_E_OLDER_CALLER).`
      : `The daemons are ${theirs}, this newel is ${own.version}: ${advice}`,
  );
}

/** Errors of a connect that prove that no daemon listens; other errors do not prove it. */
const ABSENT = /\b(ENOENT|ECONNREFUSED|ECONNRESET|EPIPE)\b/;

function isAbsent(error: unknown): boolean {
  if (hasCode(error, "NEWEL_E_CONNECTION_LOST")) return true;
  const isUnreachable =
    hasCode(error, "NEWEL_E_SUPERVISOR_UNREACHABLE") ||
    hasCode(error, "NEWEL_E_KERNEL_UNREACHABLE");
  return isUnreachable && isNewelError(error) && ABSENT.test(String(error.data["why"]));
}

/**
 * The supervisor, for a command that is about apps which are up: one is started only if there is an app that it
 * would supervise.
 */
export async function findApps(context: Context): Promise<SupervisorConnection | undefined> {
  const running = await findSupervisor(context);
  if (running !== undefined) return onPresentNode(context, running);
  return (await hasApps(context)) ? reachSupervisor(context) : undefined;
}

/** A supervisor whose Node.js was removed is moved to the one of this command. */
async function onPresentNode(
  context: Context,
  running: SupervisorConnection,
): Promise<SupervisorConnection> {
  const { replaceGoneNode } = await import("./gone-node.ts");
  return replaceGoneNode(context, running);
}

/** Whether the kernel, or the journal of the last one, has an app. */
async function hasApps(context: Context): Promise<boolean> {
  const kernel = await findKernel(context);
  if (kernel === undefined) return storedApps(findHome(context.environment)).size > 0;
  try {
    return (await kernel.values.list(appValueName("*"))).length > 0;
  } finally {
    await kernel.close();
  }
}

/**
 * Runs `use` with the supervisor; see {@link findApps}.
 *
 * @throws NEWEL_E_NOT_UP when no app is up
 */
export async function withSupervisor<T>(
  context: Context,
  use: (supervisor: Supervisor, connection: SupervisorConnection) => Promise<T>,
): Promise<T> {
  const connection = await findApps(context);
  if (connection === undefined)
    throw newelError("NEWEL_E_NOT_UP", {
      what: `No app is up in ${findHome(context.environment).directory}`,
    });
  try {
    return await use(connection.remote, connection);
  } finally {
    await connection.close();
  }
}

/** The kernel, if one runs; nothing is started. */
export async function findKernel(context: Context): Promise<KernelClient | undefined> {
  // Loaded on demand: most commands do not need it.
  const { connectKernel } = await import("../kernel/client/client.ts");
  try {
    return await connectKernel({ home: findHome(context.environment), autostart: false });
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

/**
 * The kernel, to read its state. It is started when it left a journal: after a crash it adopts
 * the processes that live.
 *
 * @throws NEWEL_E_KERNEL_UNREACHABLE when there never was one in this home
 */
export async function reachKernel(context: Context): Promise<KernelClient> {
  const home = findHome(context.environment);
  const { connectKernel } = await import("../kernel/client/client.ts");
  return connectKernel({ home, autostart: existsSync(home.journal) });
}

/**
 * Ends the supervisor when it has no app any more, and then the kernel when it holds nothing: idle
 * daemons do not stay behind.
 */
export async function endIdleDaemons(
  context: Context,
  { remote, closed }: SupervisorConnection,
): Promise<void> {
  const { apps } = await remote.hello();
  if (apps.length > 0 || !(await remote.quit())) return;
  // Otherwise the next command could connect to a supervisor that is ending.
  await Promise.race([closed, sleep(ENDING_MS)]);
  await endIdleKernel(context);
}

/** Ends the kernel, if one runs and it holds nothing. */
export async function endIdleKernel(context: Context): Promise<void> {
  const kernel = await findKernel(context);
  await kernel?.exitIfIdle();
  await kernel?.close();
}
