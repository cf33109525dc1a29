import type { JobState } from "bullmq";

import type { ListFilter, Run, RunState } from "../api.ts";
import { checkQueue, isOwnQueue, optionError } from "../names.ts";
import { readBy } from "../scope.ts";
import { BULL_STATES } from "./run.ts";

const LIMIT = 50;
/** The longest page. */
export const MOST = 1_000;
const STATES = Object.keys(BULL_STATES) as RunState[];
const ACTIVE: readonly RunState[] = ["waiting", "delayed", "running"];
/** A checked filter. */
export interface Wanted {
  readonly by: string | undefined;
  /** `undefined`: any. */
  readonly states: readonly RunState[] | undefined;
  readonly queue: string | undefined;
  readonly name: string | undefined;
  readonly error: string | undefined;
  readonly sinceMs: number | undefined;
  readonly limit: number;
  readonly cursor: string | undefined;
}

/**
 * Reads a filter.
 *
 * @throws NEWEL_E_JOB_OPTION, NEWEL_E_JOB_BY
 */
export function readFilter(filter: ListFilter): Wanted {
  const { active, states, queue, name, error, sinceMs, limit = LIMIT, cursor } = filter;
  if (!Number.isInteger(limit) || limit < 1 || limit > MOST)
    throw optionError("list", "limit", limit, `a whole number from 1 to ${MOST}`);
  if (states !== undefined && !Array.isArray(states))
    throw optionError("list", "states", states, `a list of ${STATES.join(", ")}`);
  for (const state of states ?? []) {
    if (!STATES.includes(state)) throw optionError("list", "states", state, STATES.join(", "));
  }
  for (const [option, value] of Object.entries({ name, error, cursor }))
    if (value !== undefined && typeof value !== "string")
      throw optionError("list", option, value, "a text");
  if (sinceMs !== undefined && !Number.isFinite(sinceMs))
    throw optionError("list", "sinceMs", sinceMs, "milliseconds since 1970");
  if (active !== undefined && typeof active !== "boolean")
    throw optionError("list", "active", active, "true or false");
  const asked = active === true ? ACTIVE : undefined;
  return {
    by: readBy(filter),
    states: states === undefined ? asked : states.filter((state) => asked?.includes(state) ?? true),
    queue: queue === undefined ? undefined : checkQueue(queue, "list"),
    name,
    error,
    sinceMs,
    limit,
    cursor,
  };
}

/** Whether a run matches, including the conditions that a store cannot search for. */
export function isWanted(wanted: Wanted, run: Run): boolean {
  const { states, error } = wanted;
  if (isOwnQueue(run.queue)) return false;
  if (states !== undefined && !states.includes(run.state)) return false;
  if (error === undefined) return true;
  const part = error.toLowerCase();
  const { code = "", message = "" } = run.error ?? {};
  return message.toLowerCase().includes(part) || code.toLowerCase().includes(part);
}

/** BullMQ's states in which a matching run may be. */
export function bullStates({ states }: Wanted): readonly JobState[] | undefined {
  return states && [...new Set(states.flatMap((state) => BULL_STATES[state]))];
}
