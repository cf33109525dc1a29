import type { Progress, RunState } from "../api.ts";
import { parseStored } from "../stored-json.ts";

/** One stored event of a queue's stream about a run. */
export interface Entry {
  readonly id: string;
  /** BullMQ's id of the job. */
  readonly job: string;
  readonly kind: EntryKind;
  /** The state, for events of type `state`. */
  readonly state?: RunState;
  /** The progress, for events of type `progress`. */
  readonly progress?: Progress;
  /** For a finished run: its result as JSON, or its failure. Omitted when it is long. */
  readonly detail?: string;
}

/** `look`: the run has changed and has to be read again. `removed`: the run was removed. */
type EntryKind = "state" | "progress" | "look" | "removed";

const STATES: Readonly<Record<string, RunState>> = {
  waiting: "waiting",
  "waiting-children": "waiting",
  delayed: "delayed",
  active: "running",
  completed: "done",
  failed: "failed",
};

/** Events without information about the state of a run. */
const MEANINGLESS = new Set([
  "added",
  "duplicated",
  "deduplicated",
  "debounced",
  "stalled",
  "retries-exhausted",
]);

/** A longer result is not kept in memory; it is read from the run. In characters. */
const DETAIL_LENGTH = 4_096;

/** Reads one entry of a stream; `undefined` for an entry that is not about a run. */
export function parseEntry(id: string, fields: readonly string[]): Entry | undefined {
  const values = new Map<string, string>();
  for (let at = 0; at + 1 < fields.length; at += 2)
    values.set(String(fields[at]), String(fields[at + 1]));
  const event = values.get("event");
  const job = values.get("jobId");
  if (event === undefined || job === undefined || MEANINGLESS.has(event)) return undefined;
  if (event === "removed") return { id, job, kind: "removed" };
  if (event === "progress") {
    const progress = parseProgress(values.get("data"));
    return progress === undefined
      ? { id, job, kind: "look" }
      : { id, job, kind: "progress", progress };
  }
  const state = STATES[event];
  if (state === undefined) return { id, job, kind: "look" };
  const detail = values.get("returnvalue") ?? values.get("failedReason");
  return detail === undefined || detail.length > DETAIL_LENGTH
    ? { id, job, kind: "state", state }
    : { id, job, kind: "state", state, detail };
}

function parseProgress(text: string | undefined): Progress | undefined {
  return progressOf(parseStored(text)?.value);
}

/**
 * Converts BullMQ's progress: the object that the job server stores, or percent; 0 is BullMQ's value before any
 * report.
 */
export function progressOf(value: unknown): Progress | undefined {
  if (typeof value === "number") return value === 0 ? undefined : { done: value, total: 100 };
  if (typeof value !== "object" || value === null) return undefined;
  const { done, total, note } = value as Record<string, unknown>;
  if (typeof done !== "number" || typeof total !== "number") return undefined;
  return typeof note === "string" ? { done, total, note } : { done, total };
}
