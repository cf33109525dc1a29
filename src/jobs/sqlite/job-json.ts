import type { JobJson, JobsOptions, ParentKeys } from "bullmq";

import { parseStored, storedList, storedObject } from "../stored-json.ts";
import { unreadableFailure } from "../unreadable.ts";
import type { JobTuple } from "./job-rows.ts";

/**
 * A job as BullMQ reads it; the columns are those of `COLUMNS`. A job whose text cannot be parsed is read with other
 * values and a deferred failure, so that it is listed, and a worker that takes it fails it and does not execute it.
 */
export function jobJson(row: JobTuple): JobJson {
  const [id, name, data, opts, progress, made, started, finishedAt, processedAt, addedAt] = row;
  const [delay, priority, reason, stacktrace, returnvalue, parent, parentKey] = row.slice(10);
  const [scheduler, deduplicationId, deferredFailure, worker, stalled] = row.slice(17);
  const damaged: string[] = [];
  const readable = <Value>(field: string, value: Value | undefined, otherwise: Value): Value => {
    if (value !== undefined) return value;
    damaged.push(field);
    return otherwise;
  };
  const read = {
    data: readable("data", parseStored(data) && text(data), "null"),
    opts: readable<JobsOptions>("opts", options(opts, scheduler), {}),
    progress: readable("progress", parseStored(progress ?? "0"), { value: 0 }).value,
    stacktrace: readable(
      "stacktrace",
      storedList(stacktrace ?? "[]") && (stacktrace ?? null),
      null,
    ),
    returnvalue: readable(
      "returnvalue",
      parseStored(returnvalue ?? "null") && (returnvalue ?? null),
      null,
    ),
    parent: readable("parent", parents(parent), null),
  };
  const json = {
    id: text(id),
    name: text(name),
    data: read.data,
    opts: read.opts,
    progress: read.progress,
    attemptsMade: Number(made),
    attemptsStarted: Number(started),
    finishedOn: optional(finishedAt, Number),
    processedOn: optional(processedAt, Number),
    timestamp: Number(addedAt),
    delay: Number(delay),
    priority: Number(priority),
    failedReason: optional(reason, text),
    stacktrace: optional(read.stacktrace, text),
    returnvalue: optional(read.returnvalue, text),
    parent: read.parent ?? undefined,
    parentKey: optional(parentKey, text),
    repeatJobKey: optional(scheduler, text),
    debounceId: optional(deduplicationId, text),
    deduplicationId: optional(deduplicationId, text),
    deferredFailure:
      damaged.length > 0 ? unreadableFailure(text(id), damaged) : optional(deferredFailure, text),
    processedBy: optional(worker, text),
    stalledCounter: Number(stalled),
  };
  // BullMQ's own stores leave missing fields undefined, also where the type says string.
  return json as JobJson;
}

/** The options of a job. That of a scheduler has the times of its series, without which BullMQ cannot continue it. */
function options(json: JobTuple[number] | undefined, scheduler: unknown): JobsOptions | undefined {
  const opts = storedObject(json);
  if (opts === undefined || scheduler === null || scheduler === undefined) return opts;
  const { repeat } = opts;
  const isSeries =
    typeof repeat === "object" && repeat !== null && ("pattern" in repeat || "every" in repeat);
  return isSeries ? opts : undefined;
}

/** @returns `null` for a job without a parent */
function parents(json: JobTuple[number] | undefined): ParentKeys | null | undefined {
  if (json === null || json === undefined) return null;
  return storedObject(json) as ParentKeys | undefined;
}

function text(value: JobTuple[number] | undefined): string {
  return String(value);
}

function optional<T>(
  value: JobTuple[number] | undefined,
  read: (value: JobTuple[number]) => T,
): T | undefined {
  return value === null || value === undefined ? undefined : read(value);
}
