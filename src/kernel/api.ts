/**
 * What the kernel holds and answers, as types: the tables implement them, the session renders them
 * (papa's text grammar or JSON lines), the client returns them. Times are milliseconds since the
 * epoch, sizes are bytes.
 */

export type SocketFamily = "inet" | "inet6" | "unix";
export type SocketType = "stream" | "dgram" | "seqpacket" | "raw" | "rdm";

/** `make socket`. What is left out takes the default of spec/kernel-protocol: inet, stream, backlog 5, loopback, port 0. */
export interface SocketRequest {
  readonly name: string;
  readonly family?: SocketFamily;
  readonly type?: SocketType;
  readonly backlog?: number;
  readonly host?: string;
  readonly port?: number;
  readonly interface?: string;
  readonly reuseport?: boolean;
  /** Absolute; makes it a Unix socket. */
  readonly path?: string;
  /** For the file of a Unix socket. */
  readonly umask?: number;
  /** Check that the port is free, and leave the address to {@link Kernel.sockets.bind}: a TCP socket with a port and no host. */
  readonly later?: boolean;
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
  readonly name: string;
  readonly family: SocketFamily;
  readonly type: SocketType;
  readonly backlog: number;
  readonly path?: string;
  readonly umask?: number;
  readonly host?: string;
  readonly port?: number;
  readonly interface?: string;
  readonly reuseport?: boolean;
  /** Made without an address: as long as `host` is missing, the socket is not bound. */
  readonly later?: true;
  /** Bound to `::`, without IPv4. */
  readonly ipv6Only?: true;
  readonly fileno?: number;
  /** Its clients are refused at once, and no other program can take its address; see `refuse sockets`. */
  readonly refusing?: true;
}

export interface ValueInfo {
  readonly name: string;
  readonly value: string;
}

/** Where a stream of output goes: kept, or dropped. stderr may also be merged into stdout. */
export type StreamMode = boolean | "stdout";

/** `make process`. */
export interface ProcessRequest {
  readonly name: string;
  /** The program and its arguments; `$(socket.NAME.fileno)` and `$(socket.NAME.port)` are replaced in each. */
  readonly args: readonly string[];
  /** The whole environment of the process. Default: empty. */
  readonly env?: Readonly<Record<string, string>>;
  readonly workingDir?: string;
  readonly uid?: number | string;
  readonly gid?: number | string;
  readonly rlimits?: Readonly<Record<string, number>>;
  readonly umask?: number;
  /** How many bytes of each stream are kept. Default 1 MiB; 0 keeps nothing. */
  readonly bufsize?: number;
  /**
   * The processes of one group share `bufsize` for each stream: over all of them, the oldest output is
   * dropped first. When one leaves the list, its output stays readable in the archive of the group, over a
   * reboot too, until the bound is used up or it is pruned. Default: none; the output goes with the process.
   */
  readonly group?: string;
  /** With `group`: output older than this is dropped, in milliseconds by the wall clock. Default: no limit. */
  readonly maxAgeMs?: number;
  readonly stdout?: boolean;
  readonly stderr?: StreamMode;
  /** Run `args` joined by spaces with /bin/sh -c. */
  readonly shell?: boolean;
  /** Sockets passed as descriptors 3, 4, … with LISTEN_FDS and LISTEN_FDNAMES. */
  readonly sockets?: readonly string[];
  /** Also set LISTEN_PID (systemd's protocol for programs that check it). */
  readonly listenPid?: boolean;
  /** Pass a descriptor for `READY=1` and `STATUS=…` lines; NEWEL_NOTIFY_FD has its number. */
  readonly notify?: boolean;
}

/** The bytes of a stream that can still be read: offsets count from the first byte ever written. */
export interface StreamRange {
  /** The oldest byte kept. Everything below was dropped because the buffer was full. */
  readonly start: number;
  /** One past the newest byte. */
  readonly end: number;
}

export type StreamName = "out" | "err";

export interface ProcessInfo {
  readonly name: string;
  readonly pid: number;
  readonly running: boolean;
  readonly startedMs: number;
  readonly endedMs?: number;
  /** A signal is negative (-9). `null`: it ended while no kernel could learn how. Missing while it runs. */
  readonly exitCode?: number | null;
  /** It ended, and its output was read to the end once. */
  readonly closed: boolean;
  /** It ended while no kernel ran and nobody else held its pipes: what it said last may be lost. */
  readonly incomplete?: boolean;
  readonly uid?: number;
  readonly gid?: number;
  readonly shell?: boolean;
  readonly args: readonly string[];
  readonly workingDir: string;
  /** It said READY=1. */
  readonly ready: boolean;
  /** The last STATUS= it said. */
  readonly status?: string;
  readonly output: Readonly<Partial<Record<StreamName, StreamRange>>>;
  /** The FIFOs its output goes through: whoever opens them too keeps unread bytes alive when a kernel dies. */
  readonly fifos: readonly string[];
  /** See {@link ProcessRequest.group}. */
  readonly group?: string;
  /** It left the list, and its output is in the archive of its group. Many old ones are one entry, with the group's name. */
  readonly archived?: true;
}

/** One living process of a tree. */
export interface TreeProcess {
  readonly pid: number;
  /** When it started, in clock ticks since the boot: tells it from a later process with the same pid. */
  readonly startTicks: number;
  readonly parent: number;
  readonly command: string;
  readonly group: number;
  /** CPU time of all its threads, in clock ticks. */
  readonly cpuTicks: number;
  readonly memoryBytes: number;
  /** On request, see {@link ProcessDetail}. */
  readonly detail?: ProcessDetail;
}

/** How a process treats signals and what it is: the facts for the decision how it is stopped. */
export interface ProcessDetail {
  /** The name of the executable file; empty where it may not be read. */
  readonly program: string;
  readonly args: readonly string[];
  /** Sets of signals as /proc/PID/status prints them: hexadecimal, the lowest bit is signal 1. */
  readonly caught: string;
  readonly ignored: string;
  readonly blocked: string;
  /** What the descriptors 0 to 2 are: `pipe:[123]`, `/dev/null`; empty where it may not be read. */
  readonly stdin: string;
  readonly stdout: string;
  readonly stderr: string;
  /** The newest signal that was sent to exactly this process with `only`, and how long ago. */
  readonly asked?: { readonly signal: number; readonly agoMs: number };
}

/** The living processes of a made process: itself and every descendant that can be found. */
export interface ProcessTree {
  readonly name: string;
  /** Of the made process, which may have ended. */
  readonly pid: number;
  readonly running: boolean;
  /** How it ended, as in {@link ProcessInfo}; missing while it runs. */
  readonly exitCode?: number | null;
  /** Ancestors before descendants. */
  readonly processes: readonly TreeProcess[];
}

/** One process of a {@link ProcessTree}. */
export type ProcessId = Pick<TreeProcess, "pid" | "startTicks">;

/** Whom a signal reaches: the process, its process group, or every descendant that can be found. */
export type SignalScope = "process" | "group" | "tree";

export interface SignalReport {
  /** Every process the signal was sent to. */
  readonly signalled: readonly { readonly pid: number; readonly command: string }[];
}

/**
 * Why bytes of output are lost: the bound of the buffer was reached, they were too old, they were pruned
 * by command, they could not be written (a full, broken or read-only disk), or another program removed
 * or cut the files that had them.
 */
export type GapReason = "bufsize" | "age" | "pruned" | "disk" | "removed";

/** A piece of output, in the order the kernel saw it. */
export interface OutputChunk {
  readonly stream: StreamName;
  /** Of its first byte. */
  readonly offset: number;
  /** Bytes lost between the asked position and `offset`; where a piece has no data, they are all there is. */
  readonly gap: number;
  /** Why those bytes are lost; missing without a gap. */
  readonly reason?: GapReason;
  readonly timeMs: number;
  readonly data: Buffer;
}

/** How far a reader has come in each stream. */
export interface OutputPosition {
  readonly out: number;
  readonly err: number;
}

/** One process, also when another gets its name. */
interface ProcessIdentity {
  readonly name: string;
  readonly pid: number;
}

/** The output of one process, to be read by any number of readers at their own pace. */
export interface ProcessOutput {
  range(stream: StreamName): StreamRange | undefined;
  /** The next piece after a position, or `undefined` when there is none yet. */
  next(position: OutputPosition, maxBytes: number): Promise<OutputChunk | undefined>;
  /** Whether the byte at this offset is the first of a line, as far as the bytes before it are still there. */
  beginsLine(stream: StreamName, offset: number): Promise<boolean>;
  /** Calls `listener` after new output or the end; returns the unsubscribe function. */
  onChange(listener: () => void): () => void;
}

export interface ClaimInfo {
  readonly name: string;
  readonly holder: { readonly pid: number; readonly sinceMs: number };
  /** The fencing number: it only grows. */
  readonly epoch: number;
  readonly waiting: number;
}

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

export interface KernelEvent {
  /** Grows by one with each event of a home, also across kernels. */
  readonly seq: number;
  readonly timeMs: number;
  readonly type: KernelEventType;
  readonly noun: "process" | "socket" | "value" | "claim";
  readonly name: string;
  /** For a process: its pid, and its exit code once ended. */
  readonly pid?: number;
  readonly exitCode?: number | null;
  readonly status?: string;
  /** Of a `listen` event: the text after `LISTEN=` that the process wrote. */
  readonly listen?: string;
}

/**
 * How a socket came back to a new kernel: passed on (by its predecessor, systemd or the supervisor),
 * taken from a process that holds it, bound again; `waiting` is bound again when a process asks for it
 * or the last that holds it has ended; `lost` could not be had.
 */
export type SocketReturn = "passed" | "taken" | "bound" | "waiting" | "lost";

/** How this kernel began, and how its sockets would come back if it were killed now. */
export interface RecoveryStatus {
  /** What there was before it: nothing, a kernel that it replaced or that ended, another boot. */
  readonly after: "nothing" | "upgrade" | "end" | "reboot";
  /** How each socket of that kernel came back. */
  readonly sockets: Readonly<Record<string, SocketReturn>>;
  /**
   * `held`: systemd or the supervisor has copies. `taken`: a process that serves a socket has one that
   * may be taken. `bound`: neither; processes go on serving what they have, and the kernel binds again.
   */
  readonly level: "held" | "taken" | "bound";
}

export interface KernelStatus {
  readonly version: string;
  readonly pid: number;
  readonly uptimeMs: number;
  readonly home: string;
  readonly counts: {
    readonly sockets: number;
    readonly values: number;
    readonly processes: number;
    readonly claims: number;
  };
  readonly memoryBytes: number;
  readonly recovery: RecoveryStatus;
  /** Things an operator should know: pipe quota reached, disk full with a count, … */
  readonly notices: readonly string[];
  readonly lastEvent: number;
}

/** The verbs over what the kernel holds. Patterns are names or prefixes with `*`; none means all. */
export interface Kernel {
  readonly sockets: {
    make(request: SocketRequest): SocketInfo;
    /**
     * Binds a socket that was made with `later`. Every process that has it has the bound one then; it
     * listens from the listen(2) of a process on. Repeated with the same address, nothing happens.
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
     * From now on clients are refused at once, those that wait included, and the address stays taken;
     * until {@link Kernel.sockets.serve}, or until a process is given the socket. Kept over a kill of the
     * kernel, an upgrade and a reboot (then for the socket that is made again with this name).
     *
     * @throws NEWEL_E_SOCKET_SERVED while a running process was given the socket: nothing is changed
     * @throws NEWEL_E_NOT_FOUND
     */
    refuse(patterns: readonly string[]): readonly SocketInfo[];
    /**
     * From now on clients wait for a process again. A socket that serves stays as it is.
     *
     * @throws NEWEL_E_NOT_FOUND
     */
    serve(patterns: readonly string[]): readonly SocketInfo[];
    /** Somebody else keeps copies of all of them from now on, until the answer is called. */
    addHolder(): () => void;
  };
  readonly values: {
    set(name: string, value: string | undefined): void;
    get(name: string): string | undefined;
    list(patterns?: readonly string[]): readonly ValueInfo[];
    remove(patterns: readonly string[]): void;
  };
  readonly processes: {
    make(request: ProcessRequest): ProcessInfo;
    list(patterns?: readonly string[]): readonly ProcessInfo[];
    /** Forgets ended ones at once; running ones keep no output from now on and leave when they end. */
    remove(patterns: readonly string[]): void;
    /**
     * @param only - exactly these processes of the tree; others of the scope get nothing
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
    /** The end of an ended and closed process was read: it leaves the list. */
    acknowledgeEnd(name: string): void;
    /** Those that left the list and whose output is archived, by names or patterns of processes or groups; oldest first. */
    archived(patterns?: readonly string[]): readonly ProcessInfo[];
    /** Drops the kept output of groups and processes, archived or not; answers how much that was. */
    prune(patterns: readonly string[]): { readonly bytes: number };
    /** Those that left the list while named readers had not read all, by names or patterns. */
    departed(patterns: readonly string[]): readonly ProcessInfo[];
  };
  readonly readers: {
    /** How far a reader has acknowledged; without a name all who watch at a prompt. */
    position(process: ProcessIdentity, reader: string | undefined): OutputPosition;
    /** From now on the output of the process is kept for a reader of this name. */
    register(process: ProcessIdentity, reader: string): void;
    /** Positions only grow: an older acknowledgement that comes late takes nothing back. */
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
     * @param holder - the process, and the number of a grant it had from a kernel that died: while
     * that still stands, it is the same grant; else it is refused instead of waited for
     * @param taken - called when the granted claim is taken away by {@link Kernel.claims.release}
     * @returns gives up the wait or the claim
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
