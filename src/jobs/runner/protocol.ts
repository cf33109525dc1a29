import type { RunError } from "../api.ts";
import type { ResolvedJobOptions } from "../options.ts";
import type { StoredProgress } from "./progress.ts";

/** The messages between the job server and the processes that run its jobs. */

/** The settings of every process, passed at its start. */
export interface RunnerSetup {
  /** File URLs of the modules that define jobs. */
  readonly modules: readonly string[];
}

export type RunnerTask = { readonly kind: "describe" } | RunTask;

/** One attempt of one run. */
export interface RunTask {
  readonly kind: "run";
  /** `QUEUE~ID` */
  readonly run: string;
  readonly queue: string;
  readonly name: string;
  readonly input: unknown;
  /** 1 for the first. */
  readonly attempt: number;
  readonly attempts: number;
  readonly by?: string;
  /** The progress that earlier attempts stored last. */
  readonly progress?: StoredProgress;
  /** Whether the memory of its process is measured: the run, or another run in the process, may have a limit. */
  readonly isMeasured?: boolean;
  /** The OpenTelemetry context in which the run was enqueued. */
  readonly trace?: Readonly<Record<string, string>>;
}

/** The parts of a definition that the server needs. */
export interface JobFacts extends ResolvedJobOptions {
  readonly name: string;
}

/** A write of a handler; it is answered when it is stored. */
export type RunnerAsk =
  | { readonly kind: "progress"; readonly progress: StoredProgress }
  | { readonly kind: "log"; readonly line: string }
  /** A finished step, as its line. */
  | { readonly kind: "step"; readonly line: string }
  /** Answered with a {@link StepPage}. @param from - 0, or `next` of the previous page */
  | { readonly kind: "steps"; readonly from: number }
  /** Answered with {@link ChildResult}s. */
  | { readonly kind: "children" }
  | WaitReport
  /** Reports the start of the run; sent when its memory is measured. */
  | {
      readonly kind: "begun";
      readonly pid: number;
      /** Resident memory now, and when the process was new, in bytes. */
      readonly rssBytes: number;
      readonly freshBytes: number;
    }
  /** The process ends because of an uncaught error outside the promise of a handler. */
  | {
      readonly kind: "crash";
      readonly error: RunError;
      readonly stack?: string;
      readonly stderr: readonly string[];
    };

/**
 * The handler waits for another run: it follows its events until `ended`, or reads its state repeatedly. A wait by reads is
 * over when there was none for 15 s.
 */
export interface WaitReport {
  readonly kind: "waits";
  /** The other run. */
  readonly run: string;
  readonly how: "follows" | "reads" | "ended";
}

/** Sends a write to the server; resolves when it is stored. */
export type Ask = (question: RunnerAsk) => Promise<unknown>;

/** How an attempt ended in its process. */
export type Outcome =
  | { readonly state: "done"; /** As JSON. */ readonly result: string }
  | {
      readonly state: "failed";
      readonly error: RunError;
      readonly stack?: string;
      /** Another attempt would fail the same way. */
      readonly isFinal: boolean;
      /** The handler was not called, because the input does not fit the schema here. */
      readonly isInputRefused?: boolean;
      /** The last lines that the handler wrote to stderr. */
      readonly stderr?: readonly string[];
    };

/** The definitions that a process has loaded. */
export interface Description {
  readonly facts: readonly JobFacts[];
  /** Resident memory of a new process, in bytes. */
  readonly freshBytes: number;
}

export type RunnerAnswer = Description | Outcome;
