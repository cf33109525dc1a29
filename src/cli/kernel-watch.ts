import { newelError } from "../base/errors.ts";
import { findHome } from "../base/home.ts";
import { holderOf, isStoppedProcess } from "../base/lock-holder.ts";
import type { KernelClient } from "../kernel/client-api.ts";

/** A command that takes longer has its kernel watched. */
const FIRST_MS = 5_000;
const NEXT_MS = 5_000;
/** The longest time for the answer of a kernel that is not stopped, on a busy machine. */
const ANSWER_MS = 30_000;

/**
 * Runs a command, and gives up when the kernel that it may wait for is stopped or does not answer. The
 * supervisor waits for the kernel without a limit, since what it has asked for may still be carried out.
 *
 * @throws NEWEL_E_KERNEL_HANGS
 */
export async function watchingKernel<T>(
  environment: NodeJS.ProcessEnv,
  command: Promise<T>,
): Promise<T> {
  const hangs = Promise.withResolvers<never>();
  let timer: NodeJS.Timeout | undefined;
  let wasStopped = false;
  let isOver = false;
  const check = async (): Promise<void> => {
    const { kernelLock } = findHome(environment);
    const pid = holderOf(kernelLock);
    const isStopped = isStoppedProcess(pid) && pid !== String(process.pid);
    // A debugger or a frozen machine may stop it for a moment.
    if (isStopped && wasStopped) throw hangsError(pid, true);
    wasStopped = isStopped;
    if (!isStopped && !(await answers(environment))) throw hangsError(pid, isStoppedProcess(pid));
  };
  const schedule = (waitMs: number): void => {
    timer = setTimeout(() => {
      check().then(() => isOver || schedule(NEXT_MS), hangs.reject);
    }, waitMs).unref();
  };
  schedule(FIRST_MS);
  try {
    return await Promise.race([command, hangs.promise]);
  } finally {
    isOver = true;
    clearTimeout(timer);
  }
}

/** Whether the kernel answers in time. If no kernel runs, no command waits for it, so the result is true. */
async function answers(environment: NodeJS.ProcessEnv): Promise<boolean> {
  const { connectKernel } = await import("../kernel/client/client.ts");
  let kernel: KernelClient | undefined;
  const late = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => late.resolve(false), ANSWER_MS).unref();
  const asked = async (): Promise<boolean> => {
    try {
      kernel = await connectKernel({ home: findHome(environment), autostart: false });
      await kernel.status();
    } catch {
      // Its absence, and its end, are reported to the command that needs it.
    }
    return true;
  };
  try {
    return await Promise.race([asked(), late.promise]);
  } finally {
    clearTimeout(timer);
    await kernel?.close();
  }
}

function hangsError(pid: string, isStopped: boolean): Error {
  const advice = isStopped
    ? ` It is stopped (SIGSTOP): \`kill -CONT ${pid}\` lets it continue.`
    : "";
  return newelError("NEWEL_E_KERNEL_HANGS", { pid, advice });
}
