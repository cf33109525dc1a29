import type { BlockedWorker } from "./blocked-watch.ts";
import type { ResultInfo } from "./options.ts";
import type { PoolStats } from "./stats.ts";

/** `open`: accepts tasks. `stopping`: finishes its tasks. `closed`: all workers have ended. */
export type PoolState = "open" | "stopping" | "closed";

/** The events of a pool. */
export interface PoolEvents<Result, Message> {
  /** A result of a `put` task or a message of a worker. */
  message: [value: Result | Message, info: ResultInfo];
  /** The statistics, every `statsMs`. */
  stats: [stats: PoolStats];
  /** The queues have room again, after `putNowait` or `tryRun` was refused. */
  drain: [];
  /** A worker takes tasks from now on. */
  workerReady: [info: { readonly worker: number; readonly pid: number }];
  /** A worker has ended; `how` says by which exit code or signal. */
  workerEnd: [info: { readonly worker: number; readonly pid: number; readonly how: string }];
  /** The event loop of a worker has been blocked for `blockedMs`; at most once a minute. */
  blocked: [info: BlockedWorker];
  /** An error that no promise reports, unless there is `onError`. */
  error: [error: unknown];
}
