import type { Finding } from "./problems.ts";

/** The report of the child that evaluates a configuration to its parent, as one line of JSON. */
export type Report =
  | {
      readonly type: "value";
      readonly value?: unknown;
      readonly findings: readonly Finding[];
      /** The file without its types, every character at its place; missing when it cannot be had. */
      readonly script?: string;
    }
  | {
      readonly type: "failure";
      /** The file at fault, if it is known: not always the configuration itself. */
      readonly file?: string;
      readonly line?: number;
      /** A sentence: the problem and its correction. */
      readonly message: string;
    };

/** The descriptor the child writes its report to: its stdout belongs to the configuration. */
export const REPORT_FD = 3;

/** Far above any configuration, so that a wrong export cannot exhaust the memory. */
export const REPORT_LIMIT_BYTES = 16_777_216;
