import { unreadableFailure } from "../unreadable.ts";
import { isDamagedNumber } from "./database-errors.ts";
import { type Outcome, type Request, runAlone, runGroup } from "./group.ts";
import { STATE } from "./states.ts";
import type { Store } from "./store.ts";

/**
 * Integers that another program, or a failing disk, made larger than JavaScript counts: SQLite has 64 bits, so that a row
 * with one can be neither read nor counted up. They are looked for when a call meets one, not before.
 */

/** One less than the largest safe integer, because counters are increased by 1. */
const LARGEST = Number.MAX_SAFE_INTEGER - 1;
/** A queue whose counter is lost continues with this number, which is larger than all that a store gives. */
const AFTER_ALL = 2 ** 52;

const JOB =
  "added_at delay priority attempts_made attempts_started stalled blockers processed_at finished_at locked_until owner stall_limit stall_mark".split(
    " ",
  );
/** The score of jobs in these states is a time in milliseconds; in other states it may be any integer. */
const TIMED = [STATE.active, STATE.completed, STATE.failed, STATE.waitingChildren].join(", ");
/** Counters of a queue, each with the value that a lost one gets. */
const QUEUE: Readonly<Record<string, number>> = {
  last_id: AFTER_ALL,
  last_priority: 0,
  head: -AFTER_ALL,
  tail: AFTER_ALL,
  events: 0,
  last_event: 0,
  limiter_count: 0,
  limiter_until: 0,
  stalled_check: 0,
};
const SCHEDULER = { next: 0, iterations: 1 };

/**
 * Runs calls. A call that met a damaged number runs again when the number is repaired, in a transaction without offers,
 * because the offers of the first one are committed.
 */
export function runRepairing(
  store: Store,
  requests: readonly Request[],
  { offer, beforeCommit }: { readonly offer: () => void; readonly beforeCommit: () => void },
): Outcome[] {
  const outcomes = runGroup(store, requests, () => {
    offer();
    beforeCommit();
  });
  const met = requests.filter((_, at) => isDamagedNumber(errorOf(outcomes[at])));
  if (met.length === 0 || repairNumbers(store) === 0) return outcomes;
  const again = runGroup(store, met, beforeCommit);
  return outcomes.map((outcome, at) => {
    const request = requests[at];
    return request !== undefined && met.includes(request)
      ? (again[met.indexOf(request)] ?? outcome)
      : outcome;
  });
}

function errorOf(outcome: Outcome | undefined): unknown {
  return outcome !== undefined && "error" in outcome ? outcome.error : undefined;
}

/**
 * Replaces damaged numbers by others. A job that had one is not executed: it gets the failure of an unreadable job.
 *
 * @returns the number of repaired rows
 */
export function repairNumbers(store: Store): number {
  return runAlone(store, () => {
    const isDamaged = JOB.map(tooLarge).join(" OR ");
    const jobs = store.all<{ key: number; id: string }>(
      `SELECT key, id FROM job WHERE ${isDamaged} OR (state IN (${TIMED}) AND ${tooLarge("score")})`,
    );
    for (const { key, id } of jobs)
      store.run(
        `UPDATE job SET ${JOB.map((column) => replaced(column, 0)).join(", ")},
           score = CASE WHEN state IN (${TIMED}) AND ${tooLarge("score")} THEN 0 ELSE score END,
           deferred_failure = ? WHERE key = ?`,
        unreadableFailure(id, ["numbers"]),
        key,
      );
    const others = repairTable(store, "queue", QUEUE) + repairTable(store, "scheduler", SCHEDULER);
    store.forget();
    return jobs.length + others;
  });
}

function repairTable(
  store: Store,
  table: string,
  columns: Readonly<Record<string, number>>,
): number {
  return store.run(
    `UPDATE ${table} SET ${Object.entries(columns)
      .map(([column, value]) => replaced(column, value))
      .join(", ")}
     WHERE ${Object.keys(columns).map(tooLarge).join(" OR ")}`,
  );
}

function tooLarge(column: string): string {
  return `${column} NOT BETWEEN ${-LARGEST} AND ${LARGEST}`;
}

function replaced(column: string, value: number): string {
  return `${column} = CASE WHEN ${tooLarge(column)} THEN ${value} ELSE ${column} END`;
}
