import { constants } from "node:os";

import { checked, errnoName, lastErrno, libc, syscallError } from "./libc.ts";

const syscall4 = libc("long syscall(long number, long a, long b, long c, long d)");
const waitpid = libc("int waitpid(int pid, void *status, int options)");
const execve = libc("int execve(const char *path, const char **argv, const char **envp)");
const prctl = libc(
  "int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)",
);

/** The same numbers on every architecture since Linux 5.0. */
const SYS_PIDFD_SEND_SIGNAL = 424;
const SYS_PIDFD_OPEN = 434;
const WNOHANG = 1;
const PR_SET_PDEATHSIG = 1;
const PR_SET_CHILD_SUBREAPER = 36;

/**
 * A descriptor of one process, never of a later one with the same pid; `undefined` when the process is gone.
 */
export function openPidfd(pid: number): number | undefined {
  const fd = syscall4(SYS_PIDFD_OPEN, pid, 0, 0, 0);
  if (fd >= 0) return fd;
  const errno = lastErrno();
  if (errnoName(errno) === "ESRCH") return undefined;
  throw syscallError("pidfd_open", errno, `pid ${pid}`);
}

/** Sends a signal through a pidfd; `false` when the process is gone. */
export function signalPidfd(fd: number, signal: number): boolean {
  if (syscall4(SYS_PIDFD_SEND_SIGNAL, fd, signal, 0, 0) >= 0) return true;
  const errno = lastErrno();
  if (errnoName(errno) === "ESRCH") return false;
  throw syscallError("pidfd_send_signal", errno);
}

/** The end of a child: its exit code, or the negative number of the signal that killed it. */
export interface Reaped {
  readonly pid: number;
  readonly exitCode: number;
}

/**
 * Collects one ended child, including children that libuv started: only for a process that starts all its
 * children through this folder, because libuv would not see the end of such a child.
 */
export function reapOne(): Reaped | undefined {
  const status = Buffer.alloc(4);
  const pid = waitpid(-1, status, WNOHANG);
  if (pid > 0) {
    const word = status.readInt32LE();
    const signal = word & 0x7f;
    return { pid, exitCode: signal === 0 ? (word >> 8) & 0xff : -signal };
  }
  if (pid === 0 || errnoName(lastErrno()) === "ECHILD") return undefined;
  throw syscallError("waitpid", lastErrno());
}

/** Collects a child of this process that libuv did not start; returns `false` while it runs. */
export function reapChild(pid: number): boolean {
  // A child that is already gone counts as collected.
  return waitpid(pid, Buffer.alloc(4), WNOHANG) !== 0;
}

/** Makes orphaned descendants children of this process instead of init's. */
export function becomeSubreaper(): void {
  checked(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl(PR_SET_CHILD_SUBREAPER)");
}

/** Makes the system kill this process when its parent ends, even while its event loop is blocked. */
export function dieWithParent(): void {
  checked(prctl(PR_SET_PDEATHSIG, constants.signals.SIGKILL, 0, 0, 0), "prctl(PR_SET_PDEATHSIG)");
}

const SYS_PIDFD_GETFD = 438;

/**
 * A copy of a descriptor that another process holds; `undefined` when it may not be taken (ptrace rights,
 * seccomp) or is closed.
 */
export function takeDescriptor(pidfd: number, theirFd: number): number | undefined {
  const fd = syscall4(SYS_PIDFD_GETFD, pidfd, theirFd, 0, 0);
  return fd >= 0 ? fd : undefined;
}

/**
 * Replaces this process by a program: the pid stays, and its children stay its children. Unlike
 * process.execve this returns when the program cannot be executed, and the process continues.
 *
 * @throws NEWEL_E_SYSCALL
 */
export function executeProgram(
  file: string,
  argv: readonly string[],
  env: Readonly<NodeJS.ProcessEnv>,
): never {
  const envp = Object.entries(env).map(([key, value]) => `${key}=${value ?? ""}`);
  checked(execve(file, [...argv, null], [...envp, null]), "execve", file);
  throw syscallError("execve", 0, file);
}
