import type { RunEvent } from "../../api.ts";

/**
 * The state of a followed run: that of the run, or `unknown` before the first answer, `forbidden` when
 * the site answers 401 or 403, `missing` for 404 and 410. The last two are final.
 */
export type JobState = RunEvent["state"] | "unknown" | "forbidden" | "missing";

/** The browser's view of a run. */
export interface JobView {
  /** The id of the run, once it is known. */
  readonly run?: string;
  /** The state of the run; `unknown` before the first answer of the site. */
  readonly state: JobState;
  /** The last progress the handler reported; absent before the first report. */
  readonly progress?: NonNullable<RunEvent["progress"]>;
  /** The result; absent before the run is done. */
  readonly result?: unknown;
  /** The error of the last failed attempt; absent when no attempt failed. */
  readonly error?: NonNullable<RunEvent["error"]>;
  /**
   * `open`: the view is up to date. `lost`: the site does not answer, so the view may be out of date; requests
   * continue.
   * `closed`: the state is final, and no more requests are sent.
   */
  readonly connection: "open" | "lost" | "closed";
}

const FINAL: readonly JobState[] = ["done", "failed", "cancelled", "forbidden", "missing"];

export const UNKNOWN: JobView = { state: "unknown", connection: "open" };

/** Whether the state is final. */
export function isFinal(state: JobState): boolean {
  return FINAL.includes(state);
}

/** Applies an event to a view. */
export function afterEvent(before: JobView, event: Omit<RunEvent, "id">): JobView {
  const { type, ...told } = event;
  const { state } = event;
  const connection = isFinal(state) ? "closed" : "open";
  return { ...(type === "run" ? {} : before), ...told, connection };
}

/** Applies the HTTP status of a response to a view; `undefined` for an outage. */
export function afterStatus(before: JobView, status: number): JobView | undefined {
  const connection = "closed";
  if (status === 204) return { ...before, connection };
  if (status === 401 || status === 403) return { ...before, state: "forbidden", connection };
  if (status === 404 || status === 410) return { ...before, state: "missing", connection };
  return undefined;
}
