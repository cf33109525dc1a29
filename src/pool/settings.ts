import { availableParallelism } from "node:os";
import { basename } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { ResourceLimits } from "node:worker_threads";

import type { Backoff } from "../base/backoff.ts";
import { encodeBody } from "./body.ts";
import {
  abortSignal,
  anyValue,
  bytes,
  callback,
  checkOptions,
  duration,
  either,
  environment,
  finite,
  flag,
  oneOf,
  refuse,
  text,
  texts,
  transferable,
  whole,
  type Rules,
} from "./option-rules.ts";
import type { PoolOptions, RecycleLimits, RunOptions, SizeRange, WorkerKind } from "./options.ts";

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
  readonly stallMs: number;
  readonly blockedMs: number;
  readonly startMs: number;
  readonly statsMs: number;
  readonly backoff: Backoff;
  readonly recycle: RecycleLimits;
  readonly telemetry: boolean;
  readonly data: unknown;
  /** Whether the pool reads the output of its workers. */
  readonly readsOutput: boolean;
}

const NUMBERED_SIZE: Rules = { min: whole(0), max: whole(1), idleMs: duration(0) };
const RECYCLE: Rules = { tasks: whole(1), ageMs: duration(10), rssBytes: bytes(1) };
const BACKOFF: Rules = { minMs: whole(1), maxMs: whole(1), factor: finite, jitter: finite };

const POOL: Rules = {
  worker: anyValue,
  size: anyValue,
  concurrency: whole(1),
  queueSize: whole(1),
  resultQueueSize: whole(1),
  kind: oneOf("process", "thread"),
  data: anyValue,
  env: environment,
  execArgv: texts,
  title: text,
  processGroup: flag,
  name: text,
  resourceLimits: anyValue,
  retries: whole(0),
  timeoutMs: duration(0),
  killMs: duration(0),
  stallMs: duration(0),
  blockedMs: duration(20),
  startMs: duration(1),
  backoff: anyValue,
  recycle: anyValue,
  statsMs: duration(10),
  telemetry: flag,
  onResult: callback,
  onError: callback,
  onOutput: callback,
};

const RESOURCE_LIMITS: Rules = {
  maxYoungGenerationSizeMb: finite,
  maxOldGenerationSizeMb: finite,
  codeRangeSizeMb: finite,
  stackSizeMb: finite,
};

/**
 * Checks the options and fills in the defaults.
 *
 * @throws NEWEL_E_POOL_OPTION
 * @throws NEWEL_E_NOT_SENDABLE when `data` cannot be copied
 */
export function resolveOptions(options: PoolOptions<never, never, never>): Settings {
  checkOptions(options, POOL);
  const worker = moduleUrl(options.worker);
  const name = options.name ?? basename(fileURLToPath(worker)).replace(/\.[^.]*$/, "");
  const { min, max, idleMs = 10_000 } = sizes(options.size ?? availableParallelism());
  const { kind = "process", processGroup = false } = options;
  if (processGroup && (kind === "thread" || process.platform === "win32"))
    throw refuse("processGroup", true, "only processes have groups, and not on Windows");
  const { backoff = { minMs: 100, maxMs: 10_000 }, recycle = {}, resourceLimits } = options;
  checkOptions(recycle, RECYCLE, "recycle.");
  checkBackoff(backoff);
  if (resourceLimits !== undefined)
    checkOptions(resourceLimits, RESOURCE_LIMITS, "resourceLimits.");
  // Data that cannot be copied is refused here, not when the first worker starts.
  encodeBody(options.data, kind === "thread");
  return {
    worker,
    name,
    kind,
    min,
    max,
    idleMs,
    title: options.title ?? `${name} worker`,
    concurrency: options.concurrency ?? 256,
    queueSize: options.queueSize ?? 1_000,
    resultQueueSize: options.resultQueueSize ?? 1_000,
    env: options.env ?? {},
    execArgv: options.execArgv,
    resourceLimits,
    processGroup,
    retries: options.retries ?? 0,
    timeoutMs: options.timeoutMs ?? 0,
    killMs: options.killMs ?? 1_000,
    stallMs: options.stallMs ?? 10_000,
    blockedMs: options.blockedMs ?? Number.POSITIVE_INFINITY,
    startMs: options.startMs ?? 30_000,
    statsMs: options.statsMs ?? 10_000,
    backoff,
    recycle,
    telemetry: options.telemetry ?? false,
    data: options.data,
    readsOutput: options.onOutput !== undefined,
  };
}

function checkBackoff(backoff: Backoff): void {
  checkOptions(backoff, BACKOFF, "backoff.");
  const { minMs, maxMs, factor = 2, jitter = 0 } = backoff;
  for (const [name, value] of [
    ["backoff.minMs", minMs],
    ["backoff.maxMs", maxMs],
  ] as const)
    if (value === undefined) throw refuse(name, value, "it is missing");
  if (maxMs < minMs) throw refuse("backoff.maxMs", maxMs, `it is less than minMs, ${minMs}`);
  if (factor < 1) throw refuse("backoff.factor", factor, "it has to be at least 1");
  if (jitter < 0 || jitter > 1) throw refuse("backoff.jitter", jitter, "it has to be 0 to 1");
}

function moduleUrl(worker: unknown): URL {
  if (worker instanceof URL && worker.protocol === "file:") return worker;
  const path = worker instanceof URL ? worker.href : worker;
  if (typeof path === "string" && path.startsWith("file:")) return new URL(path);
  if (typeof path === "string" && (path.startsWith("/") || /^[A-Za-z]:[\\/]/.test(path)))
    return pathToFileURL(path);
  throw refuse("worker", path, "it is neither a file URL nor an absolute path");
}

function sizes(size: number | SizeRange): SizeRange {
  if (typeof size !== "object") {
    const why = whole(1)(size);
    if (why !== undefined) throw refuse("size", size, why);
    return { min: size, max: size };
  }
  checkOptions(size, NUMBERED_SIZE, "size.");
  const { min, max } = size;
  for (const [name, value, atLeast] of [
    ["size.min", min, 0],
    ["size.max", max, Math.max(1, min)],
  ] as const) {
    const why = whole(atLeast)(value);
    if (why !== undefined) throw refuse(name, value, why);
  }
  return size;
}

const TASK: Rules = {
  worker: whole(0),
  timeoutMs: duration(0),
  priority: finite,
  transfer: transferable,
  retries: whole(0),
  graceMs: either(duration(0), callback),
  memoryBytes: whole(1),
  onAsk: callback,
};
const RUN: Rules = { ...TASK, signal: abortSignal };
const { retries: _retries, ...STREAM } = RUN;
const BROADCAST: Rules = {
  timeoutMs: duration(0),
  signal: abortSignal,
  sticky: either(flag, text),
};
const CLOSE: Rules = { graceMs: duration(0), queued: oneOf("finish", "drop") };

/** The options of a call without any: they need no check. */
export const NO_OPTIONS: RunOptions = {};

/** @throws NEWEL_E_POOL_OPTION */
export const checkRun = (options: unknown): void => checkOptions(options, RUN);
/** @throws NEWEL_E_POOL_OPTION */
export const checkStream = (options: unknown): void => checkOptions(options, STREAM);
/** @throws NEWEL_E_POOL_OPTION */
export const checkPut = (options: unknown): void => checkOptions(options, TASK);
/** @throws NEWEL_E_POOL_OPTION */
export const checkBroadcast = (options: unknown): void => checkOptions(options, BROADCAST);
/** @throws NEWEL_E_POOL_OPTION */
export const checkClose = (options: unknown): void => checkOptions(options, CLOSE);

/** These flags would make a worker reopen the debugger's port, or run the tests again. */
const OWN_FLAGS =
  /^(--inspect|--debug|--test|--watch|--experimental-test|--eval|--print|--check|--input-type|--interactive|-[epci]+$)/;
const FLAGS_WITH_VALUE = /^(--eval|--print|-[ep]+|--input-type)$/;

/**
 * The flags of this process that are useful for its worker processes; threads inherit them anyway.
 */
export function inheritedFlags(flags: readonly string[]): string[] {
  return flags.filter(
    (flag, at) => !OWN_FLAGS.test(flag) && !FLAGS_WITH_VALUE.test(flags[at - 1] ?? ""),
  );
}
