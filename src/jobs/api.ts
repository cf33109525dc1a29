/**
 * The types of runs and their events, and the methods of every class that gives access to jobs. Two things give it: a
 * store (BullMQ's queues) and a connection to a job server elsewhere.
 */

/** The state of a run. BullMQ's `completed` is `done`, its `active` is `running`. */
export type RunState = "waiting" | "delayed" | "running" | "done" | "failed" | "cancelled";

/** The progress of a run. `done` never decreases while `total` stays the same. */
export interface Progress {
  /** The finished part, in a unit of the handler's choice, at least 0. */
  readonly done: number;
  /** The whole, in the same unit; 0 when it is unknown. */
  readonly total: number;
  /** A text for the reader, such as the present step. */
  readonly note?: string;
}

/** Why a run, or its last attempt, failed. */
export interface RunError {
  /** A code of newel's code table, or the `code` of the thrown error. */
  readonly code?: string;
  /** The name of the error's class. */
  readonly name: string;
  /** The message of the error. */
  readonly message: string;
}

/** A failed attempt. It is for developers and operators, and is never sent to browsers. */
export interface FailedAttempt {
  /** The number of the attempt; 1 for the first. */
  readonly attempt: number;
  readonly error: RunError;
  /** The stack of the error, at most 8,000 characters. */
  readonly stack?: string;
  /** When the attempt began and ended, in milliseconds since 1970. */
  readonly startedMs?: number;
  readonly endedMs?: number;
  /** The job server of the attempt, as `HOST:PID`. */
  readonly server?: string;
  /** The last lines, at most 20, that the handler wrote to stderr. */
  readonly stderr?: readonly string[];
}

/** An enqueued job: its durable state at the moment it was read. */
export interface Run<Input = unknown, Result = unknown> {
  /**
   * The id of the run, `QUEUE~ID`, where ID is the id of BullMQ's job. It is unguessable and safe in the path of a
   * URL.
   */
  readonly id: string;
  /** The name of the job's definition. */
  readonly name: string;
  /** The queue it is in. */
  readonly queue: string;
  /** The state at the moment of the read. */
  readonly state: RunState;
  /** The input, after the schema's defaults. */
  readonly input: Input;
  /** The last progress the handler reported; absent before the first report. */
  readonly progress?: Progress;
  /** The result of the handler; absent before the run is done. */
  readonly result?: Result;
  /**
   * The error of the last failed attempt; a run that is tried again has it too. A run whose stored row is damaged
   * has NEWEL_E_JOB_UNREADABLE in each state, and is never executed.
   */
  readonly error?: RunError;
  /** The last five failed attempts, the oldest first; absent when there is none. */
  readonly failures?: readonly FailedAttempt[];
  /** The job server that took the run last, as `HOST:PID`. */
  readonly server?: string;
  /**
   * The number of attempts that have ended, and the one that runs. Runs that were delayed for their group, requeued
   * at a
   * stop, or lost with their server have not used up an attempt.
   */
  readonly attempt: number;
  /** The largest number of attempts. */
  readonly attempts: number;
  /** The owner; absent when it was enqueued without one. */
  readonly by?: string;
  /** The key that makes it unique while it is unfinished; absent without one. */
  readonly key?: string;
  /** The priority. 0 means no priority: such runs start first. Among the others, 1 is the highest priority. */
  readonly priority: number;
  /** When the run was enqueued, in milliseconds since 1970, as all times that follow. */
  readonly enqueuedMs: number;
  /** When the delayed run is due. */
  readonly dueMs?: number;
  /** When its last attempt began; absent before the first. */
  readonly startedMs?: number;
  /** When it was done, failed for good or cancelled; absent before that. */
  readonly finishedMs?: number;
}

/** An event of a run. */
export interface RunEvent {
  /** The position in the queue's durable events, for resuming: `after` in {@link EventsOptions}. */
  readonly id: string;
  /** The id of the run. */
  readonly run: string;
  /** `run` is the whole state, sent first and after a gap; the other types are changes. */
  readonly type: "run" | "state" | "progress";
  /** The state of the run after the event. */
  readonly state: RunState;
  /** The last progress the handler reported; absent before the first report. */
  readonly progress?: Progress;
  /** The result of the handler; absent before the run is done. */
  readonly result?: unknown;
  /** The error of the last failed attempt; absent when no attempt failed. */
  readonly error?: RunError;
}

/** The owner of runs: reads and changes see only runs that were enqueued with the same `by`. */
export interface Scope {
  /** The owner. When it is absent, all runs are meant. An empty or undefined `by` is rejected, not treated as "all". */
  readonly by?: string | number;
}

/** Options for enqueueing a run. */
export interface EnqueueOptions {
  /** The owner of the run, such as the id of a user or of a session. */
  readonly by?: string | number;
  /** While a run with this key is unfinished, enqueueing returns that run. Default: the definition's. */
  readonly key?: string;
  /** The group of the run: runs of one group share the definition's `groupConcurrency`. Default: the definition's. */
  readonly group?: string;
  /** The earliest start: `"10m"`, milliseconds, or a date. */
  readonly delay?: string | number | Date;
  /**
   * The priority: 1 is the highest. Runs without a priority start before all others. Default: the definition's.
   */
  readonly priority?: number;
}

/** Conditions that `jobs.list` selects runs by. */
export interface ListFilter extends Scope {
  /** Runs that are waiting, delayed or running. */
  readonly active?: boolean;
  /** Runs in one of these states. */
  readonly states?: readonly RunState[];
  /** Runs of this queue. */
  readonly queue?: string;
  /** Runs of the definition with this name. */
  readonly name?: string;
  /** Text in the message or the code of the error. */
  readonly error?: string;
  /** Milliseconds since 1970. */
  readonly sinceMs?: number;
  /** The largest number of runs. Default 50, at most 1,000. */
  readonly limit?: number;
  /** The cursor of the previous page. */
  readonly cursor?: string;
}

/** A page of runs, with the cursor of the next page. */
export interface RunPage {
  /** The newest first. */
  readonly runs: readonly Run[];
  /** The cursor of the next page; absent on the last. */
  readonly cursor?: string;
}

export interface EventsOptions extends Scope {
  /** The id of the last event that was seen; later events follow. Default: starts with the current state. */
  readonly after?: string;
  readonly signal?: AbortSignal;
}

export interface QueueStats {
  readonly queue: string;
  readonly paused: boolean;
  readonly counts: Readonly<Record<RunState, number>>;
  /** How long the oldest waiting run has waited, in milliseconds. */
  readonly latencyMs: number;
  /**
   * Names of jobs whose runs a server took in the last minutes and left to other servers, because it could not
   * execute them.
   */
  readonly unserved: readonly string[];
  /**
   * Running runs of this queue that wait for other runs which cannot start, because waiting runs hold all
   * permits (`NEWEL_E_JOB_DEADLOCK`).
   */
  readonly blocked: readonly BlockedRun[];
}

/** A running run that waits for runs which cannot start. */
export interface BlockedRun {
  /** The id of the run. */
  readonly run: string;
  /** The ids of the runs that it waits for. */
  readonly waitsFor: readonly string[];
  /** The limits whose permits are all held by such runs, such as `processes: 4`. */
  readonly limits: readonly string[];
}

/** The times of a schedule: either `cron` or `every`. */
export interface ScheduleSpec {
  /** A cron expression of five fields (`"0 3 * * *"`), or of six with seconds first. */
  readonly cron?: string;
  /** The time zone of `cron`, such as `"Europe/Berlin"`. Default: that of the process that schedules. */
  readonly tz?: string;
  /** The interval: `"15m"` or milliseconds. */
  readonly every?: string | number;
}

/** A schedule that enqueues a run repeatedly. */
export interface ScheduleView {
  /** The name of the schedule, unique within the queue. */
  readonly id: string;
  /** The queue of its runs. */
  readonly queue: string;
  /** The name of the job's definition. */
  readonly name: string;
  /** The cron expression; absent when the schedule has an interval. */
  readonly cron?: string;
  /** The time zone of the cron expression, such as `Europe/Berlin`; absent for that of the job server. */
  readonly tz?: string;
  /** The interval in milliseconds; absent when the schedule has a cron expression. */
  readonly everyMs?: number;
  /** The input of each run. */
  readonly input: unknown;
  /** When the next run is due, in milliseconds since 1970. */
  readonly nextMs?: number;
  /** The damage of a schedule whose stored row cannot be read (NEWEL_E_JOB_UNREADABLE): it makes no further runs. */
  readonly error?: RunError;
}

/** A schedule to be created or replaced. */
export interface ScheduleRequest {
  readonly id: string;
  readonly cron?: string;
  readonly tz?: string;
  readonly everyMs?: number;
  /** The request for each run; its delay is not used. */
  readonly run: EnqueueRequest;
}

/** A run that waits until all its children are done. */
export interface FlowRequest {
  readonly run: EnqueueRequest;
  readonly children: readonly FlowRequest[];
}

/** A run and its children. */
export interface RunTree<Input = unknown, Result = unknown> {
  /** The run. */
  readonly run: Run<Input, Result>;
  /** The runs it waits for, with their children. */
  readonly children: readonly RunTree[];
}

/** Operations on jobs by name and id; the same on a store and through a job server. */
export interface JobsAccess extends AsyncDisposable {
  /** Enqueues a run. It is durable when this resolves. @throws NEWEL_E_JOBS_… when the store refuses it */
  enqueue(request: EnqueueRequest): Promise<Run>;
  get(id: string, scope?: Scope): Promise<Run | undefined>;
  list(filter?: ListFilter): Promise<RunPage>;
  /** Cancels a run. Resolves when the request is durable: a waiting run never starts, a running one is stopped. */
  cancel(id: string, scope?: Scope): Promise<Run | undefined>;
  /** Requeues a failed or cancelled run, with all of its attempts. */
  retry(id: string, scope?: Scope): Promise<Run | undefined>;
  /** Returns the last lines that the handler logged, at most 1,000, the oldest first. */
  logs(id: string, scope?: Scope): Promise<readonly string[]>;
  /** Returns the events of a run up to its last one. Each event comes once, in order. */
  events(id: string, options?: EventsOptions): AsyncIterable<RunEvent>;
  stats(): Promise<readonly QueueStats[]>;
  /** Pauses a queue: none of its runs starts on any server until it is resumed. */
  pause(queue: string): Promise<void>;
  resume(queue: string): Promise<void>;
  /** Removes waiting runs, with `delayed` also delayed ones. Returns the number of removed runs. */
  drain(queue: string, options?: { readonly delayed?: boolean }): Promise<number>;
  schedule(request: ScheduleRequest): Promise<ScheduleView>;
  /** Removes a schedule. Returns whether there was one. */
  unschedule(queue: string, id: string): Promise<boolean>;
  schedules(): Promise<readonly ScheduleView[]>;
  /** Enqueues all runs of the tree, or none. */
  flow(request: FlowRequest): Promise<RunTree>;
  close(): Promise<void>;
}

/** A run to be created, with the values of its definition filled in. */
export interface EnqueueRequest {
  /** 32 hexadecimal digits: enqueueing twice with the same id creates one run. Default: a new id. */
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
  /** The OpenTelemetry context, as headers by name. */
  readonly trace?: Readonly<Record<string, string>>;
}

/** The waits between attempts, in milliseconds: doubled each time from `minMs` up to `maxMs`, with jitter. */
export interface RetryBackoff {
  readonly minMs: number;
  readonly maxMs: number;
}

/** How long a finished run is kept. */
export interface Retention {
  readonly done: { readonly ageMs: number };
  readonly failed: { readonly ageMs: number };
}

/** The data of a BullMQ job. Data without `v` comes from BullMQ's own `queue.add` and is the input itself. */
export interface StoredJob {
  readonly v: 1;
  readonly input: unknown;
  readonly by?: string;
  readonly key?: string;
  readonly group?: string;
  readonly trace?: Readonly<Record<string, string>>;
  /** The run has children in a flow. */
  readonly waits?: boolean;
  /** Results of finished steps, by name, of a run that an earlier version began; now steps are lines of the log. */
  readonly steps?: Readonly<Record<string, unknown>>;
}
