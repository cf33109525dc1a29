import type {
  OutputPosition,
  ProcessId,
  ProcessIdentity,
  ProcessInfo,
  ProcessOutput,
  ProcessRequest,
  ProcessTree,
  SignalReport,
  SignalScope,
} from "./process-api.ts";

/**
 * The objects and answers of the kernel, as types: the tables implement them, the session renders them
 * (papa's text grammar or JSON lines), the client returns them. Times are milliseconds since the
 * epoch, sizes are bytes.
 */

export type SocketFamily = "inet" | "inet6" | "unix";
/** The type of a socket. */
export type SocketType = "stream" | "dgram" | "seqpacket" | "raw" | "rdm";

/**
 * `make socket`. Members that are left out take the defaults of spec/kernel-protocol: inet, stream, backlog
 * 5, loopback, port 0.
 */
export interface SocketRequest {
  /** The name of the socket in the kernel, which no other socket may have. */
  readonly name: string;
  /** The address family. */
  readonly family?: SocketFamily;
  /** The type of the socket. */
  readonly type?: SocketType;
  /** The number of connections that may wait in it, bounded by net.core.somaxconn. */
  readonly backlog?: number;
  /** The IP address to bind to. */
  readonly host?: string;
  /** The port to bind to; 0 for a free one. */
  readonly port?: number;
  /** The network device to bind to (SO_BINDTODEVICE). Default: all. */
  readonly interface?: string;
  /** Reserve the port, and make another socket for each process (SO_REUSEPORT). Default false. */
  readonly reuseport?: boolean;
  /** The absolute path of a Unix socket; with it the socket is a Unix socket. */
  readonly path?: string;
  /** The umask for the file of a Unix socket. */
  readonly umask?: number;
  /** The owner of the file of a Unix socket; only for root. Default: the user of the kernel. */
  readonly uid?: number;
  /** The group of the file of a Unix socket; only for root. Default: the group of the kernel. */
  readonly gid?: number;
  /** Check that the port is free, and leave the address to {@link Kernel.sockets.bind}: a TCP socket with a port and no host. */
  readonly later?: boolean;
  /**
   * Allow another socket of this kernel on the same port that takes some of the same clients, such as
   * 127.0.0.1 next to 0.0.0.0: Linux gives each client to the more specific socket. Default false.
   */
  readonly overlap?: boolean;
}

/** The address that {@link Kernel.sockets.bind} gives a socket. */
export interface BindRequest {
  readonly name: string;
  /** An IP address of the socket's family. */
  readonly host: string;
  /** With the host `::`: take no IPv4 connections. Default false. */
  readonly ipv6Only?: boolean;
}

/** A socket as `list sockets` shows it. `fileno` is missing for a `reuseport` reservation, `refusing` where it serves. */
export interface SocketInfo {
  /** The name of the socket in the kernel. */
  readonly name: string;
  /** The address family. */
  readonly family: SocketFamily;
  /** The type of the socket. */
  readonly type: SocketType;
  /** The number of connections that may wait in it. */
  readonly backlog: number;
  /** The path of a Unix socket. */
  readonly path?: string;
  /** The umask for the file of a Unix socket. */
  readonly umask?: number;
  /** The owner of the file of a Unix socket, where it was given one. */
  readonly uid?: number;
  /** The group of the file of a Unix socket, where it was given one. */
  readonly gid?: number;
  /** The IP address it is bound to. */
  readonly host?: string;
  /** The port it is bound to. */
  readonly port?: number;
  /** The network device it is bound to; `undefined` if it is not bound to a device. */
  readonly interface?: string;
  /** Whether each process gets another socket on the same port (SO_REUSEPORT). */
  readonly reuseport?: boolean;
  /** Made without an address: as long as `host` is missing, the socket is not bound. */
  readonly later?: true;
  /** Bound to `::`, without IPv4. */
  readonly ipv6Only?: true;
  /** The descriptor in the kernel. */
  readonly fileno?: number;
  /** Its clients are refused at once, and no other program can take its address; see `refuse sockets`. */
  readonly refusing?: true;
}

/** A socket that gets no new clients. */
export interface RetiredSocket extends SocketInfo {
  /** How many clients wait until a process that has the socket accepts them. */
  readonly waiting: number;
}

/** A value with its name. */
export interface ValueInfo {
  /** The name of the value. */
  readonly name: string;
  /** The text. */
  readonly value: string;
}

/** A claim with its holder and the number of waiting clients. */
export interface ClaimInfo {
  /** The name of the claim. */
  readonly name: string;
  /** The process that holds it, and since when. */
  readonly holder: { readonly pid: number; readonly sinceMs: number };
  /** The fencing number: it only grows. */
  readonly epoch: number;
  /** The number of clients that wait for it. */
  readonly waiting: number;
}

/** The kind of change that an event reports. */
export type KernelEventType =
  | "made"
  | "bound"
  | "listen"
  | "ended"
  | "closed"
  | "ready"
  | "status"
  | "removed"
  | "claimed"
  | "released"
  | "refusing"
  | "serving";

/** A change of a socket, value, process or claim. */
export interface KernelEvent {
  /** Grows by one with each event of a home, also across kernels. */
  readonly seq: number;
  /** When it happened, in milliseconds since the epoch. */
  readonly timeMs: number;
  /** The change. */
  readonly type: KernelEventType;
  /** The kind of the object that changed. */
  readonly noun: "process" | "socket" | "value" | "claim";
  /** The name of the object that changed. */
  readonly name: string;
  /** For a process: its pid, and its exit code once it has ended. */
  readonly pid?: number;
  /** In an `ended` event: as {@link ProcessInfo.exitCode}. */
  readonly exitCode?: number | null;
  /** In a `status` event: the text after `STATUS=` that the process wrote. */
  readonly status?: string;
  /** In a `listen` event: the text after `LISTEN=` that the process wrote. */
  readonly listen?: string;
}

/**
 * How a socket came back to a new kernel: passed on (by the previous kernel, systemd or the supervisor),
 * taken from a process that holds it, bound again; `waiting` is bound again when a process asks for it or
 * when its last holder has ended; `lost` could not be recovered.
 */
export type SocketReturn = "passed" | "taken" | "bound" | "waiting" | "lost";

/** How this kernel began, and how its sockets would come back if it were killed at this moment. */
export interface RecoveryStatus {
  /** The state before this kernel: none, a kernel that was replaced, a kernel that ended, or another boot. */
  readonly after: "nothing" | "upgrade" | "end" | "reboot";
  /** How each socket of that kernel came back. */
  readonly sockets: Readonly<Record<string, SocketReturn>>;
  /**
   * `held`: systemd or the supervisor has copies. `taken`: a process that serves a socket has a copy that may
   * be taken. `bound`: neither; processes continue to serve their sockets, and the kernel binds them again.
   */
  readonly level: "held" | "taken" | "bound";
}

/** The state of the kernel: its version, its memory and the way in which sockets would be recovered. */
export interface KernelStatus {
  /** The version of newel that the kernel runs. */
  readonly version: string;
  /** The process id, which an upgrade keeps. */
  readonly pid: number;
  /** The time since its start or upgrade, in milliseconds. */
  readonly uptimeMs: number;
  /** The home directory. */
  readonly home: string;
  /** The numbers of the objects that it holds. */
  readonly counts: {
    readonly sockets: number;
    readonly values: number;
    readonly processes: number;
    readonly claims: number;
  };
  /** The resident memory of the kernel, in bytes. */
  readonly memoryBytes: number;
  /** How the sockets came back, and how they would come back after a kill. */
  readonly recovery: RecoveryStatus;
  /** Messages for the operator: pipe quota reached, disk full with a count of the lost bytes, … */
  readonly notices: readonly string[];
  /** The number of the last event; see {@link KernelEvent.seq}. */
  readonly lastEvent: number;
}

/**
 * The operations on the kernel's processes, sockets, claims and values. Patterns are names or prefixes with
 * `*`; none means all.
 */
export interface Kernel {
  readonly sockets: {
    make(request: SocketRequest): SocketInfo;
    /**
     * Binds a socket that was made with `later`, in every process that has it. It listens once a process
     * calls listen(2). A repeated call with the same address changes nothing.
     *
     * @throws NEWEL_E_ADDRESS_IN_USE, NEWEL_E_PORT_RIGHTS, NEWEL_E_SYSCALL (EADDRNOTAVAIL: this machine
     * does not have the address); the socket stays unbound
     * @throws NEWEL_E_EXISTS when it is bound to another address; NEWEL_E_NOT_FOUND
     */
    bind(request: BindRequest): SocketInfo;
    list(patterns?: readonly string[]): readonly SocketInfo[];
    /** Names, patterns or file numbers. */
    remove(patterns: readonly string[]): void;
    /**
     * Refuses clients at once, including those that wait, and keeps the address; until {@link
     * Kernel.sockets.serve} is called or a process is given the socket. The refusal persists over a kill of
     * the kernel, an upgrade and a reboot (then for the socket that is made again with this name).
     *
     * @throws NEWEL_E_SOCKET_SERVED while a running process was given the socket; nothing is changed
     * @throws NEWEL_E_NOT_FOUND
     */
    refuse(patterns: readonly string[]): readonly SocketInfo[];
    /**
     * Lets clients wait for a process again. A socket that serves stays as it is.
     *
     * @throws NEWEL_E_NOT_FOUND
     */
    serve(patterns: readonly string[]): readonly SocketInfo[];
    /**
     * Leaves new clients to another socket that covers the address, such as 0.0.0.0 for 127.0.0.1; without
     * one they are refused. Processes that have the socket still accept the clients that wait. It ends when
     * another process is given the socket: the kernel then binds the address again, for that process and
     * later ones. Safe to repeat.
     *
     * @returns the sockets, each with the number of clients that wait in it
     * @throws NEWEL_E_COMMAND for a socket that is not a TCP socket, or has a network device
     * @throws NEWEL_E_NOT_FOUND
     */
    retire(patterns: readonly string[]): readonly RetiredSocket[];
    /**
     * Registers another process that keeps copies of all sockets; returns the function that ends the
     * registration.
     */
    addHolder(): () => void;
  };
  readonly values: {
    set(name: string, value: string | undefined): void;
    get(name: string): string | undefined;
    list(patterns?: readonly string[]): readonly ValueInfo[];
    remove(patterns: readonly string[]): void;
    /**
     * Resolves when every change so far is on the disk.
     *
     * @throws NEWEL_E_NOT_KEPT when the disk failed to take it
     */
    synced(): Promise<void>;
  };
  readonly processes: {
    make(request: ProcessRequest): ProcessInfo;
    list(patterns?: readonly string[]): readonly ProcessInfo[];
    /**
     * Removes ended processes from the list at once; running ones keep no output from now on and leave the
     * list when they end.
     */
    remove(patterns: readonly string[]): void;
    /**
     * @param only - send to exactly these processes of the tree; other processes of the scope get no signal
     */
    signal(
      name: string,
      signal: string | number,
      scope: SignalScope,
      only?: readonly ProcessId[],
    ): SignalReport;
    /** The trees that have a living process, from one pass over /proc. */
    trees(patterns: readonly string[], detail: boolean): readonly ProcessTree[];
    /** @throws NEWEL_E_NOT_FOUND */
    output(name: string): ProcessOutput;
    /** Removes an ended and closed process from the list, because its end was read. */
    acknowledgeEnd(name: string): void;
    /**
     * The processes that left the list and whose output is archived, by names or patterns of processes or
     * groups; oldest first.
     */
    archived(patterns?: readonly string[]): readonly ProcessInfo[];
    /** Drops the kept output of groups and processes, archived or not; returns the number of bytes. */
    prune(patterns: readonly string[]): { readonly bytes: number };
    /**
     * The processes that left the list before named readers had read all of their output, by names or
     * patterns.
     */
    departed(patterns: readonly string[]): readonly ProcessInfo[];
  };
  readonly readers: {
    /**
     * The position that a reader has acknowledged; without a name, the position shared by all readers at a
     * prompt.
     */
    position(process: ProcessIdentity, reader: string | undefined): OutputPosition;
    /** Keeps the output of the process for a reader of this name from now on. */
    register(process: ProcessIdentity, reader: string): void;
    /**
     * Advances the position of a reader. Positions only grow: an older acknowledgement that arrives late has
     * no effect.
     */
    acknowledge(
      process: ProcessIdentity,
      reader: string | undefined,
      position: Partial<OutputPosition>,
    ): void;
  };
  readonly events: {
    /** The events after `seq` that are still kept, oldest first. */
    since(seq: number): readonly KernelEvent[];
    readonly last: number;
    onEvent(listener: (event: KernelEvent) => void): () => void;
  };
  readonly claims: {
    /**
     * Asks for a claim for a connection; `granted` is called once, at once or later.
     *
     * @param holder - the process, and the number of a grant that a dead kernel gave it: while that grant is
     *   valid, it is renewed; otherwise the request is refused instead of queued
     * @param taken - called when {@link Kernel.claims.release} takes the granted claim away
     * @returns a function that gives up the wait or the claim
     */
    ask(
      name: string,
      holder: { readonly pid: number; readonly had?: number },
      granted: (epoch: number) => void,
      taken?: () => void,
    ): () => void;
    list(patterns?: readonly string[]): readonly ClaimInfo[];
    /** Takes the claim from its holder; the epoch grows first. */
    release(name: string): void;
  };
  status(): KernelStatus;
  /** Whether there is no process, socket or value. */
  idle(): boolean;
}
