import * as v from "valibot";

import type { Report } from "./report.ts";

const keys = v.array(v.union([v.string(), v.number()]));

const schema: v.GenericSchema<unknown, Report> = v.variant("type", [
  v.object({
    type: v.literal("value"),
    value: v.optional(v.unknown()),
    findings: v.array(v.object({ keys, says: v.string() })),
    script: v.exactOptional(v.string()),
  }),
  v.object({
    type: v.literal("failure"),
    file: v.exactOptional(v.string()),
    line: v.exactOptional(v.number()),
    message: v.string(),
  }),
]);

/** Reads a report; `undefined` when it is none. */
export function parseReport(line: string): Report | undefined {
  try {
    const result = v.safeParse(schema, JSON.parse(line));
    return result.success ? result.output : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
