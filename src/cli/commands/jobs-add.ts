import { text as readAll } from "node:stream/consumers";

import type { EnqueueOptions, Run } from "../../jobs/api.ts";
import type { JobDefinition } from "../../jobs/definition.ts";
import type { Jobs } from "../../jobs/jobs.ts";
import { jobNameProblem, optionError } from "../../jobs/names.ts";
import { defaultOptions } from "../../jobs/options.ts";
import { usageError } from "../arguments.ts";
import type { Arguments, Command, Context } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { STORE_OPTION, withJobs } from "../jobs/store.ts";

export const jobsAdd: Command = {
  name: "jobs add",
  summary: "Enqueue a run of a job and print its id",
  usage: "NAME [JSON | -] [--queue NAME] [--by ID] [--key KEY] [--delay TIME] [--priority N]",
  words: { min: 1, max: 2 },
  options: {
    queue: { value: "NAME", summary: "the job's queue (default: that of its last run)" },
    by: { value: "ID", summary: "the user that the run belongs to" },
    key: { value: "KEY", summary: "return the unfinished run with this key, if there is one" },
    delay: { value: "TIME", summary: "not before this long from now" },
    priority: { value: "N", summary: "1 is the most urgent" },
    ...STORE_OPTION,
  },
  examples: [
    { line: `newel jobs add import-contacts '{"file":"a.csv"}'`, does: "with this input" },
    { line: "newel jobs add import-contacts - < input.json", does: "with the input from stdin" },
  ],
  notes: [
    "The job's module is not loaded here: the input is checked when the job server runs it, and a job that was never enqueued needs its --queue unless that is the default one. Attempts and waits are the defaults.",
  ],
  async run(args, context) {
    const [name = "", json] = args.words;
    const problem = jobNameProblem(name);
    if (problem !== undefined) throw optionError("a job", "name", name, problem);
    const input = await readInput(json);
    return withJobs(
      args,
      context,
      async (jobs) => {
        const run = await add(jobs, name, input, args, context);
        const { output } = context;
        if (output.json) output.printDocument(run);
        else output.print(run.id);
        return EXIT.done;
      },
      true,
    );
  },
};

async function add(
  jobs: Jobs,
  name: string,
  input: unknown,
  args: Arguments,
  { output }: Context,
): Promise<Run> {
  const given = args.text("queue");
  const [last] = given === undefined ? (await jobs.list({ name, limit: 1 })).runs : [];
  const queue = given ?? last?.queue;
  if (queue === undefined)
    output.say(`No run of ${name} is known here: it goes to the default queue.`);
  const definition: JobDefinition = {
    ...UNKNOWN,
    name,
    options: defaultOptions(queue),
  };
  return jobs.enqueue(definition, input, readOptions(args));
}

/** A job of which only name and queue are known. */
const UNKNOWN = {
  input: undefined,
  keyOf: () => undefined,
  groupOf: () => undefined,
} as unknown as JobDefinition;

function readOptions(args: Arguments): EnqueueOptions {
  const [by, key, delay] = [args.text("by"), args.text("key"), args.text("delay")];
  const priority = args.text("priority");
  return {
    ...(by === undefined ? {} : { by }),
    ...(key === undefined ? {} : { key }),
    ...(delay === undefined ? {} : { delay }),
    ...(priority === undefined ? {} : { priority: Number(priority) }),
  };
}

async function readInput(json: string | undefined): Promise<unknown> {
  if (json === undefined) return undefined;
  const text = json === "-" ? await readAll(process.stdin) : json;
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw usageError(`The input is no JSON: ${error.message}. A text needs its quotes: '"text"'.`);
  }
}
