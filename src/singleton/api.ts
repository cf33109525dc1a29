import type { CallNames, CallOptions, RemoteMap, StreamNames } from "../wire/contract.ts";
import type { WireLimits } from "../wire/limits.ts";

/**
 * The types of a singleton: the declarations of a class, the options of the caller, and the proxy
 * that it gets. See docs/guide/singleton.md.
 */

/** A class that can be a singleton. */
export type AnyClass = abstract new (...args: never[]) => object;

/** Methods that only the owner itself calls. */
type OwnMethods = "save" | "restore" | "lateInit" | `_${string}`;

/** Names that the proxy or a promise already uses. */
type ReservedNames =
  | "createdNewInstance"
  | "epoch"
  | "isOwner"
  | "leave"
  | "with"
  | "then"
  | "catch"
  | "finally";

/** Names that every object has; a method with such a name stays with the owner. */
type InheritedNames =
  | "constructor"
  | "hasOwnProperty"
  | "isPrototypeOf"
  | "propertyIsEnumerable"
  | "toLocaleString"
  | "toString"
  | "valueOf";

type AnyMethod = (...args: never[]) => unknown;

/** The name if it is that of a callable method, else `never`. */
type CallableName<Instance, Name extends keyof Instance, Exposed> = Name extends Exposed & string
  ? Name extends OwnMethods | InheritedNames
    ? never
    : Instance[Name] extends AnyMethod
      ? Name
      : never
  : never;

type CallableNames<Instance, Exposed = string> = {
  [Name in keyof Instance]-?: CallableName<Instance, Name, Exposed>;
}[keyof Instance];

type PublicPart<Instance> = Pick<Instance, CallableNames<Instance>>;

/** The names that `static exposes` lists; all names if it is missing. */
type ExposedNames<Class> = Class extends { readonly exposes: readonly (infer Name)[] }
  ? Name
  : string;

/** The names under which methods of an instance can be called. */
export type MethodNames<Instance> =
  | CallNames<PublicPart<Instance>>
  | StreamNames<PublicPart<Instance>>;

/** Methods whose type is a stream, but which may be no generators, so `streams` must name them. */
type NotGenerators<Instance> = {
  [Name in StreamNames<Instance>]: Instance[Name] extends (
    ...args: never[]
  ) => Generator | AsyncGenerator
    ? never
    : Name;
}[StreamNames<Instance>];

type DeclaredStreams<Class> = Class extends { readonly streams: readonly (infer Name)[] }
  ? Name
  : never;

/**
 * Rejects at compile time a class that `singleton` could not serve as its type says: a class with a
 * method that the proxy itself has, or with a stream that `static streams` does not name.
 */
export type Servable<Class extends AnyClass> = Unless<
  Extract<keyof Callables<Class>, ReservedNames>,
  "a method has the name of a property of the proxy: rename it, or leave it out of `static exposes`"
> &
  Unless<
    Exclude<NotGenerators<Callables<Class>>, DeclaredStreams<Class>>,
    "a method returns an async iterable: name it in `static readonly streams = [...] as const`"
  >;

type Unless<Names, Message extends string> = [Names] extends [never]
  ? unknown
  : { readonly [Text in Message]: Names };

type Callables<Class extends AnyClass> = Pick<
  InstanceType<Class>,
  CallableNames<InstanceType<Class>, ExposedNames<Class>>
>;

/** The declarations of a class about its methods, as static fields (`as const`). */
export interface Declarations<Instance> {
  /** The only methods that can be called. Default: every method, inherited ones too, whose name does not begin with `_`. */
  readonly exposes?: readonly MethodNames<Instance>[];
  /** Methods that return an async iterable without being generators. */
  readonly streams?: readonly StreamNames<PublicPart<Instance>>[];
  /**
   * Calls run one at a time, in the order in which they arrive, even if they await. Streams are not
   * queued. Default false: calls run as in any other program, interleaved at each `await`.
   */
  readonly serial?: boolean;
  /**
   * Methods whose call may be repeated with the next owner when an owner dies: see the guide,
   * "Calls and failover".
   */
  readonly idempotent?: readonly CallNames<PublicPart<Instance>>[];
}

/** Methods with a special meaning, if an instance has them. All may be async. */
export interface Hooks {
  /** Called once in the owner, after `restore` and before the first call: open files, start timers. */
  lateInit?(ownership: Ownership): unknown;
  /**
   * Returns the state, as a value that JSON can carry. Called after each call that may have changed
   * the state.
   */
  save?(): unknown;
  /** Gets the state that the previous owner saved, if there is any. */
  restore?(state: never, ownership: Ownership): unknown;
}

/** The facts that an instance can know about its ownership. */
export interface Ownership {
  /** The name of the singleton. */
  readonly name: string;
  /** The key of the instance; `undefined` for a singleton without keys. */
  readonly key: string | undefined;
  /** The fencing number: the epoch of each owner is larger than that of the previous owner. */
  readonly epoch: number;
  /** Aborts when the ownership ends: another process has it, or it was released. */
  readonly signal: AbortSignal;
  /**
   * Saves the current result of `save()`, for changes outside of calls; calls are saved
   * automatically.
   *
   * @throws NEWEL_E_SUPERSEDED when another process has become the owner
   */
  save(): Promise<void>;
}

/** The options common to all forms. */
export interface CommonOptions {
  /**
   * Names the singleton: all processes that use the same name share the instance. No `/`, no
   * spaces.
   */
  readonly name: string;
  /** One instance per key, each with its own owner. */
  readonly key?: string;
  /** The version of the class's methods; both sides must have the same. Default 1. */
  readonly version?: number;
  /**
   * Milliseconds to wait for an owner that answers: in `singleton`, and in each call while there is
   * no owner. It also bounds `restore`, `lateInit`, `save` and the disposal of the instance.
   * Default 30,000: raise it for an instance that takes longer to construct.
   */
  readonly timeoutMs?: number;
  /**
   * A call rejects with NEWEL_E_OWNER_SILENT when its owner has answered no heartbeat for this many
   * milliseconds: its event loop is blocked, it is stopped, or the network is down. 0 waits without
   * limit. Default 30,000. A call of an owner that answers heartbeats has no limit except its own
   * `timeoutMs`.
   */
  readonly unresponsiveMs?: number;
  /**
   * The name of the class, which all processes compare: a different name is refused with
   * NEWEL_E_SINGLETON_CLASS. Default: the name of the class itself; set it if a bundler shortens
   * names.
   */
  readonly className?: string;
  /**
   * After this many milliseconds without a call the instance is saved and released; the next call
   * makes it again, in whichever process that call is made. Default: never.
   */
  readonly idleMs?: number;
  /** The home directory of the kernel and of the epochs. Default: that of `$NEWEL_HOME`. */
  readonly home?: string;
  /** Whether this process may become the owner. Default true; false suits a tool that ends soon. */
  readonly own?: boolean;
  /** Limits of the connections, on both sides, as in {@link WireLimits}. */
  readonly limits?: Partial<WireLimits>;
}

/** The election of the owner among the processes of this machine. */
export interface LocalOptions {
  /**
   * `socket`: an abstract Unix socket, no daemon. `kernel`: a claim of the newel kernel, which also
   * keeps the state. Default: `kernel` for a class with `save` and `restore`, else `socket`.
   */
  readonly engine?: "socket" | "kernel";
  readonly port?: never;
  /** Only with a port. */
  readonly host?: never;
  /** Only with a port. */
  readonly secret?: never;
}

/** The owner is the process that listens at the port. */
export interface PortOptions {
  /** The port that the owner listens at. */
  readonly port: number;
  /** The address to listen at and connect to. Default 127.0.0.1: this machine alone. */
  readonly host?: string;
  /**
   * The shared secret. Without a secret only processes of the same user on this machine are
   * accepted.
   */
  readonly secret?: string;
  readonly engine?: never;
}

/** Constructor arguments; optional if the constructor needs none. */
export type ArgumentOptions<Class extends AnyClass> =
  [] extends ConstructorParameters<Class>
    ? { readonly args?: Readonly<ConstructorParameters<Class>> }
    : { readonly args: Readonly<ConstructorParameters<Class>> };

/** Options of `singleton`: the name, the engine of the election and the time limits. */
export type SingletonOptions<Class extends AnyClass> = CommonOptions &
  (LocalOptions | PortOptions) &
  ArgumentOptions<Class>;

/** For an instance in a separate process, which the kernel starts. */
export type HostedOptions<Class extends AnyClass> = CommonOptions &
  ArgumentOptions<Class> & {
    /**
     * The export of the module that is the class. Default: `default`, or the only class that it
     * exports.
     */
    readonly export?: string;
  };

/** Options of one call. */
export interface SingletonCallOptions extends CallOptions {
  /**
   * Names the call of an idempotent method, for example by its order number: calls with the same
   * key take effect once, even from another process. Without a key a call is remembered only while
   * it lasts.
   */
  readonly key?: string;
}

/** The methods of the instance: each returns a promise, or an async iterator if it streams. */
export type RemoteMethods<Instance, Exposed = string> = RemoteMap<
  Instance,
  Exclude<CallableNames<Instance, Exposed>, ReservedNames>
>;

/**
 * The shared instance as every process sees it. In the owner, too, a call crosses as a message, so
 * that it behaves the same in all processes.
 */
export type Singleton<Instance, Exposed = string> = RemoteMethods<Instance, Exposed> &
  Membership<Instance, Exposed>;

/** The shared instance of a class, with the methods that the class exposes. */
export type SingletonOf<Class extends AnyClass> = Singleton<
  InstanceType<Class>,
  ExposedNames<Class>
>;

/** The members of a proxy besides the methods of the instance. */
export interface Membership<Instance, Exposed = string> extends AsyncDisposable {
  /** Whether this call of `singleton` made the instance. */
  readonly createdNewInstance: boolean;
  /** Whether the instance is in this process now. An owner keeps its process alive. */
  readonly isOwner: boolean;
  /** The epoch of the current owner; the last known epoch while there is none. */
  readonly epoch: number;
  /** The same methods, called with a signal, a time limit or a key. */
  with(
    options: SingletonCallOptions,
  ): RemoteMethods<Instance, Exposed> & Pick<Membership<Instance, Exposed>, "with">;
  /**
   * Leaves the singleton. An owner finishes the running calls (for at most 2 s), saves its state
   * and releases the ownership: the next process takes over.
   */
  leave(): Promise<void>;
}
