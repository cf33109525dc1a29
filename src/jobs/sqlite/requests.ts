import type { JobJson, JobsOptions, KeepJobs, ParentKeyOpts, WorkerOptions } from "bullmq";

import type { AddRequest } from "./operations/add.ts";
import type { AttemptFields, Keep } from "./operations/finish.ts";
import type { SchedulerFields } from "./operations/scheduler-fields.ts";
import type { IterationRequest } from "./operations/schedulers.ts";
import type { Taken, Taker } from "./operations/take.ts";
import type { RepeatableOptions } from "bullmq";
import { jobJson } from "./job-json.ts";
import {
  duration,
  freeText,
  jsonOf,
  keyText,
  optionalKey,
  optionsJson,
  whole,
  wholeSpan,
} from "./values.ts";

/** The options of a worker that its store uses; a queue has none of them. */
export type WorkerSettings = Partial<
  Pick<
    WorkerOptions,
    | "lockDuration"
    | "limiter"
    | "name"
    | "maxStalledCount"
    | "stalledInterval"
    | "metrics"
    | "removeOnComplete"
    | "removeOnFail"
  >
>;

const DEFAULT_LOCK_MS = 30_000;

/** Converts the arguments with which BullMQ adds a job. @throws NEWEL_E_STORE_ARGUMENT */
export function addRequest(job: JobJson, jobId: string, parent: ParentKeyOpts = {}): AddRequest {
  const { opts } = job;
  return {
    id: keyText(jobId ?? job.id, "The id of the job"),
    name: keyText(job.name, "The name of the job"),
    data: freeText(job.data, "The data of the job"),
    opts: endingOptions(opts, "The option"),
    addedAt: whole(job.timestamp, "The timestamp of the job"),
    delay: Math.max(0, wholeSpan(opts.delay ?? 0, "The delay of the job")),
    priority: whole(opts.priority ?? 0, "The priority of the job"),
    lifo: Boolean(opts.lifo),
    parentKey: optionalKey(job.parentKey ?? parent.parentKey, "The key of the parent"),
    parent: job.parent === undefined ? null : (jsonOf(job.parent, "The parent") ?? null),
    scheduler: optionalKey(job.repeatJobKey, "The id of the scheduler"),
    deduplication: optionalKey(job.deduplicationId, "The deduplication id"),
    deduplicate: deduplicationOf(opts),
    hasChildren: parent.addToWaitingChildren === true,
  };
}

/**
 * JSON of options, of which those are checked that the end of a job needs: an end cannot be refused any more.
 *
 * @throws NEWEL_E_STORE_ARGUMENT
 */
function endingOptions(opts: JobsOptions, what: string): string {
  const { attempts, backoff, removeOnComplete, removeOnFail } = opts;
  if (attempts !== undefined && attempts !== null) whole(attempts, "attempts");
  const delay = typeof backoff === "object" ? backoff?.delay : backoff;
  if (delay !== undefined && delay !== null) wholeSpan(delay, "The delay of the backoff");
  keepOf(removeOnComplete, undefined);
  keepOf(removeOnFail, undefined);
  return optionsJson(opts, what);
}

function deduplicationOf({ deduplication }: JobsOptions): AddRequest["deduplicate"] {
  if (deduplication === undefined || deduplication === null) return null;
  const { id, ttl, extend, replace, keepLastIfActive, reschedule } = deduplication;
  return {
    id: keyText(id, "The deduplication id"),
    ...(ttl === undefined || ttl === null ? {} : { ttl: duration(ttl, "deduplication.ttl") }),
    extend: Boolean(extend),
    replace: Boolean(replace),
    keepLastIfActive: Boolean(keepLastIfActive),
    reschedule: Boolean(reschedule),
  };
}

/** @throws NEWEL_E_STORE_ARGUMENT */
export function taker(settings: WorkerSettings, token: string, name: string | undefined): Taker {
  const { limiter, removeOnComplete, removeOnFail } = settings;
  // A worker whose options cannot be read takes no job, because it could not end one.
  keepOf(removeOnComplete, undefined);
  keepOf(removeOnFail, undefined);
  whole(settings.metrics?.maxDataPoints ?? 0, "metrics.maxDataPoints");
  return {
    token: keyText(token, "The token"),
    lockDuration: duration(settings.lockDuration ?? DEFAULT_LOCK_MS, "lockDuration"),
    name: optionalKey(name, "The name of the worker"),
    limiter:
      limiter === undefined || limiter === null
        ? null
        : {
            max: whole(limiter.max, "limiter.max"),
            duration: duration(limiter.duration, "limiter.duration"),
          },
    maxStalledCount: whole(settings.maxStalledCount ?? 1, "maxStalledCount"),
  };
}

/** The tuple a worker reads: job, id, how long a rate limit holds, when a delayed job is due. */
export type NextJob = [JobJson | null, string, number, number];

export function nextJob(taken: Taken): NextJob {
  if (taken === undefined) return [null, "", 0, 0];
  if ("job" in taken) {
    const job = jobJson(taken.job);
    return [job, job.id, 0, 0];
  }
  return "limitMs" in taken ? [null, "", taken.limitMs, 0] : [null, "", 0, taken.dueAt];
}

/** Which finished jobs are kept: all (`false`), none (`true`), a number of them, or by number and age. */
type KeepOption = boolean | number | KeepJobs | null | undefined;

/** Which finished jobs are kept: the job's own option, else the worker's, else all. @throws NEWEL_E_STORE_ARGUMENT */
function keepOf(option: KeepOption, ofWorker: KeepOption): Keep {
  const asked = option ?? ofWorker ?? false;
  if (typeof asked === "boolean") return asked ? { count: 0 } : {};
  const given: Readonly<Partial<Record<"count" | "age" | "limit", unknown>>> =
    typeof asked === "object" ? asked : { count: asked };
  const wanted: { -readonly [Name in keyof Keep]: Keep[Name] } = {};
  for (const name of ["count", "age", "limit"] as const) {
    const value = given[name];
    if (value === undefined || value === null) continue;
    const number = name === "age" ? wholeSpan(Number(value) * 1_000, name) : whole(value, name);
    if (number >= 0) wanted[name === "age" ? "ageMs" : name] = number;
  }
  return wanted;
}

/** The same for the end of a job: with options that cannot be read, which an earlier version stored, all jobs are kept. */
export function keepAtEnd(option: KeepOption, ofWorker: KeepOption): Keep {
  try {
    return keepOf(option, ofWorker);
  } catch {
    return {};
  }
}

/** The part of BullMQ's fields that is kept in columns. @throws NEWEL_E_STORE_ARGUMENT */
export function attemptFields(fields: Record<string, unknown> | undefined): AttemptFields | null {
  if (fields === undefined || fields === null) return null;
  const { failedReason, stacktrace } = fields;
  return {
    ...(failedReason === undefined
      ? {}
      : { failedReason: freeText(failedReason, "The reason of the failure") }),
    ...(stacktrace === undefined ? {} : { stacktrace: freeText(stacktrace, "The stack trace") }),
  };
}

/** @throws NEWEL_E_STORE_ARGUMENT */
export function schedulerFields(
  opts: RepeatableOptions,
  data: string,
  template: JobsOptions,
): SchedulerFields {
  const templateOpts = endingOptions(template, "The option");
  const given: Record<string, string | undefined> = {
    name: present(opts.name, (name) => keyText(name, "The name of the job")),
    tz: present(opts.tz, (tz) => keyText(tz, "tz")),
    limit: present(opts.limit, (limit) => String(whole(limit, "limit"))),
    pattern: present(opts.pattern, (pattern) => keyText(pattern, "pattern")),
    startDate: present(opts.startDate, (date) => String(whole(date, "startDate"))),
    endDate: present(opts.endDate, (date) => String(whole(date, "endDate"))),
    every: present(opts.every, (every) => String(wholeSpan(every, "every"))),
    offset: present(opts.offset || undefined, (offset) => String(whole(offset, "offset"))),
    opts: templateOpts === "{}" ? undefined : templateOpts,
    data: data === "{}" ? undefined : data,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

function present(value: unknown, read: (value: unknown) => string): string | undefined {
  return value === undefined || value === null ? undefined : read(value);
}

/** @throws NEWEL_E_STORE_ARGUMENT */
export function iterationRequest(opts: JobsOptions): IterationRequest {
  return {
    opts: JSON.parse(jsonOf(opts, "An option of the job") ?? "{}") as Record<string, unknown>,
    priority: whole(opts.priority ?? 0, "The priority of the job"),
    lifo: Boolean(opts.lifo),
    deduplication: optionalKey(opts.deduplication?.id, "The deduplication id"),
  };
}
