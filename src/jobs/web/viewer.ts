import { isNewelError, newelError } from "../../base/errors.ts";
import type { JobsAccess, Run, Scope } from "../api.ts";
import { readBy } from "../scope.ts";

/** The viewer in place of a user: any browser with the URL may see the run. */
export const everyone: unique symbol = Symbol.for("newel.jobs.everyone") as never;

/** A viewer: the `by` of the runs that may be seen, or {@link everyone}. */
export type Viewer = string | number | typeof everyone;

/** The access to jobs that the web functions need: a store, or a remote job server. */
export type Looks = Pick<JobsAccess, "get" | "events">;

const STATUS: Readonly<Record<string, number>> = {
  NEWEL_E_LIMIT: 400,
  NEWEL_E_JOB_BY: 403,
  NEWEL_E_JOB_FORBIDDEN: 403,
  NEWEL_E_JOB_NO_RUN: 404,
};

/**
 * The run, if this viewer may see it.
 *
 * @param by - the owner of the session. Without a value no run may be seen: an expired session must not
 *   show the runs of all owners.
 * @throws NEWEL_E_JOB_BY, NEWEL_E_JOB_FORBIDDEN, NEWEL_E_JOB_NO_RUN
 */
export async function look(looks: Looks, id: string, by: unknown): Promise<Run> {
  const own = by === everyone ? undefined : readBy({ by } as Scope);
  const run = await looks.get(id);
  if (run === undefined) throw newelError("NEWEL_E_JOB_NO_RUN", { id });
  if (own !== undefined && run.by !== own) throw newelError("NEWEL_E_JOB_FORBIDDEN", { id });
  return run;
}

/**
 * The HTTP status that refuses a run; `undefined` when this viewer may see it.
 *
 * @throws errors of another kind
 */
export async function refusalOf(
  looks: Looks,
  id: string,
  by: unknown,
): Promise<number | undefined> {
  try {
    await look(looks, id, by);
    return undefined;
  } catch (error) {
    return refusal(error).status;
  }
}

/** An answer that refuses: 400, 403 or 404, as JSON. Errors of another kind are thrown on. */
export function refusal(error: unknown): { status: number; body: string } {
  const status = isNewelError(error) ? STATUS[error.code] : undefined;
  if (!isNewelError(error) || status === undefined) throw error;
  const { code, message, fix } = error;
  return { status, body: JSON.stringify({ error: { code, message, fix } }) };
}

export const JSON_HEADERS: Readonly<Record<string, string>> = {
  "content-type": "application/json; charset=utf-8",
  "cache-control": "no-store",
};
