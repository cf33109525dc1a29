// The public types of newel/pool. `npm run api` writes this file.

export interface BlockedLoop {
    readonly durationMs: number;
    readonly times: number;
    readonly longestMs: number;
}

export interface BlockedWorker {
    readonly worker: number;
    readonly pid: number;
    readonly blockedMs: number;
    readonly tasks: readonly {
        readonly task: number;
        readonly runMs: number;
    }[];
    readonly blocker: number | undefined;
}

export interface BroadcastOptions extends Pick<RunOptions, "signal" | "timeoutMs"> {
    readonly sticky?: boolean | string;
}

export interface CloseOptions {
    readonly graceMs?: number;
    readonly queued?: "finish" | "drop";
}

export type DataOf<Module> = TypesOf<Module>["data"];

export type FunctionsOf<Module> = CalledMap<Module, Exclude<FunctionNames<Module>, ReservedNames>>;

export interface GaugeClient {
    gauge(name: string, value: number): unknown;
}

export type GeneratorsOf<Module> = StreamedMap<Module, Exclude<GeneratorNames<Module>, ReservedNames>>;

export type ItemOf<Module> = ItemOfResult<ResultOf<Module>>;

export type MessageOf<Module> = TypesOf<Module>["message"];

export interface OutputInfo {
    readonly worker: number;
    readonly pid: number;
    readonly stream: "stdout" | "stderr";
}

export class Pool<Module = unknown> extends EventEmitter<PoolEvents<ResultOf<Module>, MessageOf<Module>>> implements AsyncDisposable {
    #private;
    constructor(options: PoolOptions<TaskOf<Module>, ResultOf<Module>, MessageOf<Module>, DataOf<Module>>);
    get name(): string;
    get state(): PoolState;
    get size(): number;
    get waiting(): number;
    start(): Promise<void>;
    run(task: RunTaskOf<Module>, options?: RunOptions): Promise<ResultOf<Module>>;
    stream(task: StreamTaskOf<Module>, options?: StreamOptions): AsyncIterableIterator<ItemOf<Module>, undefined> & AsyncDisposable;
    fn<Exports = Module>(options?: RunOptions): FunctionsOf<Exports>;
    gen<Exports = Module>(options?: StreamOptions): GeneratorsOf<Exports>;
    tryRun(task: RunTaskOf<Module>, options?: RunOptions): Promise<ResultOf<Module>> | undefined;
    put(task: RunTaskOf<Module>, options?: Omit<RunOptions, "signal">): Promise<void>;
    putNowait(task: RunTaskOf<Module>, options?: RunOptions): void;
    map(tasks: Iterable<RunTaskOf<Module>> | AsyncIterable<RunTaskOf<Module>>, options?: RunOptions): AsyncGenerator<ResultOf<Module>, void, undefined>;
    broadcast(task: RunTaskOf<Module>, options?: BroadcastOptions): Promise<ResultOf<Module>[]>;
    results(): AsyncIterableIterator<ResultOf<Module> | MessageOf<Module>, undefined>;
    [Symbol.asyncIterator](): AsyncIterableIterator<ResultOf<Module> | MessageOf<Module>, undefined>;
    stats(): PoolStats;
    stop(): Promise<void>;
    close(options?: CloseOptions): Promise<void>;
    [Symbol.asyncDispose](): Promise<void>;
}

export interface PoolEvents<Result, Message> {
    message: [value: Result | Message, info: ResultInfo];
    stats: [stats: PoolStats];
    drain: [];
    workerReady: [info: {
        readonly worker: number;
        readonly pid: number;
    }];
    workerEnd: [info: {
        readonly worker: number;
        readonly pid: number;
        readonly how: string;
    }];
    blocked: [info: BlockedWorker];
    error: [error: unknown];
}

export interface PoolOptions<Task = unknown, Result = unknown, Message = unknown, Data = unknown> {
    readonly worker: URL | string;
    readonly size?: number | SizeRange;
    readonly concurrency?: number;
    readonly queueSize?: number;
    readonly resultQueueSize?: number;
    readonly kind?: WorkerKind;
    readonly data?: Data;
    readonly env?: Readonly<Record<string, string | undefined>>;
    readonly execArgv?: readonly string[];
    readonly title?: string;
    readonly processGroup?: boolean;
    readonly name?: string;
    readonly resourceLimits?: ResourceLimits;
    readonly retries?: number;
    readonly timeoutMs?: number;
    readonly killMs?: number;
    readonly stallMs?: number;
    readonly blockedMs?: number;
    readonly startMs?: number;
    readonly backoff?: Backoff;
    readonly recycle?: RecycleLimits;
    readonly statsMs?: number;
    readonly telemetry?: boolean;
    readonly onResult?: (result: Result | Message, info: ResultInfo) => unknown;
    readonly onError?: (error: unknown, info: {
        readonly worker: number;
        readonly task?: Task;
    }) => void;
    readonly onOutput?: (line: string, info: OutputInfo) => void;
}

export type PoolState = "open" | "stopping" | "closed";

export interface PoolStats {
    readonly pool: string;
    readonly state: string;
    readonly workers: readonly WorkerStats[];
    readonly waiting: number;
    readonly running: number;
    readonly done: number;
    readonly failed: number;
    readonly pendingResults: number;
    readonly restarts: number;
    readonly waitTime: TimeSummary;
    readonly runTime: TimeSummary;
}

export interface RecycleLimits {
    readonly tasks?: number;
    readonly ageMs?: number;
    readonly rssBytes?: number;
}

export interface ResourceReport {
    readonly rssBytes: number;
    readonly heapUsedBytes: number;
    readonly cpu: number;
    readonly loopDelayMs: number;
    readonly loopUtilization: number;
    readonly handles: number;
    readonly timers: number;
}

export class ResourceReporter implements Disposable {
    #private;
    constructor(client: GaugeClient, options: ResourceReporterOptions);
    start(): void;
    report(): void;
    stop(): void;
    [Symbol.dispose](): void;
}

export interface ResourceReporterOptions {
    readonly prefix: string;
    readonly intervalMs?: number;
    readonly blockedMs?: number;
    readonly onBlocked?: (blocked: BlockedLoop) => void;
}

export interface ResultInfo {
    readonly worker: number;
}

export type ResultOf<Module> = TypesOf<Module>["result"];

export interface RunOptions {
    readonly worker?: number;
    readonly signal?: AbortSignal | null;
    readonly timeoutMs?: number;
    readonly priority?: number;
    readonly transfer?: readonly Transferable[];
    readonly retries?: number;
    readonly graceMs?: number | (() => number);
    readonly memoryBytes?: number;
    readonly onAsk?: (question: unknown, info: ResultInfo) => unknown;
}

export type RunTaskOf<Module> = [ResultOf<Module>] extends [never] ? TaskOf<Module> : [ResultOf<Module>] extends [Iterating] ? never : TaskOf<Module>;

export interface SetupContext<Data = unknown> {
    readonly workerNumber: number;
    readonly pool: string;
    readonly data: Data;
    readonly post: (message: unknown) => Promise<void>;
}

export interface SizeRange {
    readonly min: number;
    readonly max: number;
    readonly idleMs?: number;
}

export type StreamOptions = Omit<RunOptions, "retries">;

export type StreamTaskOf<Module> = [ItemOf<Module>] extends [never] ? never : TaskOf<Module>;

export interface TaskContext<State = unknown, Message = never, Data = unknown> {
    readonly workerNumber: number;
    readonly pool: string;
    readonly data: Data;
    readonly state: State;
    readonly signal: AbortSignal;
    readonly post: (message: Message) => Promise<void>;
    readonly ask: (question: unknown) => Promise<unknown>;
    readonly transfer: <Value>(value: Value, memory: readonly Transferable[]) => Value;
}

export type TaskOf<Module> = TypesOf<Module>["task"];

export interface TimeSummary {
    readonly count: number;
    readonly meanMs: number;
    readonly p50Ms: number;
    readonly p99Ms: number;
    readonly maxMs: number;
}

export type Transferable = ArrayBuffer | ChannelEnd;

export abstract class Worker<Task = unknown, Result = void, Message = never, Data = unknown> {
    #private;
    get number(): number;
    get data(): Data;
    initialise(): void | PromiseLike<void>;
    abstract processMessage(task: Task, context: TaskContext<undefined, Message, Data>): Result | PromiseLike<Result>;
    finish(): void | PromiseLike<void>;
    put(message: Message): Promise<void>;
    taskDone(): void;
    _attach(runtime: WorkerRuntime): void;
}

export interface WorkerDefinition<Task, Result, State, Message, Data> {
    setup?(context: SetupContext<Data>): State | PromiseLike<State>;
    task(task: Task, context: TaskContext<State, Message, Data>): Result | PromiseLike<Result>;
    teardown?(state: State): void | PromiseLike<void>;
}

export type WorkerKind = "process" | "thread";

export interface WorkerStats {
    readonly number: number;
    readonly pid: number;
    readonly state: "starting" | "ready" | "leaving" | "ended" | "absent";
    readonly running: number;
    readonly waiting: number;
    readonly done: number;
    readonly ageMs: number;
    readonly busyMsPerTask: number;
    readonly resources: ResourceReport | undefined;
}

export function defineWorker<Task, Result, State = undefined, Message = never, Data = unknown>(definition: WorkerDefinition<Task, Result, State, Message, Data>): WorkerDefinition<Task, Result, State, Message, Data>;

export function taskContext<State = unknown, Message = unknown, Data = unknown>(): TaskContext<State, Message, Data>;

// Not exported, but used by the types above.

type AnyFunction = (...args: never[]) => unknown;

interface Backoff {
    readonly minMs: number;
    readonly maxMs: number;
    readonly factor?: number;
    readonly jitter?: number;
}

type Called<Function_> = Function_ extends (...args: infer Args) => never ? (...args: Args) => Promise<never> : Function_ extends (...args: never[]) => Promise<unknown> ? Function_ : Function_ extends (...args: infer Args) => infer Result ? (...args: Args) => Promise<Awaited<Result>> : never;

type CalledMap<Module, Names extends keyof Module> = {
    readonly [Name in Names]: Called<Module[Name]>;
};

type ChannelEnd = MessagePort | ReadableStream | WritableStream | TransformStream;

type FunctionNames<Module> = {
    [Name in keyof Module]: Module[Name] extends AnyFunction ? Returns<Module[Name], Iterating> extends "no" ? Name : never : never;
}[keyof Module];

type GeneratorNames<Module> = {
    [Name in keyof Module]: Module[Name] extends AnyFunction ? Returns<Module[Name], Streaming> extends "yes" ? Name : never : never;
}[keyof Module];

type ItemOfResult<Result> = unknown extends Result ? unknown : Result extends AsyncIterable<infer Item> | Generator<infer Item> ? Item : never;

type Iterating = AsyncIterator<unknown, unknown, never> | Iterator<unknown, unknown, never>;

type ReservedNames = "default" | "then";

type Returns<Function_ extends AnyFunction, Type> = [ReturnType<Function_>] extends [never] ? "no" : [ReturnType<Function_>] extends [Type] ? "yes" : "no";

type Streamed<Function_> = Function_ extends (...args: infer Args) => infer Result ? (...args: Args) => AsyncIterableIterator<ItemOfResult<Result>, undefined> : never;

type StreamedMap<Module, Names extends keyof Module> = {
    readonly [Name in Names]: Streamed<Module[Name]>;
};

type Streaming = AsyncIterable<unknown> | Generator;

type TypesOf<Module> = Module extends {
    readonly default: infer Default;
} ? Default extends WorkerDefinition<infer Task, infer Result, infer _State, infer Message, infer Data> ? WorkerTypes<Task, Result, Message, Data> : Default extends new () => Worker<infer Task, infer Result, infer Message, infer Data> ? WorkerTypes<Task, Result, Message, Data> : never : Untyped;

type Untyped = WorkerTypes<unknown, unknown, unknown, unknown>;

interface WorkerRuntime {
    readonly workerNumber: number;
    readonly pool: string;
    readonly data: unknown;
    readonly current: AsyncLocalStorage<{
        post(message: unknown): Promise<void>;
        finish(): void;
    }>;
    post(message: unknown): Promise<void>;
}

interface WorkerTypes<Task, Result, Message, Data> {
    readonly task: Task;
    readonly result: Result;
    readonly message: Message;
    readonly data: Data;
}

// Types of other packages:
// - AsyncLocalStorage from "node:async_hooks"
// - EventEmitter from "node:events"
// - MessagePort from "node:worker_threads"
// - ResourceLimits from "node:worker_threads"
