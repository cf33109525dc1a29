import { collectGarbage, collectWhenIdle } from "../base/garbage.ts";
import { PRELOAD_ENV } from "../base/preload.ts";
import type { Home } from "../base/home.ts";
import { nodeProgram } from "../base/node.ts";
import { setCloseOnExec } from "../posix/descriptors.ts";
import { FRUGAL_ARGS } from "./frugal-args.ts";

/** The V8 flags that enable the compilers again. */
const COMPILERS = ["--sparkplug", "--maglev", "--opt"];

/** The processor time after which the kernel gets its compilers back, in microseconds. */
const BUSY_US = 5_000_000;
const LOOK_MS = 5_000;
/** systemd's protocol: the first passed descriptor. */
const FIRST_PASSED = 3;

/** Whether this process was started with all options that keep it small. */
export function isFrugal(): boolean {
  return FRUGAL_ARGS.every((arg) => process.execArgv.includes(arg));
}

/**
 * Executes the kernel's program in this process, with the low-memory options: the pid stays, and the home's
 * lock and the descriptors from a service manager stay open. Returns only where that is not possible.
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
  // The home may be removed while the kernel runs, so the kernel does not keep it as its working directory.
  process.chdir("/");
  process.execve(node, argv, process.env);
}

/** The sockets of systemd's fd store, and the descriptor for READY. */
function passedDescriptors(environment: NodeJS.ProcessEnv): number[] {
  const { LISTEN_PID, LISTEN_FDS } = environment;
  const count = LISTEN_PID === String(process.pid) ? Number(LISTEN_FDS) : 0;
  const sockets = Array.from({ length: count }, (_, index) => FIRST_PASSED + index);
  const notify = Number(environment[PRELOAD_ENV.notifyFd] ?? Number.NaN);
  return Number.isInteger(notify) ? [...sockets, notify] : sockets;
}

/**
 * Releases, once the kernel serves, the memory that only its start needed, and its garbage whenever it is idle
 * again; enables the compilers when the
 * kernel turns out to be busy.
 */
export function becomeFrugal(): void {
  if (!isFrugal()) return;
  collectGarbage();
  collectWhenIdle();
  const timer = setInterval(() => {
    if (process.cpuUsage().user < BUSY_US) return;
    clearInterval(timer);
    const { setFlagsFromString } = process.getBuiltinModule("node:v8");
    for (const flag of COMPILERS) setFlagsFromString(flag);
  }, LOOK_MS).unref();
}
