import type { JobJson, JobsOptions, ParentKeys } from "bullmq";

import type { JobTuple } from "./job-rows.ts";

/** A job as BullMQ reads it; the columns are those of `COLUMNS`. */
export function jobJson(row: JobTuple): JobJson {
  const [id, name, data, opts, progress, made, started, finishedAt, processedAt, addedAt] = row;
  const [delay, priority, reason, stacktrace, returnvalue, parent, parentKey] = row.slice(10);
  const [scheduler, deduplicationId, deferredFailure, worker, stalled] = row.slice(17);
  const json = {
    id: text(id),
    name: text(name),
    data: text(data),
    opts: JSON.parse(text(opts)) as JobsOptions,
    progress: JSON.parse(text(progress ?? "0")) as JobJson["progress"],
    attemptsMade: Number(made),
    attemptsStarted: Number(started),
    finishedOn: optional(finishedAt, Number),
    processedOn: optional(processedAt, Number),
    timestamp: Number(addedAt),
    delay: Number(delay),
    priority: Number(priority),
    failedReason: optional(reason, text),
    stacktrace: optional(stacktrace, text),
    returnvalue: optional(returnvalue, text),
    parent: optional(parent, (json) => JSON.parse(text(json)) as ParentKeys),
    parentKey: optional(parentKey, text),
    repeatJobKey: optional(scheduler, text),
    debounceId: optional(deduplicationId, text),
    deduplicationId: optional(deduplicationId, text),
    deferredFailure: optional(deferredFailure, text),
    processedBy: optional(worker, text),
    stalledCounter: Number(stalled),
  };
  // BullMQ's own stores leave missing fields undefined, also where the type says string.
  return json as JobJson;
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
