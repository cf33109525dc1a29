import type { StandardSchemaV1 } from "@standard-schema/spec";

import { hasCode, newelError } from "../../base/errors.ts";
import type { JobHandler } from "../api.ts";
import { toRunError } from "../failure.ts";
import { checkInput } from "../input.ts";
import { checkJson } from "../json.ts";
import { AttemptContext, type Ask } from "./context.ts";
import { currentRun } from "./current.ts";
import type { Outcome, RunTask } from "./protocol.ts";
import type { ConsumerSpan } from "./telemetry.ts";

/** What of a definition an attempt needs. */
export interface Runnable {
  readonly input: StandardSchemaV1 | undefined;
  readonly handler: JobHandler<never, unknown>;
}

/** The longest stack that is stored, in characters. */
const STACK_LIMIT = 8_000;
/** What the result of a run may take as JSON, in bytes. */
const RESULT_LIMIT_BYTES = 10_000_000;

/** Runs one attempt. Never rejects: what goes wrong is its outcome. */
export async function runAttempt(
  definition: Runnable | undefined,
  task: RunTask,
  signal: AbortSignal,
  ask: Ask,
  span?: ConsumerSpan,
): Promise<Outcome> {
  try {
    if (definition === undefined)
      throw newelError("NEWEL_E_JOB_UNKNOWN", { job: task.name, queue: task.queue });
    const scope = { run: task.run, attempt: task.attempt };
    const traceId = span?.traceId;
    const run = (): Promise<string> => handle(definition, task, signal, ask);
    const result = await currentRun().run(
      traceId === undefined ? scope : { ...scope, traceId },
      () => (span === undefined ? run() : span.run(run)),
    );
    return { state: "done", result };
  } catch (error) {
    span?.failed(error);
    return failed(error, task);
  } finally {
    span?.end();
  }
}

async function handle(
  { input: schema, handler }: Runnable,
  task: RunTask,
  signal: AbortSignal,
  ask: Ask,
): Promise<string> {
  const input = await checkInput(schema, task.input, task.name);
  const context = new AttemptContext(task, signal, ask);
  try {
    const result = await handler(input as never, context);
    return checkJson(result, `The result of ${task.name}`, RESULT_LIMIT_BYTES);
  } finally {
    await context.finish();
  }
}

function failed(thrown: unknown, { name }: RunTask): Outcome {
  if (!(thrown instanceof Error)) {
    const { message: value } = toRunError(thrown);
    const error = newelError("NEWEL_E_JOB_THROWN", { job: name, value });
    return { state: "failed", error: toRunError(error), isFinal: false };
  }
  const stack = thrown.stack?.slice(0, STACK_LIMIT);
  return {
    state: "failed",
    error: toRunError(thrown),
    ...(stack === undefined ? {} : { stack }),
    isFinal: thrown.name === "UnrecoverableError" || hasCode(thrown, "NEWEL_E_JOB_INPUT"),
  };
}
