import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";

import { messageOf, newelError } from "../base/errors.ts";
import type { Home } from "../base/home.ts";
import { PRELOAD_ENV } from "../base/preload.ts";
import { setCloseOnExec } from "../posix/descriptors.ts";
import { reapChild } from "../posix/process.ts";
import type { SupervisorBuild } from "./api.ts";
import { SUPERVISOR_NODE_ARGS } from "./node-args.ts";

/** How long a build may take to load and to read the stored state, in milliseconds. */
const TRIAL_MS = 20_000;

/**
 * Executes the supervisor's program of a build in this process: same pid, and the home stays locked, so that
 * no other supervisor comes in between. Services run on.
 */
export function executeSupervisor(build: SupervisorBuild, home: Home, lockFd: number): void {
  if (process.execve === undefined)
    throw newelError("NEWEL_E_PLATFORM", { what: "process.execve", platform: process.version });
  const notifyFd = Number(process.env[PRELOAD_ENV.notifyFd] ?? Number.NaN);
  for (const fd of [lockFd, notifyFd]) if (Number.isInteger(fd)) setCloseOnExec(fd, false);
  const { node, program } = build;
  const args = ["--home", home.directory, "--lock-fd", String(lockFd)];
  // A directory that is removed while the supervisor runs is not the one it runs in.
  process.chdir("/");
  process.execve(node, [node, ...SUPERVISOR_NODE_ARGS, program, ...args], process.env);
}

/**
 * Collects the children of the program that this process ran before, such as a kernel it started: libuv only
 * knows its own, so they would stay as zombies.
 */
export function reapInherited(): void {
  const children = `/proc/self/task/${process.pid}/children`;
  let left = existsSync(children)
    ? readFileSync(children, "utf8").split(" ").filter(Boolean).map(Number)
    : [];
  const reap = (): void => {
    left = left.filter((pid) => !reapChild(pid));
    if (left.length === 0) process.off("SIGCHLD", reap);
  };
  process.on("SIGCHLD", reap);
  reap();
}

/**
 * Tries a build of the supervisor before it replaces anything: a process loads it and reads the apps that the
 * kernel keeps.
 *
 * @throws NEWEL_E_UPGRADE_REFUSED when it cannot
 */
export async function trySupervisor({ node, program }: SupervisorBuild, home: Home): Promise<void> {
  const args = [program, "--home", home.directory, "--rehearse"];
  await new Promise<void>((resolve, reject) => {
    execFile(node, args, { timeout: TRIAL_MS, cwd: "/" }, (error, _stdout, stderr) => {
      if (error === null) resolve();
      else reject(refused(program, causeIn(stderr) ?? messageOf(error)));
    });
  });
}

/** The error line in the output of a trial. */
function causeIn(said: string): string | undefined {
  const lines = said.split("\n");
  return lines.find((line) => /^(newel supervisor: |\w*Error\b)/.test(line));
}

function refused(program: string, why: string): Error {
  return newelError("NEWEL_E_UPGRADE_REFUSED", { program, why });
}
