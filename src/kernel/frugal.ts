import { PRELOAD_ENV } from "../base/preload.ts";
import type { Home } from "../base/home.ts";
import { nodeProgram } from "../base/node.ts";
import { setCloseOnExec } from "../posix/descriptors.ts";
import { FRUGAL_ARGS } from "./frugal-args.ts";

/** What gives the compilers back. */
const COMPILERS = ["--sparkplug", "--maglev", "--opt"];

/** How much time of the processor it has used when it gets its compilers back, in microseconds. */
const BUSY_US = 5_000_000;
const LOOK_MS = 5_000;
/** systemd's protocol: the first passed descriptor. */
const FIRST_PASSED = 3;

/** Whether this process was started with all options that keep it small. */
export function isFrugal(): boolean {
  return FRUGAL_ARGS.every((arg) => process.execArgv.includes(arg));
}

/**
 * Executes the kernel's program in this very process, with those options: same pid, the home's lock
 * and what a service manager passed stay open. Returns only where that is not possible.
 *
 * @param program - the kernel's main module
 */
export function executeFrugally(
  home: Home,
  lockFd: number,
  program: string,
  args: readonly string[],
): void {
  if (process.execve === undefined) return;
  for (const fd of [lockFd, ...passedDescriptors(process.env)]) setCloseOnExec(fd, false);
  const own = [...args, "--home", home.directory, "--lock-fd", String(lockFd)];
  const node = nodeProgram();
  const argv = [node, ...process.execArgv, ...FRUGAL_ARGS, program, ...own];
  // A directory that is removed while the kernel runs is not the one it runs in.
  process.chdir("/");
  process.execve(node, argv, process.env);
}

/** Sockets of systemd's store, and where to say READY. */
function passedDescriptors(environment: NodeJS.ProcessEnv): number[] {
  const { LISTEN_PID, LISTEN_FDS } = environment;
  const count = LISTEN_PID === String(process.pid) ? Number(LISTEN_FDS) : 0;
  const sockets = Array.from({ length: count }, (_, index) => FIRST_PASSED + index);
  const notify = Number(environment[PRELOAD_ENV.notifyFd] ?? Number.NaN);
  return Number.isInteger(notify) ? [...sockets, notify] : sockets;
}

/**
 * Once the kernel serves: gives back what only its start needed, and when it turns out to be busy, has
 * its code compiled after all.
 */
export function becomeFrugal(): void {
  if (!isFrugal()) return;
  globalThis.gc?.({ type: "major", execution: "sync", flavor: "last-resort" });
  const timer = setInterval(() => {
    if (process.cpuUsage().user < BUSY_US) return;
    clearInterval(timer);
    const { setFlagsFromString } = process.getBuiltinModule("node:v8");
    for (const flag of COMPILERS) setFlagsFromString(flag);
  }, LOOK_MS).unref();
}
