import type { ResultInfo } from "./options.ts";
import type { PoolStats } from "./stats.ts";

/** `open`: takes tasks. `stopping`: finishes those it has. */
export type PoolState = "open" | "stopping" | "closed";

/** The events of a pool. */
export interface PoolEvents<Result, Message> {
  /** A result of a `put` task or a message of a worker. */
  message: [value: Result | Message, info: ResultInfo];
  stats: [stats: PoolStats];
  /** The queues have room again, after `putNowait` or `tryRun` was refused. */
  drain: [];
  workerReady: [info: { readonly worker: number; readonly pid: number }];
  workerEnd: [info: { readonly worker: number; readonly pid: number; readonly how: string }];
  /** What nobody else hears of, unless there is `onError`. */
  error: [error: unknown];
}
