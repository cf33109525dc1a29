import type { EnqueueOptions } from "./api.ts";
import type { JobHandler, JobOptions, InputOf } from "./definition-types.ts";
import type { AnySchema, JobDefinition } from "./definition.ts";
import { jobs } from "./jobs.ts";
import { jobNameProblem, optionError } from "./names.ts";
import { resolveOptions } from "./options.ts";
import { callerPlace, register } from "./registry.ts";

/**
 * Defines a job. The same module is imported by the program that enqueues and by the job
 * server that runs it.
 *
 * ```ts
 * export const importContacts = job("import-contacts", { input: schema }, async (input, ctx) => { … });
 * ```
 *
 * @param name - letters, digits, `_`, `.` and `-`; a process has one definition per name
 * @throws NEWEL_E_JOB_OPTION naming the option, its value and a valid value
 * @throws NEWEL_E_JOB_DEFINED other code has defined that name
 */
export function job<Result, Schema extends AnySchema = undefined>(
  name: string,
  options: JobOptions<Schema>,
  handler: JobHandler<InputOf<Schema>, Result>,
): JobDefinition<Schema, Result> {
  const problem = jobNameProblem(name);
  if (problem !== undefined) throw optionError("a job", "name", name, problem);
  const resolved = resolveOptions(name, options);
  if (typeof handler !== "function")
    throw optionError(`the job ${name}`, "handler", handler, "a function: async (input, ctx) => …");
  const definition: JobDefinition<Schema, Result> = {
    name,
    input: options.input as Schema,
    options: resolved,
    keyOf: (input) => options.key?.(input),
    groupOf: (input) => options.group?.(input),
    handler,
    enqueue: (...args: [input?: unknown, options?: EnqueueOptions]) =>
      jobs.enqueue(definition, ...(args as never)),
    schedule: (id, when, ...args) => jobs.schedule(definition, id, when, ...(args as never)),
    unschedule: (id) => jobs.unschedule(definition, id),
  };
  register(definition, callerPlace());
  return definition;
}
