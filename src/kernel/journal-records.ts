import type { KernelEvent, OutputPosition, ProcessInfo, SocketInfo } from "./api.ts";
import type { SocketFile } from "./socket-paths.ts";

/** A process as the journal keeps it: what recovery needs, and no environment. */
export interface ProcessRecord {
  readonly type: "process";
  readonly id: string;
  readonly info: Pick<
    ProcessInfo,
    "name" | "pid" | "startedMs" | "args" | "workingDir" | "uid" | "gid" | "shell"
  >;
  /** Clock ticks from boot to its start: with the pid it names one process for ever. */
  readonly startTicks: number;
  readonly settings: string;
  readonly bufsize: number;
  /** Whose bounds it shares, and where its output goes when it leaves the list. */
  readonly group?: string;
  readonly maxAgeMs?: number;
  readonly streams: readonly ("out" | "err")[];
  /** The sockets it holds as descriptors 3, 4, … */
  readonly sockets: readonly string[];
  readonly mark?: string;
}

/** One change of what the kernel holds. Replaying all of them in order gives the state. */
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
  /** It is about to be started: `process` follows with its pid, or `process removed`. */
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
      /** What it said last may be lost. */
      readonly incomplete?: boolean;
    }
  /** It was removed while it ran, and leaves the list when it ends. */
  | { readonly type: "process leaving"; readonly id: string }
  /** It left the list, and is kept until its readers have read it. */
  | { readonly type: "process left"; readonly id: string }
  | { readonly type: "process removed"; readonly id: string }
  | ReaderRecord
  | { readonly type: "event"; readonly event: KernelEvent }
  | ClaimRecord;

/** A socket that the kernel holds; `file` is the one it made for a Unix socket. */
export interface SocketRecord {
  readonly type: "socket";
  readonly info: SocketInfo;
  readonly file?: SocketFile;
}

/** How far a reader has acknowledged the output of a process. */
export interface ReaderRecord {
  readonly type: "reader";
  readonly process: string;
  readonly pid: number;
  readonly reader: string;
  readonly position: OutputPosition;
}

/** A claim: the number of its last grant, and who has it. */
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
