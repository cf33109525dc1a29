import { existsSync, readFileSync, readlinkSync } from "node:fs";

import { systemCode } from "../base/errors.ts";
import { findHome, type Home } from "../base/home.ts";
import { programPath } from "../base/modules.ts";
import { type DaemonName, isRunning, programIn } from "../base/runtime.ts";
import { readLink } from "../base/runtime-links.ts";
import { sleep } from "../base/timers.ts";
import { connectSupervisor, type SupervisorConnection } from "../supervisor/client.ts";
import type { Context } from "./command.ts";

/** How long a supervisor may take to answer from its new program, in milliseconds. */
const ANSWER_MS = 30_000;

/** A program of a daemon, and the Node.js to run it. */
export interface DaemonBuild {
  readonly node: string;
  readonly program: string;
}

/** Has a supervisor replaced by a build, and connects to it. */
export async function replaceSupervisor(
  home: Home,
  running: SupervisorConnection,
  build: DaemonBuild,
): Promise<SupervisorConnection> {
  await running.remote.upgrade(build);
  await Promise.race([running.closed, sleep(ANSWER_MS)]);
  await running.close();
  return connectSupervisor({ home, timeoutMs: ANSWER_MS });
}

/**
 * Where the Node.js that a daemon runs on is gone, as after `nvm uninstall`, moves the daemons to the one of
 * this command, and says so.
 *
 * @returns the connection to use from now on
 */
export async function replaceGoneNode(
  { environment, output }: Context,
  running: SupervisorConnection,
): Promise<SupervisorConnection> {
  const home = findHome(environment);
  const gone = goneNodes(home);
  if (gone.length === 0) return running;
  const node = process.execPath;
  const program = (name: DaemonName): string =>
    readLink(home, "current") === undefined ? programPath(name) : programIn(home, "current", name);
  const replaced = await replaceSupervisor(home, running, {
    node,
    program: program("supervisor/main"),
  });
  const { connectKernel } = await import("../kernel/client/client.ts");
  const kernel = await connectKernel({ home });
  try {
    await kernel.upgrade({ node, program: program("kernel/main") });
  } finally {
    await kernel.close();
  }
  const paths = gone.join(" and ");
  output.say(
    `Node.js at ${paths} is gone: kernel and supervisor now run on ${node} (${process.version}).`,
  );
  return replaced;
}

/** The Node.js executables that daemons of a home run on and that are not there any more. */
function goneNodes(home: Home): readonly string[] {
  const paths = [home.supervisorLock, home.kernelLock].flatMap((lock) => {
    const pid = pidIn(lock);
    const path = pid === undefined ? undefined : executableOf(pid);
    return path === undefined || existsSync(path) ? [] : [path];
  });
  return [...new Set(paths)];
}

/** The path a process was executed from; Linux appends ` (deleted)` when the file is gone. */
function executableOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/exe`).replace(/( \(deleted\))+$/, "");
  } catch (error) {
    if (["ENOENT", "ESRCH", "EACCES", "EPERM"].includes(systemCode(error) ?? "")) return undefined;
    throw error;
  }
}

/** The pid in a daemon's lock, if such a process runs. */
export function pidIn(lock: string): number | undefined {
  if (!existsSync(lock)) return undefined;
  const pid = Number(readFileSync(lock, "utf8"));
  return isRunning(pid) ? pid : undefined;
}
