// The public types of newel/bus. `npm run api` writes this file.

export interface AutoreloadOptions {
    readonly intervalMs?: number;
    readonly match?: RegExp;
    readonly files?: readonly string[];
}

export interface BackgroundTaskOptions {
    readonly name?: string;
    readonly priority?: number;
    readonly timeoutMs?: number;
    readonly retryMs?: number;
}

export interface BlockOptions {
    readonly intervalMs?: number;
    readonly exitOnMainFailure?: boolean;
}

export interface BuiltInChannels extends LifecycleChannels, PluginChannels, Record<BusState, () => unknown> {
    main(): unknown;
    log(entry: LogEntry): unknown;
}

export class Bus<Channels extends ChannelMap<Channels> = OpenChannels> extends PubSub<Channels> implements AsyncDisposable {
    #private;
    constructor(options?: BusOptions);
    get state(): BusState;
    get exiting(): boolean;
    get restarting(): boolean;
    get canRestart(): boolean;
    get restartsOwed(): number;
    get running(): string | undefined;
    get exitCode(): number;
    get failures(): readonly ListenerFailure[];
    get timeline(): readonly TimelineEntry[];
    start(): Promise<void>;
    startWithCallback<Arguments extends readonly unknown[], Value>(callback: (...args: Arguments) => Value, ...args: Arguments): Promise<Awaited<Value> | undefined>;
    stop(): Promise<void>;
    graceful(): Promise<void>;
    restart(): Promise<void>;
    exit(code?: number): Promise<number>;
    block(options?: BlockOptions): Promise<number>;
    wait(states: BusState | readonly BusState[], options?: WaitOptions): Promise<BusState>;
    keep(name: string, task: Task): void;
    get tasks(): readonly string[];
    replaceWith(act: () => Promise<void> | void): void;
    plan(): Record<LifecycleName, readonly PlannedStep[]>;
    [Symbol.asyncDispose](): Promise<void>;
    protected subscribed(channel: string): void;
    protected exitRequested({ exitCode }: ExitRequest): void;
}

export interface BusOptions {
    readonly name?: string;
    readonly timeoutsMs?: Partial<Record<LifecycleName, number>>;
}

export type BusState = "idle" | "starting" | "started" | "stopping" | "exiting" | "exited" | "failed";

export class ChannelFailures extends AggregateError {
    readonly name = "ChannelFailures";
    readonly code = "NEWEL_E_BUS_LISTENERS";
    readonly fix: string;
    readonly channel: string;
    readonly failures: readonly ListenerFailure[];
    readonly results: readonly unknown[];
    constructor(channel: string, failures: readonly ListenerFailure[], results?: readonly unknown[]);
}

export type ChannelMap<Channels> = {
    readonly [Name in keyof Channels]: (...args: never[]) => unknown;
};

export type ChannelName<Channels> = BuiltInName | (keyof Channels & string);

export interface Child {
    readonly pid: number | undefined;
    readonly running: boolean;
}

export interface ChildExit {
    readonly name: string;
    readonly pid: number;
    readonly code: number | null;
    readonly signal: NodeJS.Signals | null;
    readonly expected: boolean;
}

export interface ChildOptions {
    readonly name: string;
    readonly module: string | URL;
    readonly args?: readonly string[];
    readonly channels?: readonly string[];
    readonly priority?: number;
    readonly startMs?: number;
    readonly stopMs?: number;
}

export const DEFAULT_TIMEOUTS_MS: Readonly<Record<LifecycleName, number>>;

export interface DaemonOptions {
    readonly stdout?: string;
    readonly stderr?: string;
    readonly directory?: string;
    readonly umask?: number;
    readonly priority?: number;
    readonly launched?: (pid: number) => void;
}

export const EXIT_CODES: {
    readonly ok: 0;
    readonly afterFailure: 1;
    readonly listenerFailed: 70;
    readonly deadline: 124;
    readonly forcedBySignal: 128;
};

export class ExitRequest extends Error {
    readonly name = "ExitRequest";
    readonly exitCode: number | undefined;
    constructor(exitCode?: number);
}

export type Listener<Channels, Name> = (...args: ListenerArguments<Channels, Name>) => Result<Channels, Name> | PromiseLike<Awaited<Result<Channels, Name>>>;

export interface ListenerFailure {
    readonly channel: string;
    readonly listener: string;
    readonly priority: number;
    readonly error: unknown;
    readonly durationMs?: number;
}

export interface LogEntry {
    readonly timeMs: number;
    readonly level: LogLevel;
    readonly message: string;
    readonly bus: string;
    readonly pid: number;
    readonly error?: unknown;
}

export type LogLevel = "debug" | "info" | "warn" | "error";

export interface LogOptions {
    readonly level?: LogLevel;
    readonly format?: (entry: LogEntry) => string;
}

export interface MonitorOptions {
    readonly intervalMs?: number;
    readonly name?: string;
}

export interface NewOwner {
    readonly uid: number;
    readonly gid: number;
    readonly groups: readonly number[];
}

export type OpenChannels = Readonly<Record<string, (...args: readonly unknown[]) => unknown>>;

export interface ParentOptions {
    readonly channels?: readonly string[];
}

export class PerpetualTimer {
    #private;
    constructor(run: () => unknown, intervalMs: number, onError: (error: unknown) => void);
    get running(): boolean;
    start(): void;
    cancel(): Promise<void>;
}

export interface PidfileOptions {
    readonly priority?: number;
}

export type PinoLike = Record<LogLevel, (fields: object, message: string) => void>;

export interface PlannedStep {
    readonly listener: string;
    readonly priority: number;
    readonly limitMs: number;
}

export interface PluginChannels extends Record<NodeJS.Signals, () => unknown> {
    childExit(exit: ChildExit): unknown;
    startThread(index: number, threadId: number): unknown;
    stopThread(index: number, threadId: number): unknown;
    handover(): Readonly<Record<string, number>>;
    privileges(owner: NewOwner): unknown;
}

export interface PrivilegesOptions {
    readonly user: string | number;
    readonly group?: string | number;
    readonly umask?: number;
    readonly priority?: number;
}

export interface ReexecOptions {
    readonly rehearse?: boolean;
    readonly rehearsalMs?: number;
}

export interface ServeOptions {
    readonly listen?: number | ListenOptions;
    readonly name?: string;
    readonly priority?: number;
    readonly graceMs?: number;
    readonly lingerMs?: number;
    readonly readinessPath?: string;
    readonly closeDelayMs?: number;
}

export interface Served {
    readonly address: AddressInfo | string | null;
    readonly connections: number;
}

export type SignalAction = "exit" | "restart" | "graceful" | "hangup" | "ignore" | ((name: string) => unknown);

export interface SignalOptions {
    readonly map?: Readonly<Record<string, SignalAction>>;
    readonly deadlineMs?: number;
    readonly lingerMs?: number;
    readonly repeatMs?: number;
}

export interface Signals extends Disposable {
    setHandler(signal: string | number, action: SignalAction): void;
    unsubscribe(): void;
}

export interface Step {
    readonly signal: AbortSignal;
    readonly limitMs: number;
}

export interface SubscribeOptions {
    readonly priority?: number;
    readonly name?: string;
    readonly timeoutMs?: number;
    readonly signal?: AbortSignal;
    readonly keepContext?: boolean;
}

export interface SystemdOptions {
    readonly alive?: () => boolean | Promise<boolean>;
    readonly environment?: NodeJS.ProcessEnv;
}

export const TRANSITIONS: Transitions<BusState, BusEvent>;

export interface Threads {
    readonly running: ReadonlyMap<number, number>;
    acquire(threadId: number): number;
    release(threadId: number): void;
}

export interface TimelineEntry {
    readonly channel: string;
    readonly listener: string;
    readonly durationMs: number;
    readonly failed: boolean;
}

export interface WaitOptions {
    readonly channel?: string;
    readonly intervalMs?: number;
    readonly signal?: AbortSignal;
}

export function autoreload(bus: Bus, options?: AutoreloadOptions): void;

export function backgroundTask(bus: Bus, run: (signal: AbortSignal) => Promise<unknown>, options?: BackgroundTaskOptions): void;

export function daemonize(bus: Bus, options?: DaemonOptions): boolean;

export function dropPrivileges(bus: Bus, options: PrivilegesOptions): void;

export function exitOnCrash(bus: Bus): () => void;

export function flushOutput(limitMs?: number): Promise<void>;

export function formatEntry({ timeMs, level, bus, pid, message }: LogEntry): string;

export function generation(): number;

export function joinParent(bus: Bus, options?: ParentOptions): boolean;

export function logToFile(bus: Bus, path: string, options?: LogOptions): () => void;

export function logToPino(bus: Bus, logger: PinoLike): () => void;

export function logToStream(bus: Bus, stream?: Writable, options?: LogOptions): () => void;

export function monitor(bus: Bus, run: () => unknown, options?: MonitorOptions): void;

export function notifySystemd(bus: Bus, options?: SystemdOptions): boolean;

export function pidfile(bus: Bus, path: string, options?: PidfileOptions): {
    readonly isHeld: boolean;
};

export function reexec(bus: Bus, options?: ReexecOptions): void;

export function serve(bus: Bus, server: Server, options?: ServeOptions): Served;

export function signals(bus: Bus, options?: SignalOptions): Signals;

export function startChild(bus: Bus, options: ChildOptions): Child;

export function threads(bus: Bus): Threads;

export function waitUntilServing(bus: Bus, where: {
    readonly host: string;
    readonly port: number;
}, limitMs?: number): Promise<void>;

// Not exported, but used by the types above.

type AnyListener = (...args: unknown[]) => unknown;

type BuiltInName = keyof BuiltInChannels;

type BusEvent = "start" | "started" | "stop" | "stopped" | "exit" | "exited" | "fail";

interface Ending {
    once(event: "exit", listener: () => void): unknown;
}

interface LifecycleChannels {
    start(step: Step): unknown;
    stop(step: Step): unknown;
    restart(step: Step): unknown;
    graceful(step: Step): unknown;
    exit(step: Step): unknown;
}

type LifecycleName = keyof LifecycleChannels;

type ListenerArguments<Channels, Name> = Signature<Channels, Name> extends (...args: infer Arguments) => unknown ? Arguments : never;

interface Outcome {
    readonly results: unknown[];
    readonly failures: ListenerFailure[];
    readonly request?: ExitRequest;
}

class PubSub<Channels extends ChannelMap<Channels> = OpenChannels> {
    #private;
    readonly name: string;
    constructor(name: string);
    subscribe<Name extends ChannelName<Channels>>(channel: Name, listener: Listener<Channels, Name>, options?: SubscribeOptions): () => void;
    subscribe<Name extends ChannelName<Channels>>(channel: Name, options?: SubscribeOptions): <Given extends Listener<Channels, Name>>(listener: Given) => Given;
    unsubscribe<Name extends ChannelName<Channels>>(channel: Name, listener: Listener<Channels, Name>): void;
    publish<Name extends ChannelName<Channels>>(channel: Name, ...args: PublishArguments<Channels, Name>): Result<Channels, Name>[];
    protected publishNow(channel: string, args: readonly unknown[]): unknown[];
    protected publishToAll(channel: string): void;
    publishAsync<Name extends ChannelName<Channels>>(channel: Name, ...args: PublishArguments<Channels, Name>): Promise<Awaited<Result<Channels, Name>>[]>;
    log(message: string, level?: LogLevel, error?: unknown): void;
    logEntry(entry: LogEntry): void;
    listenersOf(channel: string): readonly Subscription[];
    protected inTurn(channel: string, args: readonly unknown[], options: TurnOptions): Promise<Outcome>;
    protected exitRequested(_request: ExitRequest): void;
    protected subscribed(_channel: string): void;
}

type PublishArguments<Channels, Name> = Name extends LifecycleName ? [step?: Step] : ListenerArguments<Channels, Name>;

type Result<Channels, Name> = Signature<Channels, Name> extends (...args: never[]) => infer Value ? Value : never;

type Signature<Channels, Name> = Name extends BuiltInName ? BuiltInChannels[Name] : Name extends keyof Channels ? Channels[Name] : never;

interface Subscription {
    readonly listener: AnyListener;
    readonly call: AnyListener;
    readonly name: string;
    readonly priority: number;
    readonly timeoutMs: number | undefined;
}

type Task = PromiseLike<unknown> | Ending | (() => PromiseLike<unknown>);

type Transitions<State extends string, Event extends string> = Readonly<Record<State, Readonly<Partial<Record<Event, State>>>>>;

interface TurnOptions {
    readonly limitMs: number;
    readonly signal?: AbortSignal;
    readonly thorough?: boolean;
    readonly onBegin?: (listener: string) => void;
    readonly onSlow?: (listener: string, limitMs: number) => void;
    readonly onRequest?: (request: ExitRequest) => void;
    readonly onDone?: (listener: string, durationMs: number, error: unknown) => void;
}

// Types of other packages:
// - AddressInfo from "node:net"
// - ListenOptions from "node:net"
// - Server from "node:net"
// - Writable from "node:stream"
