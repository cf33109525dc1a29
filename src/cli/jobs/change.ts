import { counted } from "../../base/counted.ts";
import { newelError } from "../../base/errors.ts";
import type { ListFilter, Run, RunState } from "../../jobs/api.ts";
import type { Jobs } from "../../jobs/jobs.ts";
import { usageError } from "../arguments.ts";
import type { Arguments, Context, Options } from "../command.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { allRuns, FILTER_OPTIONS, readFilter } from "./filter.ts";
import { STORE_OPTION, withJobs } from "./store.ts";

export const CHANGE_OPTIONS: Options = {
  "all-matching": { summary: "every run that the options below find" },
  ...FILTER_OPTIONS,
  ...STORE_OPTION,
};

/** A change to runs, one by one. */
export interface Change {
  readonly verb: "retry" | "cancel";
  /** The result in words: `cancelled`. */
  readonly done: string;
  /** The states in which the change is possible. */
  readonly states: readonly RunState[];
  readonly run: (jobs: Jobs, id: string) => Promise<Run | undefined>;
}

/** Runs that are named, or all that match. */
export function changeRuns(args: Arguments, context: Context, change: Change): Promise<ExitCode> {
  const matching = args.has("all-matching");
  const form = `newel jobs ${change.verb} RUN…, or --all-matching with what it has to match`;
  if (matching === args.words.length > 0) throw usageError(`Which runs? ${form}.`);
  if (!matching && Object.keys(FILTER_OPTIONS).some((option) => args.has(option)))
    throw usageError(`Options that find runs go with --all-matching: ${form}.`);
  return withJobs(args, context, async (jobs) => {
    const ids = matching ? await findAll(jobs, args, change) : args.words;
    const changed = matching
      ? await changeAll(jobs, ids, change)
      : await changeEach(jobs, ids, change);
    const { output } = context;
    if (output.json) output.printDocument({ [change.done]: changed.length, runs: changed });
    else output.print(`${counted(changed.length, "run")} ${change.done}`);
    return EXIT.done;
  });
}

async function findAll(jobs: Jobs, args: Arguments, { states }: Change): Promise<string[]> {
  const given = readFilter(args);
  const filter: ListFilter = { ...given, states: given.states ?? states };
  const ids: string[] = [];
  for await (const { id, state } of allRuns(jobs, filter)) if (states.includes(state)) ids.push(id);
  return ids;
}

/** The number of changes under way at once. */
const AT_ONCE = 20;

/** Runs that ended or were removed since the list was read do not count. */
async function changeAll(jobs: Jobs, ids: readonly string[], change: Change): Promise<string[]> {
  const changed: string[] = [];
  for (let at = 0; at < ids.length; at += AT_ONCE) {
    const some = ids.slice(at, at + AT_ONCE);
    const runs = await Promise.all(some.map((id) => change.run(jobs, id).catch(ignoreState)));
    changed.push(...some.filter((_, index) => runs[index] !== undefined));
  }
  return changed;
}

function ignoreState(error: unknown): undefined {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code !== "NEWEL_E_JOB_RETRY" && code !== "NEWEL_E_JOB_KEY") throw error;
}

async function changeEach(jobs: Jobs, ids: readonly string[], change: Change): Promise<string[]> {
  for (const id of ids) {
    const run = await change.run(jobs, id);
    if (run === undefined) throw newelError("NEWEL_E_JOB_NO_RUN", { id });
  }
  return [...ids];
}
