import { AsyncLocalStorage } from "node:async_hooks";

/** The run that the calling code belongs to. */
export interface CurrentRun {
  readonly run: string;
  readonly attempt: number;
  readonly traceId?: string;
  /** Takes note of the runs that the handler waits for. */
  readonly waits?: RunWaitsNotes;
}

/** Call `read` when the handler has read the state of a run, `follow` when it begins to follow its events. */
export interface RunWaitsNotes {
  read(run: string, isOver: boolean): void;
  /** @returns a function to be called at the end */
  follow(run: string): () => void;
}

/** Stored on the global object, because the modules of the jobs may load another copy of newel. */
const KEY: unique symbol = Symbol.for("newel.jobs.run") as never;

const shared = globalThis as { [KEY]?: AsyncLocalStorage<CurrentRun> };

/** The context of the calling code; empty outside of a handler. */
export function currentRun(): AsyncLocalStorage<CurrentRun> {
  shared[KEY] ??= new AsyncLocalStorage();
  return shared[KEY];
}

/**
 * The fields for a handler's log lines: `pino({ mixin: jobFields })`. Empty outside of a job.
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
