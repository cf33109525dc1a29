// The public types of newel/jobs. `npm run api` writes this file.

export interface EnqueueOptions {
    readonly by?: string | number;
    readonly key?: string;
    readonly group?: string;
    readonly delay?: string | number | Date;
    readonly priority?: number;
}

export interface Flow<Schema extends AnySchema = AnySchema, Result = unknown> {
    readonly job: JobDefinition<Schema, Result>;
    readonly input: GivenOf<Schema>;
    readonly options?: FlowOptions;
    readonly children?: readonly FlowChild[];
}

export interface FlowChild {
    readonly job: AnyDefinition;
    readonly input?: unknown;
    readonly options?: FlowOptions;
    readonly children?: readonly FlowChild[];
}

export interface JobContext {
    readonly id: string;
    readonly name: string;
    readonly attempt: number;
    readonly attempts: number;
    readonly by: string | undefined;
    readonly signal: AbortSignal;
    readonly progress: (done: number, total: number, note?: string) => Promise<void>;
    readonly log: (line: string) => Promise<void>;
    readonly children: () => Promise<readonly ChildResult[]>;
    readonly step: <Value>(name: string, fn: () => Value | Promise<Value>) => Promise<Value>;
}

export interface JobDefinition<Schema extends AnySchema = AnySchema, Result = unknown> {
    readonly name: string;
    readonly input: Schema;
    readonly options: ResolvedJobOptions;
    keyOf(input: InputOf<Schema>): string | undefined;
    groupOf(input: InputOf<Schema>): string | undefined;
    readonly handler: JobHandler<InputOf<Schema>, Result>;
    enqueue(...args: EnqueueArguments<Schema>): Promise<Run<GivenOf<Schema>, Result>>;
    schedule(id: string, when: ScheduleSpec, ...args: EnqueueArguments<Schema>): Promise<ScheduleView>;
    unschedule(id: string): Promise<boolean>;
}

export type JobHandler<Input, Result> = (input: Input, ctx: JobContext) => Result | Promise<Result>;

export interface JobOptions<Schema extends StandardSchemaV1 | undefined = undefined> {
    readonly input?: Schema;
    readonly retries?: number;
    readonly backoff?: string | number | {
        readonly min: string | number;
        readonly max: string | number;
    };
    readonly queue?: string;
    readonly concurrency?: number;
    readonly groupConcurrency?: number;
    readonly key?: (input: InputOf<Schema>) => string;
    readonly group?: (input: InputOf<Schema>) => string;
    readonly priority?: number;
    readonly timeout?: string | number;
    readonly memory?: string | number;
    readonly grace?: string | number;
    readonly share?: number;
    readonly keep?: {
        readonly done?: string | number;
        readonly failed?: string | number;
    };
}

export class Jobs implements AsyncDisposable {
    #private;
    constructor(options?: JobsOptions);
    use(options: JobsOptions): this;
    get store(): string;
    enqueue<Schema extends AnySchema, Result>(definition: JobDefinition<Schema, Result>, ...[input, options]: EnqueueArguments<Schema>): Promise<Run<GivenOf<Schema>, Result>>;
    get(id: string, scope?: Scope): Promise<Run | undefined>;
    list(filter?: ListFilter): Promise<RunPage>;
    cancel(id: string, scope?: Scope): Promise<Run | undefined>;
    retry(id: string, scope?: Scope): Promise<Run | undefined>;
    logs(id: string, scope?: Scope): Promise<readonly string[]>;
    events(id: string, options?: EventsOptions): AsyncGenerator<RunEvent>;
    sse(id: string, options: SseOptions): Promise<Response>;
    sseRuns(options: SseRunsOptions): Promise<Response>;
    pipeSse(id: string, request: IncomingMessage, response: ServerResponse, viewer: SseViewer): Promise<void>;
    pipeSseRuns(request: IncomingMessage, response: ServerResponse, viewer: SseViewer): Promise<void>;
    status(id: string, options: {
        readonly by: Viewer | undefined;
    }): Promise<Response>;
    stats(): Promise<readonly QueueStats[]>;
    pause(queue: string): Promise<void>;
    resume(queue: string): Promise<void>;
    drain(queue: string, options?: {
        readonly delayed?: boolean;
    }): Promise<number>;
    schedule<Schema extends AnySchema, Result>(definition: JobDefinition<Schema, Result>, id: string, when: ScheduleSpec, ...[input, options]: EnqueueArguments<Schema>): Promise<ScheduleView>;
    unschedule(definition: {
        readonly options: {
            readonly queue: string;
        };
    }, id: string): Promise<boolean>;
    schedules(): Promise<readonly ScheduleView[]>;
    flow<Schema extends AnySchema, Result>(flow: Flow<Schema, Result>): Promise<RunTree<GivenOf<Schema>, Result>>;
    close(): Promise<void>;
    [Symbol.asyncDispose](): Promise<void>;
}

export interface JobsOptions {
    readonly store?: string;
    readonly authKey?: string;
    readonly authKeyFile?: string;
    readonly payload?: string | number;
}

export interface ListFilter extends Scope {
    readonly active?: boolean;
    readonly states?: readonly RunState[];
    readonly queue?: string;
    readonly name?: string;
    readonly error?: string;
    readonly sinceMs?: number;
    readonly limit?: number;
    readonly cursor?: string;
}

export interface Progress {
    readonly done: number;
    readonly total: number;
    readonly note?: string;
}

export interface RequestLike {
    readonly headers: Headers | Readonly<Record<string, string | readonly string[] | undefined>>;
    readonly url?: string | undefined;
    readonly signal?: AbortSignal;
}

export interface Run<Input = unknown, Result = unknown> {
    readonly id: string;
    readonly name: string;
    readonly queue: string;
    readonly state: RunState;
    readonly input: Input;
    readonly progress?: Progress;
    readonly result?: Result;
    readonly error?: RunError;
    readonly failures?: readonly FailedAttempt[];
    readonly server?: string;
    readonly attempt: number;
    readonly attempts: number;
    readonly by?: string;
    readonly key?: string;
    readonly priority: number;
    readonly enqueuedMs: number;
    readonly dueMs?: number;
    readonly startedMs?: number;
    readonly finishedMs?: number;
}

export interface RunError {
    readonly code?: string;
    readonly name: string;
    readonly message: string;
}

export interface RunEvent {
    readonly id: string;
    readonly run: string;
    readonly type: "run" | "state" | "progress";
    readonly state: RunState;
    readonly progress?: Progress;
    readonly result?: unknown;
    readonly error?: RunError;
}

export interface RunPage {
    readonly runs: readonly Run[];
    readonly cursor?: string;
}

export type RunState = "waiting" | "delayed" | "running" | "done" | "failed" | "cancelled";

export interface RunTree<Input = unknown, Result = unknown> {
    readonly run: Run<Input, Result>;
    readonly children: readonly RunTree[];
}

export interface ScheduleSpec {
    readonly cron?: string;
    readonly tz?: string;
    readonly every?: string | number;
}

export interface ScheduleView {
    readonly id: string;
    readonly queue: string;
    readonly name: string;
    readonly cron?: string;
    readonly tz?: string;
    readonly everyMs?: number;
    readonly input: unknown;
    readonly nextMs?: number;
    readonly error?: RunError;
}

export interface SseOptions extends SseViewer {
    readonly signal?: AbortSignal;
    readonly lastEventId?: string;
    readonly request?: RequestLike;
}

export interface SseRunsOptions extends SseViewer {
    readonly signal?: AbortSignal;
    readonly request: RequestLike;
}

export interface SseViewer {
    readonly by: Viewer | undefined;
    readonly authorize?: () => boolean | Promise<boolean>;
}

export type Viewer = string | number | typeof everyone;

export const everyone: unique symbol;

export function job<Result, Schema extends AnySchema = undefined>(name: string, options: JobOptions<Schema>, handler: JobHandler<InputOf<Schema>, Result>): JobDefinition<Schema, Result>;

export function jobFields(): {
    readonly job_id?: string;
    readonly attempt?: number;
    readonly trace_id?: string;
};

export const jobs: Jobs;

// Not exported, but used by the types above.

interface AnyDefinition {
    readonly name: string;
    readonly input: AnySchema;
    readonly options: ResolvedJobOptions;
    keyOf(input: unknown): string | undefined;
    groupOf(input: unknown): string | undefined;
}

type AnySchema = StandardSchemaV1 | undefined;

interface BlockedRun {
    readonly run: string;
    readonly waitsFor: readonly string[];
    readonly limits: readonly string[];
}

interface ChildResult {
    readonly run: string;
    readonly result: unknown;
}

type EnqueueArguments<Schema extends AnySchema> = unknown extends GivenOf<Schema> ? [input?: unknown, options?: EnqueueOptions] : undefined extends GivenOf<Schema> ? [input?: GivenOf<Schema>, options?: EnqueueOptions] : [input: GivenOf<Schema>, options?: EnqueueOptions];

interface EventsOptions extends Scope {
    readonly after?: string;
    readonly signal?: AbortSignal;
}

interface FailedAttempt {
    readonly attempt: number;
    readonly error: RunError;
    readonly stack?: string;
    readonly startedMs?: number;
    readonly endedMs?: number;
    readonly server?: string;
    readonly stderr?: readonly string[];
}

type FlowOptions = Omit<EnqueueOptions, "key">;

type GivenOf<Schema> = Schema extends StandardSchemaV1 ? StandardSchemaV1.InferInput<Schema> : unknown;

type InputOf<Schema> = Schema extends StandardSchemaV1 ? StandardSchemaV1.InferOutput<Schema> : unknown;

interface QueueStats {
    readonly queue: string;
    readonly paused: boolean;
    readonly counts: Readonly<Record<RunState, number>>;
    readonly latencyMs: number;
    readonly unserved: readonly string[];
    readonly blocked: readonly BlockedRun[];
}

interface ResolvedJobOptions {
    readonly queue: string;
    readonly attempts: number;
    readonly backoff: RetryBackoff;
    readonly keep: Retention;
    readonly concurrency?: number;
    readonly groupConcurrency?: number;
    readonly priority?: number;
    readonly timeoutMs?: number;
    readonly memoryBytes?: number;
    readonly graceMs: number;
    readonly share: number;
}

interface Retention {
    readonly done: {
        readonly ageMs: number;
    };
    readonly failed: {
        readonly ageMs: number;
    };
}

interface RetryBackoff {
    readonly minMs: number;
    readonly maxMs: number;
}

interface Scope {
    readonly by?: string | number;
}

// Types of other packages:
// - IncomingMessage from "node:http"
// - ServerResponse from "node:http"
// - StandardSchemaV1 from "@standard-schema/spec"
