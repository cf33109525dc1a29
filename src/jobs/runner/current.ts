import { AsyncLocalStorage } from "node:async_hooks";

/** The run that the code calling belongs to. */
export interface CurrentRun {
  readonly run: string;
  readonly attempt: number;
  readonly traceId?: string;
}

/** On the global object: the modules of the jobs may have another copy of newel. */
const KEY: unique symbol = Symbol.for("newel.jobs.run") as never;

const shared = globalThis as { [KEY]?: AsyncLocalStorage<CurrentRun> };

export function currentRun(): AsyncLocalStorage<CurrentRun> {
  shared[KEY] ??= new AsyncLocalStorage();
  return shared[KEY];
}

/**
 * What a log line of a handler should carry: `pino({ mixin: jobFields })`. Empty outside of a job.
 *
 * @returns `job_id`, `attempt` and, with OpenTelemetry, `trace_id`
 */
export function jobFields(): {
  readonly job_id?: string;
  readonly attempt?: number;
  readonly trace_id?: string;
} {
  const scope = currentRun().getStore();
  if (scope === undefined) return {};
  const { run, attempt, traceId } = scope;
  return { job_id: run, attempt, ...(traceId === undefined ? {} : { trace_id: traceId }) };
}
