import { messageOf } from "../base/errors.ts";

/** The exit of a worker. */
export interface WorkerEnd {
  readonly code: number | null;
  readonly signal: string | null;
  /** The error that ended a thread, or kept a process from starting. */
  readonly error?: Error;
}

/** Describes the exit of a worker in words. */
export function describeEnd({ code, signal, error }: WorkerEnd): string {
  if (error !== undefined)
    return "code" in error && error.code === "ERR_WORKER_OUT_OF_MEMORY"
      ? "it ran out of memory"
      : messageOf(error);
  if (signal === "SIGABRT" || code === 134)
    return "it aborted (SIGABRT), most likely out of memory";
  if (signal !== null) return `it was killed by ${signal}`;
  return `it exited with code ${code}`;
}
