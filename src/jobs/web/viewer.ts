import { isNewelError, newelError } from "../../base/errors.ts";
import type { JobsAccess, Run, Scope } from "../api.ts";
import { readBy } from "../scope.ts";

/** In place of a user: whoever has the address may see the run. */
export const everyone: unique symbol = Symbol.for("newel.jobs.everyone") as never;

/** Who looks: the `by` of the runs that may be seen, or {@link everyone}. */
export type Viewer = string | number | typeof everyone;

/** What the web side needs of jobs: a store's, or those of a job server elsewhere. */
export type Looks = Pick<JobsAccess, "get" | "events">;

const STATUS: Readonly<Record<string, number>> = {
  NEWEL_E_JOB_BY: 403,
  NEWEL_E_JOB_FORBIDDEN: 403,
  NEWEL_E_JOB_NO_RUN: 404,
};

/**
 * The run, if this viewer may see it.
 *
 * @param by - of the session. Without a value nobody sees anything: a session that is over must not
 *   show the runs of all.
 * @throws NEWEL_E_JOB_BY, NEWEL_E_JOB_FORBIDDEN, NEWEL_E_JOB_NO_RUN
 */
export async function look(looks: Looks, id: string, by: unknown): Promise<Run> {
  const own = by === everyone ? undefined : readBy({ by } as Scope);
  const run = await looks.get(id);
  if (run === undefined) throw newelError("NEWEL_E_JOB_NO_RUN", { id });
  if (own !== undefined && run.by !== own) throw newelError("NEWEL_E_JOB_FORBIDDEN", { id });
  return run;
}

/** An answer that refuses: 403 or 404, as JSON. Errors of another kind are thrown on. */
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
