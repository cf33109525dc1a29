import { readTime } from "../time-option.ts";
import type { ListFilter, Run, RunState } from "../../jobs/api.ts";
import type { Jobs } from "../../jobs/jobs.ts";
import { usageError } from "../arguments.ts";
import type { Arguments, Options } from "../command.ts";

export const FILTER_OPTIONS: Options = {
  queue: { value: "NAME", summary: "of this queue" },
  state: {
    value: "STATE",
    summary: "waiting, delayed, running, done, failed, cancelled; or several: a,b",
  },
  name: { value: "NAME", summary: "of this job" },
  error: { value: "TEXT", summary: "failed with this text in the code or message" },
  by: { value: "ID", summary: "enqueued for this user" },
  since: { value: "TIME", summary: "enqueued within the last 10m, 2h, 3d, or since a date" },
};

/** The runs that a command line means. */
export function readFilter(args: Arguments): ListFilter {
  const [queue, state, name] = [args.text("queue"), args.text("state"), args.text("name")];
  const [error, by, since] = [args.text("error"), args.text("by"), args.text("since")];
  return {
    ...(queue === undefined ? {} : { queue }),
    // The store rejects an unknown state and lists the valid ones.
    ...(state === undefined ? {} : { states: state.split(",") as RunState[] }),
    ...(name === undefined ? {} : { name }),
    ...(error === undefined ? {} : { error }),
    ...(by === undefined ? {} : { by }),
    ...(since === undefined ? {} : { sinceMs: readTime(since, "--since") }),
  };
}

/** `--limit`, if it was given. */
export function readLimit(args: Arguments): number | undefined {
  const text = args.text("limit");
  if (text === undefined) return undefined;
  const limit = Number(text);
  if (Number.isInteger(limit) && limit > 0) return limit;
  throw usageError(`--limit ${text} is no number of runs.`);
}

/** The longest page a store gives. */
const PAGE = 1_000;

/** All runs that fit, page by page, the newest first. */
export async function* allRuns(
  jobs: Jobs,
  filter: ListFilter,
  limit: number = Number.POSITIVE_INFINITY,
): AsyncGenerator<Run> {
  let left = limit;
  let cursor: string | undefined;
  do {
    const page = await jobs.list({
      ...filter,
      limit: Math.min(PAGE, left),
      ...(cursor === undefined ? {} : { cursor }),
    });
    yield* page.runs;
    left -= page.runs.length;
    cursor = page.cursor;
  } while (cursor !== undefined && left > 0);
}
