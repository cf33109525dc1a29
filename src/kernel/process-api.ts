/** The types of the kernel's processes and their output. Times are milliseconds since the epoch, sizes are bytes. */

/** Where a stream of output goes: kept, or dropped. stderr may also be merged into stdout. */
export type StreamMode = boolean | "stdout";

/** `make process`. */
export interface ProcessRequest {
  /** The name of the process in the kernel, which no other process of the list may have. */
  readonly name: string;
  /** The program and its arguments; `$(socket.NAME.fileno)` and `$(socket.NAME.port)` are replaced in each. */
  readonly args: readonly string[];
  /** The whole environment of the process. Default: empty. */
  readonly env?: Readonly<Record<string, string>>;
  /** The working directory. Default: that of the kernel. */
  readonly workingDir?: string;
  /** The user: an id, or a name of this machine. Default: that of the kernel. */
  readonly uid?: number | string;
  /** The group: an id, or a name of this machine. Default: that of the kernel. */
  readonly gid?: number | string;
  /** Limits of resources by their names, such as `nofile`. Default: those of the kernel. */
  readonly rlimits?: Readonly<Record<string, number | "unlimited">>;
  /** Added to the kernel's own priority, as by nice(1): -20 to 19. Default 0. */
  readonly nice?: number;
  /** The umask of the process. Default: that of the kernel. */
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
  /** Whether stdout is kept. Default true. */
  readonly stdout?: boolean;
  /** Whether stderr is kept, or `"stdout"` to merge it. Default true. */
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

/** An output stream of a process: stdout or stderr. */
export type StreamName = "out" | "err";

/** A process that the kernel started, running or ended. */
export interface ProcessInfo {
  /** The name of the process in the kernel. */
  readonly name: string;
  /** The process id; it may belong to another process once this one has ended. */
  readonly pid: number;
  /** Whether the process runs. */
  readonly running: boolean;
  /** When it was started, in milliseconds since the epoch. */
  readonly startedMs: number;
  /** When its end was noticed; missing while it runs. */
  readonly endedMs?: number;
  /**
   * The exit code, or the negative number of the signal that ended the process (-9). `null`: the process ended
   * while no kernel ran that could read the code. Missing while the process runs.
   */
  readonly exitCode?: number | null;
  /** Whether the process has ended and its output was read to the end once. */
  readonly closed: boolean;
  /**
   * The process ended while no kernel ran and no other process held its pipes: its last output may be lost.
   */
  readonly incomplete?: boolean;
  /** The user id it was started with; missing when it is the kernel's own. */
  readonly uid?: number;
  /** The group id it was started with; missing when it is the kernel's own. */
  readonly gid?: number;
  /** Whether `/bin/sh -c` runs it; missing when it is not. */
  readonly shell?: boolean;
  /** The program and its arguments, with the sockets filled in. */
  readonly args: readonly string[];
  /** The working directory it was started in. */
  readonly workingDir: string;
  /** Whether the process wrote READY=1. */
  readonly ready: boolean;
  /** The text of the last STATUS= line that the process wrote. */
  readonly status?: string;
  /** The bytes of each kept stream that can still be read. */
  readonly output: Readonly<Partial<Record<StreamName, StreamRange>>>;
  /** The FIFOs of the output. A process that opens them too keeps unread bytes alive when the kernel dies. */
  readonly fifos: readonly string[];
  /** See {@link ProcessRequest.group}. */
  readonly group?: string;
  /**
   * The process left the list, and its output is in the archive of its group. Many old processes are one
   * entry, with the group's name.
   */
  readonly archived?: true;
}

/** One living process of a tree. */
export interface TreeProcess {
  readonly pid: number;
  /**
   * The start time in clock ticks since the boot; it distinguishes the process from a later one with the same
   * pid.
   */
  readonly startTicks: number;
  readonly parent: number;
  readonly command: string;
  readonly group: number;
  /**
   * The process is stopped by a signal such as SIGSTOP: it gets no other signal but SIGKILL before SIGCONT.
   */
  readonly stopped?: true;
  /** CPU time of all its threads, in clock ticks. */
  readonly cpuTicks: number;
  readonly memoryBytes: number;
  /** Set on request, see {@link ProcessDetail}. */
  readonly detail?: ProcessDetail;
}

/** The facts about a process on which the choice of its stop signal depends. */
export interface ProcessDetail {
  /** The name of the executable file; empty where it may not be read. */
  readonly program: string;
  readonly args: readonly string[];
  /** Sets of signals as /proc/PID/status prints them: hexadecimal, the lowest bit is signal 1. */
  readonly caught: string;
  readonly ignored: string;
  readonly blocked: string;
  /**
   * The files of the descriptors 0 to 2, such as `pipe:[123]` or `/dev/null`; empty where they may not be
   * read.
   */
  readonly stdin: string;
  readonly stdout: string;
  readonly stderr: string;
  /** The newest signal that was sent to exactly this process with `only`, and how long ago. */
  readonly asked?: { readonly signal: number; readonly agoMs: number };
}

/** The living processes of a made process: itself and every descendant that can be found. */
export interface ProcessTree {
  readonly name: string;
  /** The pid of the made process, which may have ended. */
  readonly pid: number;
  readonly running: boolean;
  /** The exit code of the made process, as in {@link ProcessInfo}; missing while it runs. */
  readonly exitCode?: number | null;
  /** Ancestors before descendants. */
  readonly processes: readonly TreeProcess[];
}

/** One process of a {@link ProcessTree}. */
export type ProcessId = Pick<TreeProcess, "pid" | "startTicks">;

/**
 * The processes that a signal reaches: the process, its process group, or every descendant that can be found.
 */
export type SignalScope = "process" | "group" | "tree";

/** The processes that a signal was sent to. */
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
  /** The stream the process wrote to. */
  readonly stream: StreamName;
  /** The offset of the first byte of `data`. */
  readonly offset: number;
  /**
   * Bytes lost between the asked position and `offset`; in a piece without data, the lost bytes are the whole
   * piece.
   */
  readonly gap: number;
  /** Why those bytes are lost; missing without a gap. */
  readonly reason?: GapReason;
  /** When the kernel read the piece, in milliseconds since the epoch. */
  readonly timeMs: number;
  /** The bytes, which need not end with a line. */
  readonly data: Buffer;
}

/** The position of a reader in each stream. */
export interface OutputPosition {
  /** The offset of the next byte of stdout. */
  readonly out: number;
  /** The offset of the next byte of stderr. */
  readonly err: number;
}

/** Identifies one process even after another process gets its name. */
export interface ProcessIdentity {
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
