import type { FailedAttempt, RunError } from "./api.ts";
import { parseFailure } from "./failure.ts";
import { storedObject } from "./stored-json.ts";

/**
 * A failed attempt as one string of BullMQ's `stacktrace`: the stack as other tools show it, and a last
 * line with the other fields.
 */
const MARK = "newel attempt ";

/** The longest line of stderr that is stored, in characters. */
const LINE_LIMIT = 500;

export function formatAttemptRecord(stack: string, record: Omit<FailedAttempt, "stack">): string {
  const stderr = record.stderr?.map((line) => line.slice(0, LINE_LIMIT));
  const json = JSON.stringify({ ...record, ...(stderr === undefined ? {} : { stderr }) });
  return `${stack}\n${MARK}${json}`;
}

/** Reads stored failed attempts; an entry that newel did not write is a plain stack. */
export function parseAttemptRecords(stacktrace: unknown): readonly FailedAttempt[] {
  if (!Array.isArray(stacktrace)) return [];
  return stacktrace
    .filter((entry): entry is string => typeof entry === "string" && entry !== "")
    .map(parseEntry);
}

function parseEntry(entry: string, at: number): FailedAttempt {
  const end = entry.lastIndexOf(`\n${MARK}`);
  const record = end < 0 ? undefined : parseRecord(entry.slice(end + 1 + MARK.length));
  if (record !== undefined) return { ...record, stack: entry.slice(0, end) };
  const [first = ""] = entry.split("\n", 1);
  return { attempt: at + 1, error: parseFailure(first), stack: entry };
}

function parseRecord(json: string): Omit<FailedAttempt, "stack"> | undefined {
  const { attempt, error, startedMs, endedMs, server, stderr } = storedObject(json) ?? {};
  if (typeof attempt !== "number" || !isRunError(error)) return undefined;
  return {
    attempt,
    error,
    ...(typeof startedMs === "number" ? { startedMs } : {}),
    ...(typeof endedMs === "number" ? { endedMs } : {}),
    ...(typeof server === "string" ? { server } : {}),
    ...(Array.isArray(stderr) ? { stderr: stderr.map(String) } : {}),
  };
}

function isRunError(value: unknown): value is RunError {
  return (
    typeof value === "object" &&
    value !== null &&
    "name" in value &&
    typeof value.name === "string" &&
    "message" in value &&
    typeof value.message === "string"
  );
}
