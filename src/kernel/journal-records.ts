import type { KernelEvent, SocketInfo } from "./api.ts";
import type { OutputPosition, ProcessInfo } from "./process-api.ts";
import type { SocketFile } from "./socket-paths.ts";

/** A process as the journal keeps it: the facts that recovery needs, without the environment. */
export interface ProcessRecord {
  readonly type: "process";
  readonly id: string;
  readonly info: Pick<
    ProcessInfo,
    "name" | "pid" | "startedMs" | "args" | "workingDir" | "uid" | "gid" | "shell"
  >;
  /**
   * Clock ticks from the boot to the start of the process: with the pid they identify the process within the
   * boot.
   */
  readonly startTicks: number;
  readonly settings: string;
  readonly bufsize: number;
  /** The group whose bounds the process shares; its output goes to the archive of that group. */
  readonly group?: string;
  readonly maxAgeMs?: number;
  readonly streams: readonly ("out" | "err")[];
  /** The sockets that the process holds as descriptors 3, 4, … */
  readonly sockets: readonly string[];
  readonly mark?: string;
}

/** One change of the kernel's state. Replaying all changes in order gives the state. */
export type JournalRecord =
  | {
      readonly type: "boot";
      readonly bootId: string;
      readonly pid: number;
      readonly version: string;
    }
  | { readonly type: "seq"; readonly seq: number }
  | SocketRecord
  | { readonly type: "socket removed"; readonly name: string }
  | { readonly type: "socket refusing"; readonly name: string; readonly refusing: boolean }
  | { readonly type: "value"; readonly name: string; readonly value: string }
  | { readonly type: "value removed"; readonly name: string }
  /** The process is about to be started: a `process` record with its pid follows, or `process removed`. */
  | { readonly type: "process starting"; readonly record: ProcessRecord }
  | ProcessRecord
  | {
      readonly type: "process ready";
      readonly id: string;
      readonly ready: boolean;
      readonly status?: string;
    }
  | {
      readonly type: "process ended";
      readonly id: string;
      readonly endedMs: number;
      readonly exitCode: number | null;
      /** The last output of the process may be lost. */
      readonly incomplete?: boolean;
    }
  /** The process was removed while it ran, and leaves the list when it ends. */
  | { readonly type: "process leaving"; readonly id: string }
  /** The process left the list, and is kept until its readers have read it. */
  | { readonly type: "process left"; readonly id: string }
  | { readonly type: "process removed"; readonly id: string }
  | ReaderRecord
  | { readonly type: "event"; readonly event: KernelEvent }
  | ClaimRecord;

/** A socket of the kernel; `file` is the file that the kernel made for a Unix socket. */
export interface SocketRecord {
  readonly type: "socket";
  readonly info: SocketInfo;
  readonly file?: SocketFile;
}

/** The position that a reader has acknowledged in the output of a process. */
export interface ReaderRecord {
  readonly type: "reader";
  readonly process: string;
  readonly pid: number;
  readonly reader: string;
  readonly position: OutputPosition;
}

/** A claim: the number of its last grant, and its holder. */
export interface ClaimRecord {
  readonly type: "claim";
  readonly name: string;
  readonly epoch: number;
  readonly holder?: {
    readonly pid: number;
    readonly startTicks: number;
    readonly sinceMs: number;
  };
}
