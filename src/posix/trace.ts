import { readdirSync, readFileSync } from "node:fs";

import { systemCode } from "../base/errors.ts";
import { errnoName, lastErrno, libc, syscallError } from "./libc.ts";

const ptrace = libc("long ptrace(int request, int pid, unsigned long address, unsigned long data)");
const waitpid = libc("int waitpid(int pid, void *status, int options)");
const prctl = libc(
  "int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)",
);

const PTRACE_CONT = 7;
const PTRACE_DETACH = 17;
const PTRACE_SEIZE = 0x4206;
const PTRACE_INTERRUPT = 0x4207;
const PTRACE_O_TRACECLONE = 0x08;
const PTRACE_O_TRACEEXEC = 0x10;
const PTRACE_EVENT_EXEC = 4;
/** The low byte of a wait status that reports a stop. */
const STOPPED = 0x7f;
const WNOHANG = 1;
const WALL = 0x4000_0000;
const PR_SET_PTRACER = 0x5961_6d61;

/** An event of a traced thread. After any event except `ended` the thread is stopped until it is resumed. */
export interface TraceEvent {
  readonly thread: number;
  readonly kind: "signal" | "executed" | "other" | "ended";
  /** With `signal`: the signal that the thread is about to get. */
  readonly signal: number;
}

/** Lets one other process of the same user trace this one, where Yama requires that. */
export function allowTracer(pid: number): void {
  // Without Yama there is no such option, and nothing to allow.
  prctl(PR_SET_PTRACER, pid, 0, 0, 0);
}

/**
 * Traces the signals of a process before it gets them (ptrace), in all its threads and in threads that it
 * makes later: if one thread were left out, the system would give a signal to that one while another stands
 * still. Tracing stops no thread; all threads are released when this process ends.
 *
 * @returns `false` where tracing is not allowed
 */
export function traceSignals(pid: number): boolean {
  const threads = threadsOf(pid);
  return threads.map(seize).every((seized, index) => seized || threads[index] !== pid);
}

/** The threads a process has now. */
export function threadsOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map(Number);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return [];
    throw error;
  }
}

function seize(thread: number): boolean {
  const options = PTRACE_O_TRACEEXEC | PTRACE_O_TRACECLONE;
  if (ptrace(PTRACE_SEIZE, thread, 0, options) >= 0) return true;
  const errno = lastErrno();
  if (["EPERM", "ESRCH", "ENOSYS", "EACCES"].includes(errnoName(errno))) return false;
  throw syscallError("ptrace(PTRACE_SEIZE)", errno, `thread ${thread}`);
}

/** The next event of a traced thread; `undefined` when all threads run. */
export function nextTraceEvent(): TraceEvent | undefined {
  const status = Buffer.alloc(4);
  const thread = waitpid(-1, status, WNOHANG | WALL);
  // No thread is left, or there is no event.
  if (thread <= 0) return undefined;
  const word = status.readInt32LE();
  if ((word & 0xff) !== STOPPED) return { thread, kind: "ended", signal: 0 };
  const event = word >> 16;
  if (event === PTRACE_EVENT_EXEC) return { thread, kind: "executed", signal: 0 };
  if (event !== 0) return { thread, kind: "other", signal: 0 };
  return { thread, kind: "signal", signal: (word >> 8) & 0xff };
}

/** Resumes a stopped thread, with or without a signal. */
export function letGoOn(thread: number, signal = 0): void {
  request(PTRACE_CONT, thread, signal);
}

/** Stops a thread so that its trace can be ended; {@link nextTraceEvent} reports the stop. */
export function interruptTraced(thread: number): void {
  request(PTRACE_INTERRUPT, thread, 0);
}

/** Ends the trace of a stopped thread and resumes it. */
export function endTrace(thread: number, signal = 0): void {
  request(PTRACE_DETACH, thread, signal);
}

/** A request to a thread that has just ended is ignored. */
function request(what: number, thread: number, signal: number): void {
  if (ptrace(what, thread, 0, signal) >= 0) return;
  const errno = lastErrno();
  if (errnoName(errno) !== "ESRCH") throw syscallError("ptrace", errno, `thread ${thread}`);
}

/** The signals for which a process has handlers, as a mask: signal 1 is bit 0. */
export function caughtSignals(pid: number): bigint {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return BigInt(`0x${/^SigCgt:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
}
