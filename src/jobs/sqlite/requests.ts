import type { JobJson, JobsOptions, KeepJobs, ParentKeyOpts, WorkerOptions } from "bullmq";

import type { AddRequest } from "./operations/add.ts";
import type { AttemptFields, Keep } from "./operations/finish.ts";
import type { IterationRequest, SchedulerFields } from "./operations/schedulers.ts";
import type { Taken, Taker } from "./operations/take.ts";
import type { RepeatableOptions } from "bullmq";
import { jobJson } from "./job-json.ts";

/** The options of a worker that its store goes by; a queue has none of them. */
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

/** What BullMQ hands over to add a job. */
export function addRequest(job: JobJson, jobId: string, parent: ParentKeyOpts = {}): AddRequest {
  const { opts } = job;
  return {
    id: jobId ?? job.id ?? "",
    name: job.name,
    data: job.data,
    opts: JSON.stringify(opts),
    addedAt: job.timestamp,
    delay: typeof opts.delay === "number" && opts.delay > 0 ? opts.delay : 0,
    priority: opts.priority ?? 0,
    lifo: opts.lifo === true,
    parentKey: job.parentKey ?? parent.parentKey ?? null,
    parent: job.parent === undefined ? null : JSON.stringify(job.parent),
    scheduler: job.repeatJobKey ?? null,
    deduplication: job.deduplicationId ?? null,
    deduplicate: opts.deduplication ?? null,
    hasChildren: parent.addToWaitingChildren === true,
  };
}

export function taker(settings: WorkerSettings, token: string, name: string | undefined): Taker {
  return {
    token,
    lockDuration: settings.lockDuration ?? DEFAULT_LOCK_MS,
    name: name ?? null,
    limiter: settings.limiter ?? null,
    maxStalledCount: settings.maxStalledCount ?? 1,
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

/** How many finished jobs are kept: the job's own option, else the worker's, else all. */
export function keepOf(
  option: boolean | number | KeepJobs | undefined,
  ofWorker: KeepJobs | undefined,
): Keep {
  if (option === undefined) return ofWorker ?? {};
  if (typeof option === "object") return option;
  if (typeof option === "number") return option < 0 ? {} : { count: option };
  return option ? { count: 0 } : {};
}

/** The part of BullMQ's fields that is kept in columns. */
export function attemptFields(fields: Record<string, unknown> | undefined): AttemptFields | null {
  if (fields === undefined) return null;
  const { failedReason, stacktrace } = fields;
  return {
    ...(typeof failedReason === "string" ? { failedReason } : {}),
    ...(typeof stacktrace === "string" ? { stacktrace } : {}),
  };
}

export function schedulerFields(
  opts: RepeatableOptions,
  data: string,
  template: JobsOptions,
): SchedulerFields {
  const templateOpts = JSON.stringify(template);
  const given: Record<string, string | undefined> = {
    name: opts.name,
    tz: opts.tz,
    limit: textOf(opts.limit),
    pattern: opts.pattern,
    startDate: textOf(opts.startDate),
    endDate: textOf(opts.endDate),
    every: textOf(opts.every),
    offset:
      opts.offset === undefined || opts.offset === null || opts.offset === 0
        ? undefined
        : String(opts.offset),
    opts: templateOpts === "{}" ? undefined : templateOpts,
    data: data === "{}" ? undefined : data,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

function textOf(value: number | undefined | null): string | undefined {
  return value === undefined || value === null ? undefined : String(value);
}

export function iterationRequest(opts: JobsOptions): IterationRequest {
  return {
    opts: JSON.parse(JSON.stringify(opts)) as Record<string, unknown>,
    priority: opts.priority ?? 0,
    lifo: opts.lifo === true,
    deduplication: opts.deduplication?.id ?? null,
  };
}
