import type { StandardSchemaV1 } from "@standard-schema/spec";

import { newelError } from "../base/errors.ts";

/** The largest number of problems of an input that an error names. */
const SHOWN = 5;

/**
 * Checks an input against a schema and returns the schema's output.
 *
 * @throws NEWEL_E_JOB_INPUT with the path and message of each problem
 */
export async function checkInput(
  schema: StandardSchemaV1 | undefined,
  input: unknown,
  job: string,
): Promise<unknown> {
  if (schema === undefined) return input;
  const result = await schema["~standard"].validate(input);
  if (result.issues === undefined) return result.value;
  const lines = result.issues.slice(0, SHOWN).map(describe);
  const more = result.issues.length - lines.length;
  const problems = [...lines, ...(more > 0 ? [`and ${more} more`] : [])].join("; ");
  throw newelError("NEWEL_E_JOB_INPUT", { job, problems });
}

function describe({ path = [], message }: StandardSchemaV1.Issue): string {
  const keys = path.map((part) => String(typeof part === "object" ? part.key : part));
  return keys.length === 0 ? message : `${keys.join(".")}: ${message}`;
}
