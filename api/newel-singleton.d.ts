// The public types of newel/singleton. `npm run api` writes this file.

export type AnyClass = abstract new (...args: never[]) => object;

export type ArgumentOptions<Class extends AnyClass> = [
] extends ConstructorParameters<Class> ? {
    readonly args?: Readonly<ConstructorParameters<Class>>;
} : {
    readonly args: Readonly<ConstructorParameters<Class>>;
};

export interface CallContext {
    readonly signal: AbortSignal;
    readonly disconnected: AbortSignal;
    readonly peer: string;
}

export interface CommonOptions {
    readonly name: string;
    readonly key?: string;
    readonly version?: number;
    readonly timeoutMs?: number;
    readonly unresponsiveMs?: number;
    readonly className?: string;
    readonly idleMs?: number;
    readonly home?: string;
    readonly own?: boolean;
    readonly limits?: Partial<WireLimits>;
}

export interface Declarations<Instance> {
    readonly exposes?: readonly MethodNames<Instance>[];
    readonly streams?: readonly StreamNames<PublicPart<Instance>>[];
    readonly serial?: boolean;
    readonly idempotent?: readonly CallNames<PublicPart<Instance>>[];
}

export interface Hooks {
    lateInit?(ownership: Ownership): unknown;
    save?(): unknown;
    restore?(state: never, ownership: Ownership): unknown;
}

export type HostedOptions<Class extends AnyClass> = CommonOptions & ArgumentOptions<Class> & {
    readonly export?: string;
};

export interface LocalOptions {
    readonly engine?: "socket" | "kernel";
    readonly port?: never;
    readonly host?: never;
    readonly secret?: never;
}

export interface Membership<Instance, Exposed = string> extends AsyncDisposable {
    readonly createdNewInstance: boolean;
    readonly isOwner: boolean;
    readonly epoch: number;
    with(options: SingletonCallOptions): RemoteMethods<Instance, Exposed> & Pick<Membership<Instance, Exposed>, "with">;
    leave(): Promise<void>;
}

export type MethodNames<Instance> = CallNames<PublicPart<Instance>> | StreamNames<PublicPart<Instance>>;

export interface Ownership {
    readonly name: string;
    readonly key: string | undefined;
    readonly epoch: number;
    readonly signal: AbortSignal;
    save(): Promise<void>;
}

export interface PortOptions {
    readonly port: number;
    readonly host?: string;
    readonly secret?: string;
    readonly engine?: never;
}

export type RemoteMethods<Instance, Exposed = string> = RemoteMap<Instance, Exclude<CallableNames<Instance, Exposed>, ReservedNames>>;

export type Servable<Class extends AnyClass> = Unless<Extract<keyof Callables<Class>, ReservedNames>, "…"> & Unless<Exclude<NotGenerators<Callables<Class>>, DeclaredStreams<Class>>, "…">;

export type Singleton<Instance, Exposed = string> = RemoteMethods<Instance, Exposed> & Membership<Instance, Exposed>;

export interface SingletonCallOptions extends CallOptions {
    readonly key?: string;
}

export type SingletonOf<Class extends AnyClass> = Singleton<InstanceType<Class>, ExposedNames<Class>>;

export type SingletonOptions<Class extends AnyClass> = CommonOptions & (LocalOptions | PortOptions) & ArgumentOptions<Class>;

export function callContext(): CallContext;

export function ownership(): Ownership;

export function singleton<Class extends AnyClass>(module: URL, options: HostedOptions<Class>): Promise<SingletonOf<Class>>;
export function singleton<Class extends AnyClass>(type: Class & Declarations<InstanceType<Class>> & Servable<Class>, options: SingletonOptions<Class>): Promise<SingletonOf<Class>>;

// Not exported, but used by the types above.

type AnsweringMethod<Method> = Method extends (...args: infer Args) => infer Result ? Result extends AsyncIterable<infer Item> | Generator<infer Item> ? (...args: Args) => AsyncIterableIterator<Item> : (...args: Args) => Promise<Received<Awaited<Result>>> : never;

type AnyMethod = (...args: never[]) => unknown;

type AnyMethod = (...args: never[]) => unknown;

type CallNames<Api> = {
    [Name in keyof Api]: Api[Name] extends AnyMethod ? IsStreaming<Api[Name]> extends true ? never : Name : never;
}[keyof Api] & string;

interface CallOptions {
    readonly signal?: AbortSignal;
    readonly timeoutMs?: number;
}

type CallableName<Instance, Name extends keyof Instance, Exposed> = Name extends Exposed & string ? Name extends OwnMethods | InheritedNames ? never : Instance[Name] extends AnyMethod ? Name : never : never;

type CallableNames<Instance, Exposed = string> = {
    [Name in keyof Instance]-?: CallableName<Instance, Name, Exposed>;
}[keyof Instance];

type Callables<Class extends AnyClass> = Pick<InstanceType<Class>, CallableNames<InstanceType<Class>, ExposedNames<Class>>>;

type DeclaredStreams<Class> = Class extends {
    readonly streams: readonly (infer Name)[];
} ? Name : never;

type ExposedNames<Class> = Class extends {
    readonly exposes: readonly (infer Name)[];
} ? Name : string;

type InheritedNames = "constructor" | "hasOwnProperty" | "isPrototypeOf" | "propertyIsEnumerable" | "toLocaleString" | "toString" | "valueOf";

type IsStreaming<Method extends AnyMethod> = [ReturnType<Method>] extends [never] ? false : [ReturnType<Method>] extends [Streaming] ? true : false;

type NotGenerators<Instance> = {
    [Name in StreamNames<Instance>]: Instance[Name] extends (...args: never[]) => Generator | AsyncGenerator ? never : Name;
}[StreamNames<Instance>];

type OwnMethods = "save" | "restore" | "lateInit" | `_${string}`;

type PublicPart<Instance> = Pick<Instance, CallableNames<Instance>>;

type Received<Value> = Value extends AnyMethod ? ReceivedFunction<Value> : Value;

type ReceivedFunction<Function_> = Function_ extends (...args: infer Args) => infer Result ? ((...args: Args) => Promise<Received<Awaited<Result>>>) & Disposable : never;

type RemoteMap<Api, Names extends keyof Api> = {
    readonly [Name in Names]: RemoteMethod<Api[Name]>;
};

type RemoteMethod<Method> = Method extends (...args: infer Args) => never ? (...args: Args) => Promise<never> : Method extends (...args: never[]) => Promise<infer Result> ? [Extract<Result, AnyMethod>] extends [never] ? Method : AnsweringMethod<Method> : AnsweringMethod<Method>;

type ReservedNames = "createdNewInstance" | "epoch" | "isOwner" | "leave" | "with" | "then" | "catch" | "finally";

type StreamNames<Api> = {
    [Name in keyof Api]: Api[Name] extends AnyMethod ? IsStreaming<Api[Name]> extends true ? Name : never : never;
}[keyof Api] & string;

type Streaming = AsyncIterable<unknown> | Generator;

type Unless<Names, Message extends string> = [Names] extends [never] ? unknown : {
    readonly [Text in Message]: Names;
};

interface WireLimits {
    readonly maxFrameBytes: number;
    readonly maxDepth: number;
    readonly maxParts: number;
    readonly maxCalls: number;
    readonly maxStreams: number;
    readonly streamWindow: number;
    readonly maxReferences: number;
    readonly maxWaiting: number;
    readonly highWaterBytes: number;
    readonly maxBacklogBytes: number;
    readonly helloMs: number;
    readonly frameMs: number;
    readonly heartbeatMs: number;
}
