import type { StandardSchemaV1 } from "@standard-schema/spec";

/** The types of a definition: its options, its handler and the types of its input. */

/** The outcome of a child run. */
export interface ChildResult {
  /** The id of the run. */
  readonly run: string;
  readonly result: unknown;
}

/** The second argument of a handler; its functions may be destructured. */
export interface JobContext {
  /** The id of the run. */
  readonly id: string;
  /** The name of the job's definition. */
  readonly name: string;
  /** The number of the attempt; 1 for the first. */
  readonly attempt: number;
  /** The largest number of attempts. */
  readonly attempts: number;
  /** The owner of the run; `undefined` when it was enqueued without one. */
  readonly by: string | undefined;
  /** Aborts when the run is cancelled, exceeds its time limit, or the server stops. */
  readonly signal: AbortSignal;
  /**
   * Reports the progress of the run. The call does not wait for the store: at most ten reports a
   * second are stored, and always the last one before the end. `done` never decreases while `total` is the
   * same, and a new attempt does not repeat the reports of the previous one. Rejects
   * with the error of an earlier report.
   *
   * @throws NEWEL_E_JOB_OPTION `done` or `total` is not a number of at least 0
   */
  readonly progress: (done: number, total: number, note?: string) => Promise<void>;
  /**
   * Adds a line to the run's log, with the attempt and the time. The call waits for the store
   * only while 1,000 lines or 1 MB are pending. Rejects with the error of an earlier line.
   */
  readonly log: (line: string) => Promise<void>;
  /** Returns the results of this run's children in a flow, in any order. */
  readonly children: () => Promise<readonly ChildResult[]>;
  /**
   * Runs `fn` and stores its result before it resolves: after a retry a finished step is not run
   * again. The cost of a step does not depend on their number. A run has at most 100,000 steps and 50 MB of
   * names and results, a result at most 1 MB.
   *
   * @throws NEWEL_E_JOB_STEPS, NEWEL_E_JOB_PAYLOAD a limit is reached
   * @throws NEWEL_E_JOB_VALUE the result is not JSON
   */
  readonly step: <Value>(name: string, fn: () => Value | Promise<Value>) => Promise<Value>;
}

/** The function that executes a run of a job. */
export type JobHandler<Input, Result> = (input: Input, ctx: JobContext) => Result | Promise<Result>;

/** The options of a definition. Durations are milliseconds or `"10m"`, sizes bytes or `"512MB"`. */
export interface JobOptions<Schema extends StandardSchemaV1 | undefined = undefined> {
  /**
   * The schema of the input: any Standard Schema (zod, valibot, arktype). The input is checked at enqueue and before
   * each attempt.
   */
  readonly input?: Schema;
  /** The number of attempts after the first failed one. Default 2. */
  readonly retries?: number;
  /** The wait between attempts. Default 1 s, doubled up to 1 min. */
  readonly backoff?:
    | string
    | number
    | { readonly min: string | number; readonly max: string | number };
  /** The queue. Default: `"default"`, or a separate queue when `concurrency` is given. */
  readonly queue?: string;
  /** How many runs of the queue run at once, on all servers together. */
  readonly concurrency?: number;
  /** How many runs of one group run at once, on all servers together. */
  readonly groupConcurrency?: number;
  /** The unique key of a run, from its input. */
  readonly key?: (input: InputOf<Schema>) => string;
  /** The group of a run, from its input. */
  readonly group?: (input: InputOf<Schema>) => string;
  /**
   * The priority of a run: 1 is the highest. Runs without a priority start before all others. Default: none.
   */
  readonly priority?: number;
  /** The time limit of one attempt. Default: none. */
  readonly timeout?: string | number;
  /** The memory limit of the process and its child processes; exceeding it fails the attempt. Default: none. */
  readonly memory?: string | number;
  /**
   * The time from the abort of `ctx.signal` to SIGTERM for the handler's processes; SIGKILL follows a second later.
   * Default 5 s.
   */
  readonly grace?: string | number;
  /** How many of these runs a process executes at once: more than 1 is for jobs that mostly wait. Default 1. */
  readonly share?: number;
  /** How long finished runs are kept. Default: 24 h for done runs, 30 days for failed ones. */
  readonly keep?: { readonly done?: string | number; readonly failed?: string | number };
}

/** The type of the input that the handler gets, and below that of the input that `enqueue` takes. */
export type InputOf<Schema> = Schema extends StandardSchemaV1
  ? StandardSchemaV1.InferOutput<Schema>
  : unknown;
export type GivenOf<Schema> = Schema extends StandardSchemaV1
  ? StandardSchemaV1.InferInput<Schema>
  : unknown;
