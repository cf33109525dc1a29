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
/** A filter that was checked. */
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
  for (const state of states ?? []) {
    if (!STATES.includes(state)) throw optionError("list", "states", state, STATES.join(", "));
  }
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

/** Whether a run is wanted, all that a store could not look for included. */
export function isWanted(wanted: Wanted, run: Run): boolean {
  const { states, error } = wanted;
  if (isOwnQueue(run.queue)) return false;
  if (states !== undefined && !states.includes(run.state)) return false;
  if (error === undefined) return true;
  const part = error.toLowerCase();
  const { code = "", message = "" } = run.error ?? {};
  return message.toLowerCase().includes(part) || code.toLowerCase().includes(part);
}

/** BullMQ's states in which a wanted run may be. */
export function bullStates({ states }: Wanted): readonly JobState[] | undefined {
  return states && [...new Set(states.flatMap((state) => BULL_STATES[state]))];
}
