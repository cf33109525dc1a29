import type { Progress, RunError } from "../api.ts";
import type { ResolvedJobOptions } from "../options.ts";

/** What the job server and the processes that run its jobs say to each other. */

/** Given to every process when it starts. */
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
  /** Results of the steps that earlier attempts finished. */
  readonly steps?: Readonly<Record<string, unknown>>;
  /** What earlier attempts said last. */
  readonly progress?: Progress;
  /** The OpenTelemetry context it was enqueued in. */
  readonly trace?: Readonly<Record<string, string>>;
}

/** What the server has to know of a definition. */
export interface JobFacts extends ResolvedJobOptions {
  readonly name: string;
}

/** What a handler wants kept; it is answered when that is stored. */
export type RunnerAsk =
  | { readonly kind: "progress"; readonly progress: Progress }
  | { readonly kind: "log"; readonly line: string }
  | { readonly kind: "step"; readonly name: string; readonly value: unknown }
  /** Answered with {@link ChildResult}s. */
  | { readonly kind: "children" };

/** How an attempt ended in its process. */
export type Outcome =
  | { readonly state: "done"; /** As JSON. */ readonly result: string }
  | {
      readonly state: "failed";
      readonly error: RunError;
      readonly stack?: string;
      /** Another attempt would fail the same way. */
      readonly isFinal: boolean;
    };

export type RunnerAnswer = readonly JobFacts[] | Outcome;
