import { availableParallelism } from "node:os";
import { basename } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { ResourceLimits } from "node:worker_threads";

import type { Backoff } from "../base/backoff.ts";
import { newelError } from "../base/errors.ts";
import { encodeBody } from "./body.ts";

/** A process has memory and a heap of its own; a thread can be handed memory without a copy. */
export type WorkerKind = "process" | "thread";

/** Workers between `min` and `max`: more when tasks wait, fewer after `idleMs` without a task. */
export interface SizeRange {
  readonly min: number;
  readonly max: number;
  /** Milliseconds without a task after which a worker above `min` ends. Default 10,000. */
  readonly idleMs?: number;
}

/** When a worker is replaced by a new one, which is ready before the old one leaves. */
export interface RecycleLimits {
  /** After this many tasks. */
  readonly tasks?: number;
  /** At this age, in milliseconds; looked at every `statsMs`. */
  readonly ageMs?: number;
  /** When its resident memory is larger, in bytes; looked at every `statsMs`. */
  readonly rssBytes?: number;
}

/** Where a result or message came from. */
export interface ResultInfo {
  readonly worker: number;
}

export interface PoolOptions<Task = unknown, Result = unknown, Message = unknown, Data = unknown> {
  /** The worker module: a file URL (`new URL("./worker.ts", import.meta.url)`) or an absolute path. */
  readonly worker: URL | string;
  /** How many workers, or a range. Default: one for each processor. */
  readonly size?: number | SizeRange;
  /** Tasks that run in one worker at most. Default 256. */
  readonly concurrency?: number;
  /** Tasks that wait for one worker at most; the pool holds `size` times as many. Default 1,000. */
  readonly queueSize?: number;
  /** Results and messages that wait for `onResult` or the iteration at most. Default 1,000. */
  readonly resultQueueSize?: number;
  /** Default `"process"`. */
  readonly kind?: WorkerKind;
  /** Given to every worker's `setup`; copied as tasks are. */
  readonly data?: Data;
  /** Added to this process's environment for the workers. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Flags of Node.js for the workers. Default: this process's, without those of debugging and tests. */
  readonly execArgv?: readonly string[];
  /** Title of the worker processes, the number is added. Default `NAME worker`. */
  readonly title?: string;
  /**
   * Each worker process leads a session and a process group of its own. A terminal's Ctrl-C does not
   * reach it, and when it ends, however that comes about, all that it started ends as well; also
   * when this program dies. Not for threads. Default false.
   */
  readonly processGroup?: boolean;
  /** Names the pool in errors and titles. Default: the file name of the worker module. */
  readonly name?: string;
  /** Heap limits of thread workers; for processes give `--max-old-space-size` in `execArgv`. */
  readonly resourceLimits?: ResourceLimits;
  /** How often a task whose worker died is run again. Default 0: it rejects. */
  readonly retries?: number;
  /** Milliseconds a task has, from `run` on, unless it says otherwise. Default: no limit. */
  readonly timeoutMs?: number;
  /**
   * Milliseconds that a worker may stand still after the time of its task is over, or the task was
   * cancelled, before it is killed; for tasks with `graceMs` from SIGTERM to SIGKILL. Default 1,000.
   */
  readonly killMs?: number;
  /** Milliseconds a worker has to load its module and to run `setup`. Default 30,000. */
  readonly startMs?: number;
  /** The waits between failing starts. Default 100 ms to 10 s, doubled each time. */
  readonly backoff?: Backoff;
  readonly recycle?: RecycleLimits;
  /** Milliseconds between two looks at the workers' resources, and two `stats` events. Default 10,000. */
  readonly statsMs?: number;
  /** Carries the OpenTelemetry context to the workers and records metrics, if the API package is there. */
  readonly telemetry?: boolean;
  /**
   * Takes the results of `put` tasks and the messages of workers. Until a promise it returns settles
   * the result counts as pending; with `resultQueueSize` pending the workers slow down.
   */
  readonly onResult?: (result: Result | Message, info: ResultInfo) => unknown;
  /** Takes what nobody else hears of: errors of `put` tasks and of `onResult`. Else they are `error` events. */
  readonly onError?: (
    error: unknown,
    info: { readonly worker: number; readonly task?: Task },
  ) => void;
}

/** How one task is run. */
export interface RunOptions {
  /** The number of the worker that has to run it. Default: the least busy one. */
  readonly worker?: number;
  /** Aborts: the promise rejects at once, and `ctx.signal` aborts in the worker; its reason is this one's if that is an error. */
  readonly signal?: AbortSignal;
  /** Milliseconds from now on; 0 for no limit. Default: that of the pool. */
  readonly timeoutMs?: number;
  /** Tasks of a higher priority start first. Default 0. */
  readonly priority?: number;
  /** Memory that is handed over: it is empty here afterwards. Between threads it is not even copied. */
  readonly transfer?: readonly ArrayBuffer[];
  /** How often it is run again when its worker died. Default: that of the pool. */
  readonly retries?: number;
  /**
   * Waits for the end of a task that was cancelled or is late: `ctx.signal` aborts at once, after
   * `graceMs` what the task started gets SIGTERM, after `killMs` more the worker is killed with its
   * whole group. The promise settles as the task then does, or, when it had to be killed, rejects
   * with NEWEL_E_CANCELLED or NEWEL_E_DEADLINE whose `data.how` says how the worker ended. The worker
   * takes no more tasks and is replaced. Needs `processGroup`. Default: the promise rejects at once.
   */
  readonly graceMs?: number;
  /**
   * How much resident memory the worker's process group may have while the task runs, in bytes;
   * looked at every 250 ms. With more the group is killed, and the task rejects with
   * NEWEL_E_POOL_MEMORY. Needs `processGroup`. Default: no limit.
   */
  readonly memoryBytes?: number;
  /** Answers what the task asks by `ctx.ask`; called in the order of its questions. */
  readonly onAsk?: (question: unknown, info: ResultInfo) => unknown;
}

/** A task for each worker. */
export interface BroadcastOptions extends Pick<RunOptions, "signal" | "timeoutMs"> {
  /**
   * Kept, and run by every new worker before its first task, so that no worker has a stale state. A
   * later broadcast with the same key takes its place; `true` is a key of its own.
   */
  readonly sticky?: boolean | string;
}

/** How `close` ends a pool. */
export interface CloseOptions {
  /** Milliseconds that tasks have to finish; those left reject and their workers are killed. Default 10,000. */
  readonly graceMs?: number;
}

/** The options with their defaults. */
export interface Settings {
  readonly worker: URL;
  readonly name: string;
  readonly title: string;
  readonly kind: WorkerKind;
  readonly min: number;
  readonly max: number;
  readonly idleMs: number;
  readonly concurrency: number;
  readonly queueSize: number;
  readonly resultQueueSize: number;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly execArgv: readonly string[] | undefined;
  readonly resourceLimits: ResourceLimits | undefined;
  readonly processGroup: boolean;
  readonly retries: number;
  readonly timeoutMs: number;
  readonly killMs: number;
  readonly startMs: number;
  readonly statsMs: number;
  readonly backoff: Backoff;
  readonly recycle: RecycleLimits;
  readonly telemetry: boolean;
  readonly data: unknown;
}

/**
 * Checks the options and fills in the defaults.
 *
 * @throws NEWEL_E_POOL_OPTION
 * @throws NEWEL_E_NOT_SENDABLE when `data` cannot be copied
 */
export function resolveOptions(options: PoolOptions<never, never, never>): Settings {
  const worker = moduleUrl(options.worker);
  const name = options.name ?? basename(fileURLToPath(worker)).replace(/\.[^.]*$/, "");
  const { min, max, idleMs = 10_000 } = sizes(options.size ?? availableParallelism());
  const kind: string = options.kind ?? "process";
  if (kind !== "process" && kind !== "thread")
    throw refuse("kind", kind, 'it is neither "process" nor "thread"');
  const { processGroup = false } = options;
  if (processGroup && (kind === "thread" || process.platform === "win32"))
    throw refuse("processGroup", "true", "only processes have groups, and not on Windows");
  // What no worker could be given is refused here and not when the first one starts.
  encodeBody(options.data, kind === "thread");
  return {
    worker,
    name,
    kind,
    min,
    max,
    idleMs: count("size.idleMs", idleMs, 0),
    title: options.title ?? `${name} worker`,
    concurrency: count("concurrency", options.concurrency ?? 256, 1),
    queueSize: count("queueSize", options.queueSize ?? 1_000, 1),
    resultQueueSize: count("resultQueueSize", options.resultQueueSize ?? 1_000, 1),
    env: options.env ?? {},
    execArgv: options.execArgv,
    resourceLimits: options.resourceLimits,
    processGroup,
    retries: count("retries", options.retries ?? 0, 0),
    timeoutMs: count("timeoutMs", options.timeoutMs ?? 0, 0),
    killMs: count("killMs", options.killMs ?? 1_000, 0),
    startMs: count("startMs", options.startMs ?? 30_000, 1),
    statsMs: count("statsMs", options.statsMs ?? 10_000, 10),
    backoff: options.backoff ?? { minMs: 100, maxMs: 10_000 },
    recycle: options.recycle ?? {},
    telemetry: options.telemetry ?? false,
    data: options.data,
  };
}

function moduleUrl(worker: URL | string): URL {
  if (worker instanceof URL && worker.protocol === "file:") return worker;
  const text = String(worker);
  if (text.startsWith("file:")) return new URL(text);
  if (text.startsWith("/") || /^[A-Za-z]:[\\/]/.test(text)) return pathToFileURL(text);
  throw refuse("worker", text, "it is neither a file URL nor an absolute path");
}

function sizes(size: number | SizeRange): SizeRange {
  if (typeof size === "number") {
    count("size", size, 1);
    return { min: size, max: size };
  }
  count("size.min", size.min, 0);
  count("size.max", size.max, Math.max(1, size.min));
  return size;
}

/** A whole number of at least so much. */
export function count(option: string, value: number, atLeast: number): number {
  if (Number.isInteger(value) && value >= atLeast) return value;
  throw refuse(option, String(value), `it has to be a whole number of at least ${atLeast}`);
}

export function refuse(option: string, value: string, why: string): Error {
  return newelError("NEWEL_E_POOL_OPTION", { option, value, why });
}

/** A worker that opened the debugger's port again, or ran the tests again, would be of no use. */
const OWN_FLAGS =
  /^(--inspect|--debug|--test|--watch|--experimental-test|--eval|--print|--check|--input-type|--interactive|-[epci]+$)/;
const FLAGS_WITH_VALUE = /^(--eval|--print|-[ep]+|--input-type)$/;

/** The flags of this process that are of use to its worker processes; threads have them anyway. */
export function inheritedFlags(flags: readonly string[]): string[] {
  return flags.filter(
    (flag, at) => !OWN_FLAGS.test(flag) && !FLAGS_WITH_VALUE.test(flags[at - 1] ?? ""),
  );
}
