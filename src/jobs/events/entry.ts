import type { Progress, RunState } from "../api.ts";

/** One event of a queue's stream that concerns a run, as the store has it. */
export interface Entry {
  readonly id: string;
  /** BullMQ's id of the job. */
  readonly job: string;
  readonly kind: EntryKind;
  /** Of `state`. */
  readonly state?: RunState;
  /** Of `progress`. */
  readonly progress?: Progress;
  /** Of a run that ended: its result as JSON, or why it failed. Left out when it is long. */
  readonly detail?: string;
}

/** `look`: something is different, the run itself says what. `removed`: there is no such run any more. */
type EntryKind = "state" | "progress" | "look" | "removed";

const STATES: Readonly<Record<string, RunState>> = {
  waiting: "waiting",
  "waiting-children": "waiting",
  delayed: "delayed",
  active: "running",
  completed: "done",
  failed: "failed",
};

/** Events that say nothing about where the run is. */
const MEANINGLESS = new Set([
  "added",
  "duplicated",
  "deduplicated",
  "debounced",
  "stalled",
  "retries-exhausted",
]);

/** What is longer is not kept in memory: the run has it. */
const DETAIL_LENGTH = 4_096;

/** Reads one entry of a stream; `undefined` for those that concern no run. */
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
  return progressOf(parseJson(text ?? ""));
}

/** `undefined` for what is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** BullMQ's progress as ours: what the job server stores, or percent; 0 is what it has before any. */
export function progressOf(value: unknown): Progress | undefined {
  if (typeof value === "number") return value === 0 ? undefined : { done: value, total: 100 };
  if (typeof value !== "object" || value === null) return undefined;
  const { done, total, note } = value as Record<string, unknown>;
  if (typeof done !== "number" || typeof total !== "number") return undefined;
  return typeof note === "string" ? { done, total, note } : { done, total };
}
