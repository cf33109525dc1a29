import type { StandardSchemaV1 } from "@standard-schema/spec";

import { hasCode, messageOf, newelError } from "../../base/errors.ts";
import type { JobHandler } from "../definition-types.ts";
import { toRunError } from "../failure.ts";
import { checkInput } from "../input.ts";
import { checkJson } from "../json.ts";
import { AttemptContext } from "./context.ts";
import { noteAttempt } from "./crash.ts";
import { currentRun } from "./current.ts";
import { forgetLines, lastLines } from "./last-lines.ts";
import type { Ask, Outcome, RunTask } from "./protocol.ts";
import type { ConsumerSpan } from "./telemetry.ts";
import { RunWaits } from "./waits.ts";

/** The parts of a definition that an attempt needs. */
export interface Runnable {
  readonly input: StandardSchemaV1 | undefined;
  readonly handler: JobHandler<never, unknown>;
}

type Failed = Extract<Outcome, { readonly state: "failed" }>;

/** The longest stack that is stored, in characters. */
const STACK_LIMIT = 8_000;
/** Whether another attempt would end the same way. */
const FINAL_CODES = ["NEWEL_E_JOB_INPUT", "NEWEL_E_JOB_STEPS"] as const;
/** The largest size of a run's result as JSON, in bytes. */
const RESULT_LIMIT_BYTES = 10_000_000;

/** Runs one attempt. Never rejects: an error becomes its outcome. */
export async function runAttempt(
  definition: Runnable | undefined,
  task: RunTask,
  signal: AbortSignal,
  ask: Ask,
  span?: ConsumerSpan,
): Promise<Outcome> {
  const noted = noteAttempt(task.run, ask);
  try {
    if (definition === undefined)
      throw newelError("NEWEL_E_JOB_UNKNOWN", { job: task.name, queue: task.queue });
    const waits = new RunWaits(task.run, ask);
    const scope = { run: task.run, attempt: task.attempt, waits };
    const traceId = span?.traceId;
    const run = (): Promise<string> => handle(definition, task, signal, ask);
    const result = await currentRun().run(
      traceId === undefined ? scope : { ...scope, traceId },
      () => (span === undefined ? run() : span.run(run)),
    );
    return { state: "done", result };
  } catch (error) {
    span?.failed(error instanceof InputRefusal ? error.error : error);
    return failed(error, task);
  } finally {
    noted();
    forgetLines(task.run);
    span?.end();
  }
}

async function handle(
  { input: schema, handler }: Runnable,
  task: RunTask,
  signal: AbortSignal,
  ask: Ask,
): Promise<string> {
  const input = await checkInput(schema, task.input, task.name).catch((error: unknown) => {
    throw new InputRefusal(error);
  });
  const context = new AttemptContext(task, signal, ask);
  try {
    const result = await handler(input as never, context);
    return checkJson(result, `The result of ${task.name}`, RESULT_LIMIT_BYTES);
  } finally {
    // An aborted attempt may have lost its lease, and then must not store anything.
    for (const failure of await context.finish())
      if (!signal.aborted)
        process.emitWarning(`${task.run}: progress or a line is not stored: ${messageOf(failure)}`);
  }
}

/** Whether the run's own input does not fit, as opposed to the input of a run that the handler enqueues. */
class InputRefusal {
  readonly error: unknown;

  constructor(error: unknown) {
    this.error = error;
  }
}

function failed(thrown: unknown, task: RunTask): Outcome {
  if (thrown instanceof InputRefusal)
    return { ...failedBy(thrown.error, task), isInputRefused: true };
  const stderr = lastLines(task.run);
  return { ...failedBy(thrown, task), ...(stderr.length === 0 ? {} : { stderr }) };
}

function failedBy(thrown: unknown, { name }: RunTask): Failed {
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
    isFinal:
      thrown.name === "UnrecoverableError" || FINAL_CODES.some((code) => hasCode(thrown, code)),
  };
}
