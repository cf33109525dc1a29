import * as v from "valibot";

import { newelError } from "../../base/errors.ts";
import type { EnqueueRequest, FlowRequest, ListFilter, ScheduleRequest, Scope } from "../api.ts";
import { jobNameProblem } from "../names.ts";
import { MOST_DELAY_MS } from "../options.ts";

/**
 * Parses the requests from other machines before they are used. The sender knows the auth
 * key, but may be another version of newel, or faulty.
 */

const text = (limit: number) =>
  v.pipe(
    v.string(),
    v.nonEmpty(),
    v.maxLength(limit),
    // A lone surrogate cannot be encoded in UTF-8.
    v.check((value) => value.isWellFormed(), "it is not Unicode"),
  );
const name = v.pipe(
  v.string(),
  v.check((value) => jobNameProblem(value) === undefined, "it cannot be a name"),
);
const ms = v.pipe(
  v.number(),
  v.finite(),
  v.minValue(0),
  v.maxValue(MOST_DELAY_MS),
  v.transform((value) => Math.ceil(value)),
);
const whole = v.pipe(v.number(), v.safeInteger());
const id = text(500);
const by = v.optional(v.union([text(500), v.pipe(v.number(), v.finite())]));
const kept = v.strictObject({ ageMs: ms });

const run = v.strictObject({
  id: v.optional(v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/))),
  name,
  queue: name,
  input: v.unknown(),
  by: v.optional(text(500)),
  key: v.optional(text(500)),
  group: v.optional(text(500)),
  delayMs: ms,
  priority: v.optional(v.pipe(whole, v.minValue(1), v.maxValue(2_097_151))),
  attempts: v.pipe(whole, v.minValue(1), v.maxValue(1_000)),
  backoff: v.strictObject({ minMs: ms, maxMs: ms }),
  keep: v.strictObject({ done: kept, failed: kept }),
  trace: v.optional(v.record(v.string(), v.string())),
});

const schedule = v.strictObject({
  id: name,
  cron: v.optional(text(200)),
  tz: v.optional(text(100)),
  everyMs: v.optional(v.pipe(ms, v.minValue(1))),
  run,
});

/** The largest number of levels and runs of a flow. */
const FLOW_LIMIT = 1_000;

const flow: v.GenericSchema<FlowRequest> = v.strictObject({
  run,
  children: v.array(v.lazy(() => flow)),
}) as v.GenericSchema<FlowRequest>;

const filter = v.strictObject({
  by,
  active: v.optional(v.boolean()),
  states: v.optional(
    v.array(v.picklist(["waiting", "delayed", "running", "done", "failed", "cancelled"])),
  ),
  queue: v.optional(name),
  name: v.optional(name),
  error: v.optional(v.pipe(v.string(), v.maxLength(1_000))),
  sinceMs: v.optional(ms),
  limit: v.optional(v.pipe(whole, v.minValue(1), v.maxValue(1_000))),
  cursor: v.optional(text(500)),
});

/** Readers of each kind of argument; each throws NEWEL_E_JOB_REQUEST. */
export const read = {
  run: (value: unknown): EnqueueRequest => parse(run, value) as EnqueueRequest,
  schedule: (value: unknown): ScheduleRequest => parse(schedule, value) as ScheduleRequest,
  flow: (value: unknown): FlowRequest => {
    checkFlow(value, 0, { count: 0 });
    return parse(flow, value);
  },
  filter: (value: unknown): ListFilter => parse(filter, value) as ListFilter,
  scope: (value: unknown): Scope => parse(v.strictObject({ by }), value) as Scope,
  id: (value: unknown): string => parse(id, value),
  queue: (value: unknown): string => parse(name, value),
  flag: (value: unknown): boolean => parse(v.boolean(), value),
  after: (value: unknown): string | undefined => parse(v.nullish(text(200)), value) ?? undefined,
};

/** Checks the depth before a recursive parser reads the value. */
function checkFlow(value: unknown, depth: number, seen: { count: number }): void {
  seen.count += 1;
  if (depth > 50 || seen.count > FLOW_LIMIT)
    throw newelError("NEWEL_E_LIMIT", {
      what: "the runs of a flow",
      limit: FLOW_LIMIT,
      unit: "runs",
    });
  if (typeof value !== "object" || value === null || !("children" in value)) return;
  if (!Array.isArray(value.children)) return;
  for (const child of value.children as unknown[]) checkFlow(child, depth + 1, seen);
}

function parse<Value>(schema: v.GenericSchema<unknown, Value>, value: unknown): Value {
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const [issue] = result.issues;
  const where = v.getDotPath(issue);
  const why = where === null ? issue.message : `${where}: ${issue.message}`;
  throw newelError("NEWEL_E_JOB_REQUEST", { why });
}
