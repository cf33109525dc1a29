import { parseStored } from "./stored-json.ts";
import { unreadable } from "./unreadable.ts";

/**
 * Finished steps are lines of the job's log in BullMQ's store: the cost of appending a line does not depend on how
 * many there are, in each kind of store, and the lines are removed with the job. A line of `ctx.log`
 * begins with its time, so it cannot be taken for a step.
 */

/** How many steps a run may finish. */
export const STEPS_LIMIT = 100_000;
/** The largest total size of names and results of a run's steps as JSON, in bytes. */
export const STEPS_LIMIT_BYTES = 50_000_000;

const LINE = /^step ("(?:[^"\\]|\\.)*") /;

/** A finished step, read from the store. */
export interface FinishedStep {
  readonly name: string;
  /** Its result as JSON. */
  readonly json: string;
}

/** Finished steps in the order of their lines. */
export interface StepPage {
  readonly lines: readonly string[];
  /** The start of the next page; absent on the last. */
  readonly next?: number;
}

/** The line of a step: `step "row 17" {"id":4}`. */
export function formatStep({ name, json }: FinishedStep): string {
  return `step ${JSON.stringify(name)} ${json}`;
}

export function isStepLine(line: string): boolean {
  return LINE.test(line);
}

/** @returns `undefined` for a line that is no step @throws NEWEL_E_JOB_UNREADABLE the line of a step is damaged */
export function parseStep(line: string, run: string): FinishedStep | undefined {
  const match = LINE.exec(line);
  if (match === null) return undefined;
  const [before, json] = match;
  const name = parseStored(json)?.value;
  // A step with another name would run twice.
  if (typeof name !== "string") throw unreadable(run, "step");
  return { name, json: line.slice(before.length) };
}
