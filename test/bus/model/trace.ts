import type { BusState } from "../../../src/bus/lifecycle/states.ts";
import type { Command } from "./program.ts";

/** The observations of a run, in order. */
export type Seen =
  /** A call; `by` is the listener that made it, `exitCode` and `state` are those before it. */
  | {
      readonly see: "asked";
      readonly id: number;
      readonly call: Command | "wait" | "block";
      readonly states: readonly BusState[];
      readonly code: number | undefined;
      readonly by: string | undefined;
      readonly state: BusState;
    }
  | {
      readonly see: "settled";
      readonly id: number;
      readonly value: unknown;
      /** The code of the error with which it rejected. */
      readonly error: string | undefined;
      readonly state: BusState;
      readonly exitCode: number;
    }
  | {
      readonly see: "begin" | "end";
      readonly listener: string;
      readonly channel: string;
      readonly state: BusState;
    }
  /** A listener is about to throw. */
  | { readonly see: "throw"; readonly listener: string; readonly channel: string }
  | {
      readonly see: "request";
      readonly listener: string;
      readonly channel: string;
      readonly code: number | undefined;
    }
  /** The log says that a state was entered. */
  | { readonly see: "state"; readonly state: BusState }
  /** The listeners of that state's channel are called. */
  | { readonly see: "published"; readonly state: BusState }
  /** The log's entry about a failed listener. */
  | { readonly see: "failure"; readonly listener: string; readonly isLate: boolean }
  | { readonly see: "task"; readonly id: number; readonly is: "kept" | "blocks" | "over" }
  /** An error that reached the process. */
  | { readonly see: "uncaught"; readonly error: unknown }
  | {
      readonly see: "over";
      readonly state: BusState;
      readonly exitCode: number;
      readonly tasks: readonly string[];
    };
