import type { ResourceLimits } from "node:worker_threads";

import type { Backoff } from "../base/backoff.ts";
import type { Transferable } from "./transferable.ts";

/**
 * A process has separate memory and a separate heap; memory can be transferred to a thread without
 * a copy.
 */
export type WorkerKind = "process" | "thread";

/** Workers between `min` and `max`: more when tasks wait, fewer after `idleMs` without a task. */
export interface SizeRange {
  /** The least number of workers, which run from the start; at least 0. */
  readonly min: number;
  /** The largest number of workers, at least 1. */
  readonly max: number;
  /** Milliseconds without a task after which a worker above `min` ends. Default 10,000. */
  readonly idleMs?: number;
}

/**
 * The conditions under which a worker is replaced by a new one, which is ready before the old one
 * leaves.
 */
export interface RecycleLimits {
  /** After this many tasks, at least 1. */
  readonly tasks?: number;
  /** At this age, in milliseconds, if it ran a task; read every `statsMs`. */
  readonly ageMs?: number;
  /** When its resident memory exceeds this number of bytes, and it ran a task; read every `statsMs`. `Infinity` is no limit. */
  readonly rssBytes?: number;
}

/** The origin of a result or message. */
export interface ResultInfo {
  /** The number of the worker. */
  readonly worker: number;
}

/** The origin of a line of output. */
export interface OutputInfo {
  /** The number of the worker. */
  readonly worker: number;
  /** The process id of the worker; for a thread that of this program. */
  readonly pid: number;
  /** The stream it was written to. */
  readonly stream: "stdout" | "stderr";
}

/** Options of a pool. Times are milliseconds. */
export interface PoolOptions<Task = unknown, Result = unknown, Message = unknown, Data = unknown> {
  /** The worker module: a file URL (`new URL("./worker.ts", import.meta.url)`) or an absolute path. */
  readonly worker: URL | string;
  /** The number of workers, or a range. Default: one per processor. */
  readonly size?: number | SizeRange;
  /** The most tasks that run in one worker at a time. Default 256. */
  readonly concurrency?: number;
  /** The most tasks that wait per worker; the pool holds `size` times as many. Default 1,000. */
  readonly queueSize?: number;
  /** The most results and messages that wait for `onResult` or the iteration. Default 1,000. */
  readonly resultQueueSize?: number;
  /** Default `"process"`. */
  readonly kind?: WorkerKind;
  /** Passed to every worker's `setup`; copied like a task. */
  readonly data?: Data;
  /** Added to this process's environment for the workers; `undefined` removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Flags of Node.js for the workers. Default: this process's, without debugger and test flags. */
  readonly execArgv?: readonly string[];
  /** The title of the worker processes; the worker number is added. Default `NAME worker`. */
  readonly title?: string;
  /**
   * Each worker process leads a separate session and process group. A terminal's Ctrl-C does not
   * reach it, and when it ends, for any reason, all processes that it started end as well, even
   * when this program dies. Not for threads. Default false.
   */
  readonly processGroup?: boolean;
  /** Names the pool in errors and titles. Default: the file name of the worker module. */
  readonly name?: string;
  /** Heap limits of thread workers; for processes set `--max-old-space-size` in `execArgv`. */
  readonly resourceLimits?: ResourceLimits;
  /** The number of retries of a task whose worker died. Default 0: the task rejects. */
  readonly retries?: number;
  /**
   * The time limit of a task in milliseconds, from `run` on, unless its own options set one.
   * Default: no limit.
   */
  readonly timeoutMs?: number;
  /**
   * Milliseconds that a worker may be blocked after the deadline or the cancellation of its task
   * before it is killed; for tasks with `graceMs` the time from SIGTERM to SIGKILL. Default 1,000.
   */
  readonly killMs?: number;
  /**
   * Like `killMs`, but for a worker that is blocked while it is unknown which of its tasks blocks
   * it: a cancelled task may, and so may others. Default 10,000.
   */
  readonly stallMs?: number;
  /**
   * Milliseconds that a worker with tasks may be blocked before the pool reports it: by a `blocked`
   * event, without a listener by a warning (NEWEL_E_POOL_BLOCKED). Default Infinity: never.
   */
  readonly blockedMs?: number;
  /** Milliseconds that a worker may take to load its module and to run `setup`. Default 30,000. */
  readonly startMs?: number;
  /** The delays between failing starts. Default 100 ms to 10 s, doubled each time. */
  readonly backoff?: Backoff;
  /** When to replace workers. Default: never. */
  readonly recycle?: RecycleLimits;
  /**
   * Milliseconds between two reports of the workers' resources, and between two `stats` events.
   * Default 10,000.
   */
  readonly statsMs?: number;
  /** Carries the OpenTelemetry context to the workers and records metrics, if the API package is installed. */
  readonly telemetry?: boolean;
  /**
   * Receives the results of `put` tasks and the messages of workers. A result counts as pending
   * until the returned promise settles; with `resultQueueSize` pending results the workers slow
   * down.
   */
  readonly onResult?: (result: Result | Message, info: ResultInfo) => unknown;
  /**
   * Receives errors that no promise reports: those of `put` tasks and of `onResult`. Without it
   * they are `error` events.
   */
  readonly onError?: (
    error: unknown,
    info: { readonly worker: number; readonly task?: Task },
  ) => void;
  /**
   * Receives each line that a worker writes to stdout or stderr, without its end; a line over
   * 65,536 characters comes in pieces. Default: workers write to the stdout and stderr of this
   * program.
   */
  readonly onOutput?: (line: string, info: OutputInfo) => void;
}

/** Options of one task. */
export interface RunOptions {
  /** The number of the worker that must run it. Default: the least busy worker. */
  readonly worker?: number;
  /**
   * Cancels the task: the promise rejects immediately, and `ctx.signal` aborts in the worker, with
   * the reason of this signal if that is an error.
   */
  readonly signal?: AbortSignal | null;
  /** Milliseconds from now on; 0 or Infinity means no limit. Default: that of the pool. */
  readonly timeoutMs?: number;
  /** Tasks of a higher priority start first. Default 0. */
  readonly priority?: number;
  /**
   * Memory to transfer: it is detached on this side afterwards. Between threads it is not even
   * copied. To threads also message ports and streams; to processes these are refused with
   * NEWEL_E_NOT_SENDABLE.
   */
  readonly transfer?: readonly Transferable[];
  /** The number of retries when its worker died. Default: that of the pool. */
  readonly retries?: number;
  /**
   * Waits for the end of a task that was cancelled or is late: `ctx.signal` aborts immediately,
   * after `graceMs` milliseconds the processes that the task started get SIGTERM, after `killMs`
   * more the worker is killed with its whole group. The promise settles with the outcome of the
   * task, or, if the worker had to be killed, rejects with NEWEL_E_CANCELLED or NEWEL_E_DEADLINE
   * whose `data.how` describes the end of the worker. The worker accepts no more tasks and is
   * replaced. A function is called at the time of the cancellation. Needs `processGroup`. Default:
   * the promise rejects immediately.
   */
  readonly graceMs?: number | (() => number);
  /**
   * The most resident memory of the worker's process group while the task runs, in bytes; checked
   * every 250 ms. Above it the group is killed, and the task rejects with NEWEL_E_POOL_MEMORY.
   * Needs `processGroup`. Default: no limit.
   */
  readonly memoryBytes?: number;
  /**
   * Answers the questions that the task asks by `ctx.ask`; called in the order of its questions.
   */
  readonly onAsk?: (question: unknown, info: ResultInfo) => unknown;
}

/** Options of a stream: it is never retried. */
export type StreamOptions = Omit<RunOptions, "retries">;

/** Options of a task for every worker. */
export interface BroadcastOptions extends Pick<RunOptions, "signal" | "timeoutMs"> {
  /**
   * Keeps the broadcast, and every new worker runs it before its first task, so that no worker has
   * stale state. A later broadcast with the same key replaces it; `true` counts as a separate key.
   */
  readonly sticky?: boolean | string;
}

/** Options for the end of a pool. */
export interface CloseOptions {
  /**
   * Milliseconds that tasks have to finish; the remaining tasks reject and their workers are
   * killed. Default 10,000.
   */
  readonly graceMs?: number;
  /**
   * `"drop"` immediately rejects tasks that wait in the pool, with NEWEL_E_POOL_CLOSED. Default
   * `"finish"`.
   */
  readonly queued?: "finish" | "drop";
}
