import type { Home } from "../base/home.ts";
import type {
  BindRequest,
  ClaimInfo,
  KernelEvent,
  KernelStatus,
  RetiredSocket,
  SocketInfo,
  SocketRequest,
  ValueInfo,
} from "./api.ts";
import type {
  OutputChunk,
  OutputPosition,
  ProcessId,
  ProcessInfo,
  ProcessRequest,
  ProcessTree,
  SignalReport,
  SignalScope,
} from "./process-api.ts";

/** How to reach a kernel. Default: the home of the environment; a kernel is started there if none runs. */
export interface ConnectOptions {
  /** A home, or the path of its directory. */
  readonly home?: Home | string;
  /** The path of a Unix socket outside the home; no kernel is started then. */
  readonly path?: string;
  /** A loopback TCP port; no kernel is started then. */
  readonly port?: number;
  /** Whether to start a kernel when none answers. Default true. */
  readonly autostart?: boolean;
  /** How long to try to reach one, in milliseconds. Default 10,000. */
  readonly timeoutMs?: number;
  /** Whether the client's connections keep this process alive until they are closed. Default true. */
  readonly keepAlive?: boolean;
}

/** Descriptors of sockets, by the names they are stored under; see {@link KernelClient.sockets}. */
export type StoredSockets = Readonly<Record<string, number>>;

/** A claim this client holds. */
export interface HeldClaim {
  /** The fencing number of this grant: it only grows. */
  readonly epoch: number;
  /** Aborts when the claim is lost: another client took it, or the kernel could not be reached again. */
  readonly signal: AbortSignal;
  /** Releases the claim to the next client that waits. */
  release(): Promise<void>;
}

/** The present value; `undefined` when there is none. */
export interface ValueChange {
  /** The name of the value. */
  readonly name: string;
  /** The value; `undefined` when it was removed. */
  readonly value: string | undefined;
}

/** The end of a process, after all of its output. */
export interface OutputEnd {
  /** Tells the end from a piece of output. */
  readonly ended: true;
  /** As {@link ProcessInfo.exitCode}. */
  readonly exitCode: number | null;
}

/** Options of `processes.watch`: the position from which the output is read. */
export interface WatchOptions {
  /** The position to begin at. Default: the oldest byte kept. */
  readonly from?: Partial<OutputPosition>;
  /** Whether to continue after the kept output until the process has ended. Default true. */
  readonly follow?: boolean;
  /** Ends the iteration. */
  readonly signal?: AbortSignal;
}

/**
 * The client of a kernel. Each call rejects with the kernel's coded error. When the connection is lost, the
 * client connects again (starting a kernel if it may) and repeats the requests that are safe to repeat, and
 * iterators continue where they stopped.
 */
export interface KernelClient extends AsyncDisposable {
  /** The sockets that the kernel holds. Patterns are names or prefixes with `*`; none means all. */
  readonly sockets: {
    make(request: SocketRequest): Promise<SocketInfo>;
    /** Binds a socket that was made with `later`; see the kernel's operation of that name. */
    bind(request: BindRequest): Promise<SocketInfo>;
    list(...patterns: string[]): Promise<readonly SocketInfo[]>;
    remove(...patterns: string[]): Promise<void>;
    /**
     * Refuses clients of these sockets at once, and lets no other program take the address, until {@link
     * KernelClient.sockets.serve} is called or a process is made with the socket. Safe to repeat.
     *
     * @throws NEWEL_E_SOCKET_SERVED while a running process was given one of them; nothing is changed then
     * @throws NEWEL_E_NOT_FOUND
     */
    refuse(...patterns: string[]): Promise<readonly SocketInfo[]>;
    /**
     * Lets clients of these sockets wait for a process again, as at a new socket. Safe to repeat.
     *
     * @throws NEWEL_E_NOT_FOUND
     */
    serve(...patterns: string[]): Promise<readonly SocketInfo[]>;
    /** Leaves new clients of these sockets to others; see the kernel's operation of that name. Safe to repeat. */
    retire(...patterns: string[]): Promise<readonly RetiredSocket[]>;
    /**
     * Sends copies of all sockets to a datagram socket of this process until the signal aborts: in the
     * messages of systemd's fd store, and again from each later kernel.
     *
     * @param sent - called each time a kernel has sent all of its sockets
     */
    hold(
      path: string,
      options: { readonly signal: AbortSignal; readonly sent: () => void },
    ): Promise<void>;
  };
  /** The values that the kernel holds. Patterns are names or prefixes with `*`; none means all. */
  readonly values: {
    /**
     * @param fence - write only while that claim is held with that number; the kernel checks it in the same
     *   step
     * @throws NEWEL_E_SUPERSEDED when the claim has another holder or number by now
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
     * Yields the present value, then the newest value after each change: of several changes since the last
     * read, only the newest value is yielded. With a pattern, this covers every value whose name begins with
     * its prefix.
     */
    watch(pattern: string, options?: { readonly signal?: AbortSignal }): AsyncIterable<ValueChange>;
  };
  /** The processes that the kernel started. Patterns are names or prefixes with `*`; none means all. */
  readonly processes: {
    make(request: ProcessRequest): Promise<ProcessInfo>;
    list(...patterns: string[]): Promise<readonly ProcessInfo[]>;
    remove(...patterns: string[]): Promise<void>;
    /**
     * Lists processes that left the list and whose output is kept in the archive of their group, oldest
     * first: all of them, or those that match names or patterns of processes or groups. {@link
     * KernelClient.processes.watch} reads their output.
     */
    archived(...patterns: string[]): Promise<readonly ProcessInfo[]>;
    /**
     * Drops the kept output of groups, and of processes without a group. Readers see a gap of that size with
     * the reason `pruned`; later output is kept. Returns the number of bytes dropped.
     */
    prune(...patterns: string[]): Promise<{ readonly bytes: number }>;
    /** `signal` is a name (`'SIGTERM'`, `'TERM'`) or number. Default scope: the process alone. */
    signal(name: string, signal: string | number, scope?: SignalScope): Promise<SignalReport>;
    /**
     * Sends a signal to exactly these processes of a tree that {@link trees} listed, in this order. A process
     * that has ended, or whose pid belongs to another process by now, gets no signal.
     */
    signalExactly(
      name: string,
      signal: string | number,
      only: readonly ProcessId[],
    ): Promise<SignalReport>;
    /**
     * The processes by name or `prefix*` that live or have living descendants, with these descendants. With
     * `detail`, each has the facts of {@link ProcessDetail}.
     */
    trees(
      patterns: readonly string[],
      options?: { readonly detail?: boolean },
    ): Promise<readonly ProcessTree[]>;
    /**
     * Yields the output in the order in which the kernel saw it, then, when following, the end of the
     * process.
     */
    watch(name: string, options?: WatchOptions): AsyncIterable<OutputChunk | OutputEnd>;
    /** The last `count` lines of stdout and stderr together. */
    tail(name: string, count: number): Promise<string[]>;
  };
  /** The claims that clients hold. Patterns are names or prefixes with `*`; none means all. */
  readonly claims: {
    list(...patterns: string[]): Promise<readonly ClaimInfo[]>;
    /** Takes a claim from its holder; its number grows first. */
    release(name: string): Promise<void>;
  };
  /**
   * Waits until the claim is granted. The claim ends when it is released, when this client is closed, and
   * with this process; never with the kernel.
   */
  claim(name: string, options?: { readonly signal?: AbortSignal }): Promise<HeldClaim>;
  /** Every state change after `since` (an event number; default: from now on), without gaps across reconnects. */
  events(options?: {
    readonly since?: number;
    readonly signal?: AbortSignal;
  }): AsyncIterable<KernelEvent>;
  /** Returns the state of the kernel. */
  status(): Promise<KernelStatus>;
  /**
   * Replaces the running kernel by a build (default: the present files of the build it runs from); resolves
   * once the new kernel answers. The build is tried first.
   *
   * @throws NEWEL_E_UPGRADE_REFUSED when the build cannot boot; the old kernel continues to serve
   */
  upgrade(build?: { readonly node?: string; readonly program?: string }): Promise<KernelStatus>;
  /** Asks the kernel to end if it holds no process, socket or value; resolves to whether it will end. */
  exitIfIdle(): Promise<boolean>;
  /** Closes the connections and releases the claims of this client. */
  close(): Promise<void>;
}
