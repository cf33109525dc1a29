// The public types of newel/pool/worker. `npm run api` writes this file.

export interface BlockedLoop {
    readonly durationMs: number;
    readonly times: number;
    readonly longestMs: number;
}

export interface GaugeClient {
    gauge(name: string, value: number): unknown;
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

export interface SetupContext<Data = unknown> {
    readonly workerNumber: number;
    readonly pool: string;
    readonly data: Data;
    readonly post: (message: unknown) => Promise<void>;
}

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

export function defineWorker<Task, Result, State = undefined, Message = never, Data = unknown>(definition: WorkerDefinition<Task, Result, State, Message, Data>): WorkerDefinition<Task, Result, State, Message, Data>;

export function taskContext<State = unknown, Message = unknown, Data = unknown>(): TaskContext<State, Message, Data>;

// Not exported, but used by the types above.

type ChannelEnd = MessagePort | ReadableStream | WritableStream | TransformStream;

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

// Types of other packages:
// - AsyncLocalStorage from "node:async_hooks"
// - MessagePort from "node:worker_threads"
