import type { StandardSchemaV1 } from "@standard-schema/spec";

/**
 * The words of the job server: what a definition, a run and an event are, and what everything that
 * gives access to jobs can do. Two things give it: a store (BullMQ's queues) and a connection to a
 * job server elsewhere.
 */

/** Where a run is. BullMQ's `completed` is `done`, its `active` is `running`. */
export type RunState = "waiting" | "delayed" | "running" | "done" | "failed" | "cancelled";

/** How far a run is. It never goes back while `total` stays the same. */
export interface Progress {
  readonly done: number;
  readonly total: number;
  readonly note?: string;
}

/** Why a run, or its last attempt, failed. */
export interface RunError {
  /** Of newel's code table, or whatever `code` the thrown error had. */
  readonly code?: string;
  readonly name: string;
  readonly message: string;
}

/** One job that was enqueued: its durable state at the moment it was read. */
export interface Run<Input = unknown, Result = unknown> {
  /** `QUEUE~ID`, where ID is the id of BullMQ's job. Unguessable, and safe in a URL's path. */
  readonly id: string;
  /** The name of the job's definition. */
  readonly name: string;
  readonly queue: string;
  readonly state: RunState;
  readonly input: Input;
  readonly progress?: Progress;
  /** Once it is done. */
  readonly result?: Result;
  /** Of the last attempt that failed; a run that is tried again has it too. */
  readonly error?: RunError;
  /** Attempts that began. */
  readonly attempt: number;
  /** Attempts there may be. */
  readonly attempts: number;
  readonly by?: string;
  readonly key?: string;
  readonly priority: number;
  /** Milliseconds since 1970, as all that follow. */
  readonly enqueuedMs: number;
  /** When a delayed run is due. */
  readonly dueMs?: number;
  readonly startedMs?: number;
  readonly finishedMs?: number;
}

/** Something that happened to a run. */
export interface RunEvent {
  /** Its place in the queue's durable events, for resuming: `after` in {@link EventsOptions}. */
  readonly id: string;
  readonly run: string;
  /** `run`: the whole state, first of all and after a gap; then what changes. */
  readonly type: "run" | "state" | "progress";
  readonly state: RunState;
  readonly progress?: Progress;
  readonly result?: unknown;
  readonly error?: RunError;
}

/** Whose runs: reads and changes see only runs that were enqueued with the same `by`. */
export interface Scope {
  /** Absent: everybody's. An empty or undefined `by` is refused, not taken for everybody. */
  readonly by?: string | number;
}

/** How one run is enqueued. */
export interface EnqueueOptions {
  /** Whose run it is, such as the id of a user or of a session. */
  readonly by?: string | number;
  /** While a run with this key is not finished, enqueueing gives that run. Default: the definition's. */
  readonly key?: string;
  /** Runs of one group share the definition's `groupConcurrency`. Default: the definition's. */
  readonly group?: string;
  /** Before this it does not start: `"10m"`, milliseconds, or a date. */
  readonly delay?: string | number | Date;
  /** 1 is the most urgent; runs without one go before all. Default: the definition's. */
  readonly priority?: number;
}

export interface ListFilter extends Scope {
  /** Waiting, delayed or running. */
  readonly active?: boolean;
  readonly states?: readonly RunState[];
  readonly queue?: string;
  readonly name?: string;
  /** In the message or the code of the error. */
  readonly error?: string;
  /** Milliseconds since 1970. */
  readonly sinceMs?: number;
  /** Default 50, at most 1,000. */
  readonly limit?: number;
  /** Of the page before. */
  readonly cursor?: string;
}

export interface RunPage {
  /** The newest first. */
  readonly runs: readonly Run[];
  /** There is more. */
  readonly cursor?: string;
}

export interface EventsOptions extends Scope {
  /** The id of the last event that was seen: what came later follows. Default: from the state now. */
  readonly after?: string;
  readonly signal?: AbortSignal;
}

export interface QueueStats {
  readonly queue: string;
  readonly paused: boolean;
  readonly counts: Readonly<Record<RunState, number>>;
  /** How long the run that waits longest has waited, in milliseconds. */
  readonly latencyMs: number;
}

/** When a schedule is due: one of `cron` and `every`. */
export interface ScheduleSpec {
  /** Five fields (`"0 3 * * *"`), or six with seconds in front. */
  readonly cron?: string;
  /** Of `cron`, as `"Europe/Berlin"`. Default: that of the process that schedules. */
  readonly tz?: string;
  /** `"15m"` or milliseconds. */
  readonly every?: string | number;
}

/** A run that is enqueued again and again. */
export interface ScheduleView {
  /** Its name, unique within the queue. */
  readonly id: string;
  readonly queue: string;
  /** The name of the job's definition. */
  readonly name: string;
  readonly cron?: string;
  readonly tz?: string;
  readonly everyMs?: number;
  readonly input: unknown;
  /** When it is due next, milliseconds since 1970. */
  readonly nextMs?: number;
}

/** A schedule to be made, or to be replaced. */
export interface ScheduleRequest {
  readonly id: string;
  readonly cron?: string;
  readonly tz?: string;
  readonly everyMs?: number;
  /** What each run is; its delay is not used. */
  readonly run: EnqueueRequest;
}

/** A run that waits until all its children are done. */
export interface FlowRequest {
  readonly run: EnqueueRequest;
  readonly children: readonly FlowRequest[];
}

/** A run and those it waits for. */
export interface RunTree<Input = unknown, Result = unknown> {
  readonly run: Run<Input, Result>;
  readonly children: readonly RunTree[];
}

/** What can be asked of jobs by name and id; the same on a store and through a job server. */
export interface JobsAccess extends AsyncDisposable {
  /** @throws NEWEL_E_JOBS_… when the store refuses; resolved means durable */
  enqueue(request: EnqueueRequest): Promise<Run>;
  get(id: string, scope?: Scope): Promise<Run | undefined>;
  list(filter?: ListFilter): Promise<RunPage>;
  /** Resolves when the wish is durable: a run that waits never starts, one that runs is stopped. */
  cancel(id: string, scope?: Scope): Promise<Run | undefined>;
  /** A run that failed or was cancelled waits again, with all its attempts. */
  retry(id: string, scope?: Scope): Promise<Run | undefined>;
  /** The last lines that its handler logged, at most 1,000, the oldest first. */
  logs(id: string, scope?: Scope): Promise<readonly string[]>;
  /** Ends with the run's last event. Each event comes once, in order. */
  events(id: string, options?: EventsOptions): AsyncIterable<RunEvent>;
  stats(): Promise<readonly QueueStats[]>;
  /** No run of the queue starts until it is resumed, whatever server there is. */
  pause(queue: string): Promise<void>;
  resume(queue: string): Promise<void>;
  /** Removes what waits; with `delayed` also what is delayed. Gives how many. */
  drain(queue: string, options?: { readonly delayed?: boolean }): Promise<number>;
  schedule(request: ScheduleRequest): Promise<ScheduleView>;
  /** Gives whether there was one. */
  unschedule(queue: string, id: string): Promise<boolean>;
  schedules(): Promise<readonly ScheduleView[]>;
  /** All runs of the tree, or none. */
  flow(request: FlowRequest): Promise<RunTree>;
  close(): Promise<void>;
}

/** A run to be made, with what its definition says filled in. */
export interface EnqueueRequest {
  /** 32 hexadecimal digits: enqueueing twice with the same is once. Default: new ones. */
  readonly id?: string;
  readonly name: string;
  readonly queue: string;
  readonly input: unknown;
  readonly by?: string;
  readonly key?: string;
  readonly group?: string;
  readonly delayMs: number;
  readonly priority?: number;
  /** At least 1. */
  readonly attempts: number;
  readonly backoff: RetryBackoff;
  readonly keep: Retention;
  /** The OpenTelemetry context, by header names. */
  readonly trace?: Readonly<Record<string, string>>;
}

/** The waits between attempts, in milliseconds: doubled each time from `minMs` up to `maxMs`, with jitter. */
export interface RetryBackoff {
  readonly minMs: number;
  readonly maxMs: number;
}

/** How long, and how many, finished runs of a queue are kept. */
export interface Retention {
  readonly done: { readonly ageMs: number; readonly count?: number };
  readonly failed: { readonly ageMs: number; readonly count?: number };
}

/** What BullMQ keeps as a job's data. Data without `v` came from BullMQ's own `queue.add`: it is the input. */
export interface StoredJob {
  readonly v: 1;
  readonly input: unknown;
  readonly by?: string;
  readonly key?: string;
  readonly group?: string;
  readonly trace?: Readonly<Record<string, string>>;
  /** Results of finished steps, by name. Only the server that runs the job writes it. */
  readonly steps?: Readonly<Record<string, unknown>>;
}

/** What came of a run below another one. */
export interface ChildResult {
  /** The id of the run. */
  readonly run: string;
  readonly result: unknown;
}

/** What a handler is given beside its input; its functions may be taken out of it. */
export interface JobContext {
  /** Of the run. */
  readonly id: string;
  readonly name: string;
  /** 1 for the first. */
  readonly attempt: number;
  readonly attempts: number;
  readonly by: string | undefined;
  /** Aborts when the run is cancelled, is over its time, or the server stops. */
  readonly signal: AbortSignal;
  /**
   * Says how far the run is. What comes faster than it can be shown is put together; the last one
   * before the end is always stored. It never goes back while `total` is the same.
   */
  readonly progress: (done: number, total: number, note?: string) => Promise<void>;
  /** A line of the run's log, with the attempt and the time. */
  readonly log: (line: string) => Promise<void>;
  /** The results of the runs that this one waited for, of a flow, in any order. */
  readonly children: () => Promise<readonly ChildResult[]>;
  /** Runs `fn` and keeps its result: after a retry a step that was finished is not run again. */
  readonly step: <Value>(name: string, fn: () => Value | Promise<Value>) => Promise<Value>;
}

export type JobHandler<Input, Result> = (input: Input, ctx: JobContext) => Result | Promise<Result>;

/** Durations are milliseconds or `"10m"`, sizes bytes or `"512MB"`. */
export interface JobOptions<Schema extends StandardSchemaV1 | undefined = undefined> {
  /** Any Standard Schema (zod, valibot, arktype); checked at enqueue and before each attempt. */
  readonly input?: Schema;
  /** Attempts after the first that failed. Default 2. */
  readonly retries?: number;
  /** Default 1 s, doubled up to 1 min. */
  readonly backoff?:
    | string
    | number
    | { readonly min: string | number; readonly max: string | number };
  /** Default: `"default"`, or a queue of its own when `concurrency` is given. */
  readonly queue?: string;
  /** How many of the queue run at once, on all servers together. */
  readonly concurrency?: number;
  /** How many of one group run at once. */
  readonly groupConcurrency?: number;
  /** The unique key of a run, from its input. */
  readonly key?: (input: InputOf<Schema>) => string;
  /** The group of a run, from its input. */
  readonly group?: (input: InputOf<Schema>) => string;
  readonly priority?: number;
  /** Of one attempt. Default: none. */
  readonly timeout?: string | number;
  /** Of the process and all it started; more fails the attempt. Default: none. */
  readonly memory?: string | number;
  /** From the abort of `ctx.signal` to SIGTERM for what the handler started; SIGKILL follows a second later. Default 5 s. */
  readonly grace?: string | number;
  /** How many of these a process runs at once: more than 1 is for jobs that mostly wait. Default 1. */
  readonly share?: number;
  /** How long finished runs are kept. Default: done 24 h, failed 30 days. */
  readonly keep?: { readonly done?: string | number; readonly failed?: string | number };
}

/** What the handler gets and what `enqueue` takes. */
export type InputOf<Schema> = Schema extends StandardSchemaV1
  ? StandardSchemaV1.InferOutput<Schema>
  : unknown;
export type GivenOf<Schema> = Schema extends StandardSchemaV1
  ? StandardSchemaV1.InferInput<Schema>
  : unknown;
