import type { Home } from "../base/home.ts";
import type {
  BindRequest,
  ClaimInfo,
  KernelEvent,
  KernelStatus,
  OutputChunk,
  OutputPosition,
  ProcessId,
  ProcessInfo,
  ProcessRequest,
  ProcessTree,
  SignalReport,
  SignalScope,
  SocketInfo,
  SocketRequest,
  ValueInfo,
} from "./api.ts";

/** How to reach a kernel. Default: the home of the environment, a kernel started there if none runs. */
export interface ConnectOptions {
  /** A home, or its directory. */
  readonly home?: Home | string;
  /** A Unix socket elsewhere; nothing is started then. */
  readonly path?: string;
  /** A loopback TCP port; nothing is started then. */
  readonly port?: number;
  /** Start a kernel when none answers. Default true. */
  readonly autostart?: boolean;
  /** How long to try to reach one, in milliseconds. Default 10,000. */
  readonly timeoutMs?: number;
  /** Whether its connections keep this process alive until they are closed. Default true. */
  readonly keepAlive?: boolean;
}

/** Descriptors of sockets, by the names they are stored under; see {@link KernelClient.sockets}. */
export type StoredSockets = Readonly<Record<string, number>>;

/** A claim this client holds. */
export interface HeldClaim {
  /** The fencing number of this grant: it only grows. */
  readonly epoch: number;
  /** Aborts when the claim was lost: somebody took it, or the kernel could not be reached again. */
  readonly signal: AbortSignal;
  release(): Promise<void>;
}

/** A value as it is now; `undefined` when there is none. */
export interface ValueChange {
  readonly name: string;
  readonly value: string | undefined;
}

/** The end of a process, after all of its output. */
export interface OutputEnd {
  readonly ended: true;
  readonly exitCode: number | null;
}

export interface WatchOptions {
  /** Where to begin. Default: the oldest byte kept. */
  readonly from?: Partial<OutputPosition>;
  /** Go on when the kept output is read, until the process ended. Default true. */
  readonly follow?: boolean;
  readonly signal?: AbortSignal;
}

/**
 * A kernel from the outside. Each call rejects with the kernel's own coded error. When the
 * connection is lost the client connects again (starting a kernel if it may), repeats what is safe
 * to repeat, and iterators go on where they stopped.
 */
export interface KernelClient extends AsyncDisposable {
  readonly sockets: {
    make(request: SocketRequest): Promise<SocketInfo>;
    /** Binds a socket that was made with `later`; see the kernel's verb of that name. */
    bind(request: BindRequest): Promise<SocketInfo>;
    list(...patterns: string[]): Promise<readonly SocketInfo[]>;
    remove(...patterns: string[]): Promise<void>;
    /**
     * Clients of these sockets are refused at once from now on, and no other program can take the address;
     * until {@link KernelClient.sockets.serve} or until a process is made with the socket. Safe to repeat.
     *
     * @throws NEWEL_E_SOCKET_SERVED while a running process was given one of them: nothing is changed then
     * @throws NEWEL_E_NOT_FOUND
     */
    refuse(...patterns: string[]): Promise<readonly SocketInfo[]>;
    /**
     * Clients of these sockets wait for a process again, as they do of a new socket. Safe to repeat.
     *
     * @throws NEWEL_E_NOT_FOUND
     */
    serve(...patterns: string[]): Promise<readonly SocketInfo[]>;
    /**
     * Has copies of all sockets sent to a datagram socket of this process, until the signal: messages as
     * for systemd's fd store, again from each kernel that follows.
     *
     * @param sent - called each time a kernel has sent what it had
     */
    hold(
      path: string,
      options: { readonly signal: AbortSignal; readonly sent: () => void },
    ): Promise<void>;
  };
  readonly values: {
    /**
     * @param fence - write only while that claim is held with that number; checked by the kernel in the
     * same step
     * @throws NEWEL_E_SUPERSEDED when the fence does not hold any more
     */
    set(
      name: string,
      value: string | undefined,
      fence?: { readonly claim: string; readonly epoch: number },
    ): Promise<void>;
    get(name: string): Promise<string | undefined>;
    list(...patterns: string[]): Promise<readonly ValueInfo[]>;
    remove(...patterns: string[]): Promise<void>;
    /**
     * The value as it is now, then each time it has changed: always the newest, so one that was set and
     * set again meanwhile is seen once. With a pattern, every value whose name begins so.
     */
    watch(pattern: string, options?: { readonly signal?: AbortSignal }): AsyncIterable<ValueChange>;
  };
  readonly processes: {
    make(request: ProcessRequest): Promise<ProcessInfo>;
    list(...patterns: string[]): Promise<readonly ProcessInfo[]>;
    remove(...patterns: string[]): Promise<void>;
    /**
     * Processes that left the list and whose output is kept in the archive of their group, oldest first: all,
     * or by names or patterns of processes or groups. {@link KernelClient.processes.watch} reads them.
     */
    archived(...patterns: string[]): Promise<readonly ProcessInfo[]>;
    /**
     * Drops the kept output of groups, and of processes without a group. Readers see a gap of that size with
     * the reason `pruned`; what comes afterwards is kept. Answers how many bytes were dropped.
     */
    prune(...patterns: string[]): Promise<{ readonly bytes: number }>;
    /** `signal` is a name (`'SIGTERM'`, `'TERM'`) or number. Default scope: the process alone. */
    signal(name: string, signal: string | number, scope?: SignalScope): Promise<SignalReport>;
    /**
     * Sends a signal to exactly these processes of a tree that {@link trees} listed, in this order. One
     * that has ended, or whose pid another process has now, gets none.
     */
    signalExactly(
      name: string,
      signal: string | number,
      only: readonly ProcessId[],
    ): Promise<SignalReport>;
    /**
     * The processes by name or `prefix*` that live or have living descendants, with these. With
     * `detail`, also how each treats signals.
     */
    trees(
      patterns: readonly string[],
      options?: { readonly detail?: boolean },
    ): Promise<readonly ProcessTree[]>;
    /** The output in the order the kernel saw it, then, when following, the end. */
    watch(name: string, options?: WatchOptions): AsyncIterable<OutputChunk | OutputEnd>;
    /** The last `count` lines of stdout and stderr together. */
    tail(name: string, count: number): Promise<string[]>;
  };
  readonly claims: {
    list(...patterns: string[]): Promise<readonly ClaimInfo[]>;
    /** Takes a claim from whoever holds it; its number grows first. */
    release(name: string): Promise<void>;
  };
  /**
   * Waits until the claim is granted. It ends when it is released, when this client is closed, and with
   * this process; never with the kernel.
   */
  claim(name: string, options?: { readonly signal?: AbortSignal }): Promise<HeldClaim>;
  /** Every state change after `since` (an event number; default: from now on), without gaps across reconnects. */
  events(options?: {
    readonly since?: number;
    readonly signal?: AbortSignal;
  }): AsyncIterable<KernelEvent>;
  status(): Promise<KernelStatus>;
  /**
   * Replaces the running kernel by a build (default: the one it runs from, as it is on disk now); resolves
   * once the new one answers. The build is tried first.
   *
   * @throws NEWEL_E_UPGRADE_REFUSED when it cannot boot; the old kernel goes on
   */
  upgrade(build?: { readonly node?: string; readonly program?: string }): Promise<KernelStatus>;
  /** Asks the kernel to end if it holds nothing; answers whether it will. */
  exitIfIdle(): Promise<boolean>;
  close(): Promise<void>;
}
