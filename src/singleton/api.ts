import type { CallNames, CallOptions, Remote, StreamNames } from "../wire/contract.ts";
import type { WireLimits } from "../wire/limits.ts";

/**
 * The types of a singleton: what a class may declare, what the caller says, what it gets. See
 * docs/guide/singleton.md.
 */

/** A class that can be a singleton. */
export type AnyClass = abstract new (...args: never[]) => object;

/** Methods the owner itself uses; nobody calls them from outside. */
type OwnMethods = "save" | "restore" | "lateInit" | `_${string}`;

type PublicPart<Instance> = {
  readonly [
    Name in keyof Instance as Name extends string ? (Name extends OwnMethods ? never : Name) : never
  ]: Instance[Name];
};

/** The names under which methods of an instance can be called. */
export type MethodNames<Instance> =
  | CallNames<PublicPart<Instance>>
  | StreamNames<PublicPart<Instance>>;

/** What a class may declare about its methods, as static fields (`as const`). */
export interface Declarations<Instance> {
  /** The only methods that can be called. Default: every method of the class itself whose name begins with no `_`. */
  readonly exposes?: readonly MethodNames<Instance>[];
  /** Methods that answer with an async iterable without being generators. */
  readonly streams?: readonly StreamNames<PublicPart<Instance>>[];
  /** Methods whose call may be made again with the next owner when one dies: see the guide, "Calls and failover". */
  readonly idempotent?: readonly CallNames<PublicPart<Instance>>[];
}

/** Methods with a meaning of their own, when an instance has them. All may be async. */
export interface Hooks {
  /** Called once in the owner, after `restore` and before the first call: open files, start timers. */
  lateInit?(ownership: Ownership): unknown;
  /** The state, as JSON can carry it. Asked for after each call that may have changed it. */
  save?(): unknown;
  /** Given what the owner before saved, when there is something. */
  restore?(state: never, ownership: Ownership): unknown;
}

/** What an instance knows of its being the one. */
export interface Ownership {
  readonly name: string;
  readonly key: string | undefined;
  /** The fencing number: each owner's is larger than that of the owner before. */
  readonly epoch: number;
  /** Aborts when the ownership ends: another process has it, or it was given up. */
  readonly signal: AbortSignal;
  /**
   * Saves what `save()` gives now, for changes that no call made; calls are saved by themselves.
   *
   * @throws NEWEL_E_SUPERSEDED when another process has become the owner
   */
  save(): Promise<void>;
}

/** What every form takes. */
export interface CommonOptions {
  /** Names the singleton: who uses the same name shares the instance. No `/`, no spaces. */
  readonly name: string;
  /** One instance for each key, each with an owner of its own. */
  readonly key?: string;
  /** The version of the class's methods; both sides must have the same. Default 1. */
  readonly version?: number;
  /**
   * Milliseconds to wait for an owner that answers: here, and in each call that finds none. Default
   * 30,000: a constructor that takes longer needs more.
   */
  readonly timeoutMs?: number;
  /**
   * After so many milliseconds without a call the instance is saved and given up; the next call
   * makes it again, wherever that call is made. Default: never.
   */
  readonly idleMs?: number;
  /** The home directory of the kernel and the epochs. Default: that of `$NEWEL_HOME`. */
  readonly home?: string;
  /** Whether this process may become the owner. Default true; false suits a tool that ends soon. */
  readonly own?: boolean;
  /** Limits of the connections, as of {@link WireLimits}. */
  readonly limits?: Partial<WireLimits>;
}

/** How the owner is chosen among the processes of this machine. */
export interface LocalOptions {
  /**
   * `socket`: an abstract Unix socket, no daemon. `kernel`: a claim of the newel kernel, which also
   * keeps the state. Default: `kernel` for a class with `save` and `restore`, else `socket`.
   */
  readonly engine?: "socket" | "kernel";
  readonly port?: never;
}

/** The owner is whoever has the port. */
export interface PortOptions {
  readonly port: number;
  /** Where to listen and connect. Default 127.0.0.1, this machine alone. */
  readonly host?: string;
  /** What all sides know. Without one only processes of the same user on this machine are let in. */
  readonly secret?: string;
  readonly engine?: never;
}

/** Constructor arguments, to be left out where the constructor needs none. */
export type ArgumentOptions<Class extends AnyClass> =
  [] extends ConstructorParameters<Class>
    ? { readonly args?: Readonly<ConstructorParameters<Class>> }
    : { readonly args: Readonly<ConstructorParameters<Class>> };

export type SingletonOptions<Class extends AnyClass> = CommonOptions &
  (LocalOptions | PortOptions) &
  ArgumentOptions<Class>;

/** For an instance in a process of its own, which the kernel makes. */
export type HostedOptions<Class extends AnyClass> = CommonOptions &
  ArgumentOptions<Class> & {
    /** The export of the module that is the class. Default: `default`, or the one class it exports. */
    readonly export?: string;
  };

/** How one call is made. */
export interface SingletonCallOptions extends CallOptions {
  /**
   * Names the call of an idempotent method, for example by the order it is for: with the same key it
   * takes effect once, also from another process. Without one a call is known only while it lasts.
   */
  readonly key?: string;
}

/** The methods of the instance: each answers with a promise, or an async iterator where it streams. */
export type RemoteMethods<Instance> = Omit<Remote<PublicPart<Instance>>, "with">;

/**
 * The one instance, as every process has it. In the owner too a call crosses as a message, so that
 * what works in one process works in all.
 */
export type Singleton<Instance> = RemoteMethods<Instance> & Membership<Instance>;

/** What a proxy has beside the methods of the instance. */
export interface Membership<Instance> extends AsyncDisposable {
  /** Whether the instance was made by this very call of `singleton`. */
  readonly createdNewInstance: boolean;
  /** Whether the instance is in this process now. An owner keeps its process alive. */
  readonly isOwner: boolean;
  /** The number of the owner that calls go to now; the last one known while there is none. */
  readonly epoch: number;
  /** The same methods, called with a signal, a time limit or a key. */
  with(options: SingletonCallOptions): RemoteMethods<Instance> & Pick<Membership<Instance>, "with">;
  /**
   * Takes no part any more. An owner finishes the calls that run (for at most 2 s), saves its state
   * and gives the ownership up: the next process takes over.
   */
  leave(): Promise<void>;
}
