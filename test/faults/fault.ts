/** A system call on a file of the store, or of the kernel's home. */
export interface Point {
  readonly op: "open" | "write" | "truncate" | "sync" | "rename" | "unlink";
  /** The end of the file's name. */
  readonly file: string;
}

/** One failure and the power cut after it. */
export interface Fault extends Point {
  /** The number of the call that fails, from 1. */
  readonly at: number;
  readonly failure: "EIO" | "ENOSPC" | "short";
  /** The number of tracked calls from the failure to the power cut. */
  readonly cutAfter: number;
  /** How many calls fail from then on: one unless said. */
  readonly times?: number;
  /** Whether only the failed call reports the error, not each open descriptor once (Linux before 4.13). */
  readonly once?: boolean;
  /** How long each write to the database takes, milliseconds: 0 unless said. */
  readonly slowMs?: number;
}

export interface Trial {
  /** The job store, plain SQLite, the kernel, or the owner of a singleton with its kernel. */
  readonly program: "adder" | "control" | "kernel" | "singleton";
  /** The sources of the store; a broken variant has its own. */
  readonly sources?: string;
  readonly synchronous: "full" | "normal";
  readonly processes: number;
  /** The end of the processes: a power cut, which takes unsynced bytes, or a kill, which takes nothing from the files. */
  readonly end?: "power" | "kill";
  readonly fault: Fault;
}

export interface Outcome {
  /** Whether the call was made that was to fail. */
  readonly reached: boolean;
  readonly answered: number;
  readonly refused: number;
  /** Answered jobs that are not there, though they had to be. */
  readonly lost: number;
  /** Damage of the files after the power cut, beyond lost jobs. */
  readonly problem: string | undefined;
}
