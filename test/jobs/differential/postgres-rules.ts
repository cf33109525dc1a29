import type { Operation } from "./operations.ts";

/**
 * A known difference between BullMQ's PostgreSQL store and its Redis store, which is not one of the SQLite store. Programs
 * that are compared with PostgreSQL leave out its cause, or the comparison leaves out its effect.
 */
export interface PostgresRule {
  readonly difference: string;
  /** Changes an operation so that the difference does not arise. */
  readonly shape?: (operation: Operation) => Operation;
  /** Whether an operation is left out. */
  readonly leavesOut?: (operation: Operation) => boolean;
  /** Removes the difference from the answer of an operation, or from the final state when there is no operation. */
  readonly level?: (answer: string, operation: Operation | undefined) => string;
}

type Options = Readonly<Record<string, unknown>>;

export const POSTGRES_RULES: readonly PostgresRule[] = [
  {
    difference: "A due delayed job goes to the place of its addition, not to the end of the line.",
    shape: eachJob((options) =>
      typeof options["delay"] === "number" && options["delay"] < NEVER_DUE_MS
        ? without(options, "delay")
        : options,
    ),
  },
  {
    difference: "A running job that is delayed keeps its place in the line.",
    shape: (operation) =>
      operation.name === "delayActive" || operation.name === "changeDelay"
        ? { ...operation, options: { delay: NEVER_DUE_MS } }
        : operation,
  },
  {
    difference: "`retryJobs` begins the counts of attempts and the stacks again.",
    leavesOut: ({ name }) => name === "retryJobs",
  },
  {
    // The player leaves it out.
    difference: "The retry of a failed job does not make delayed jobs ready that are due.",
  },
  {
    difference: "`drain` does not release the parents of the jobs that it removes.",
    leavesOut: ({ name }) => name === "drain",
  },
  {
    difference:
      "`clean` does not release the parents of the jobs that it removes, and takes from them the results of children that have ended.",
    leavesOut: ({ name }) => name === "clean",
  },
  {
    // The player leaves it out for a child that has ended.
    difference:
      "`removeChildDependency` of a child that has ended takes its result from the parent.",
  },
  {
    difference:
      "A failed child that the retention of another job removes does not release its parent.",
    shape: eachJob((options) =>
      typeof options["removeOnFail"] === "boolean" ? options : without(options, "removeOnFail"),
    ),
  },
  {
    difference: "`removeOnComplete: 0` removes all completed jobs, not only the one that has it.",
    shape: eachJob((options) =>
      options["removeOnComplete"] === 0 ? { ...options, removeOnComplete: true } : options,
    ),
  },
  {
    difference: "Delayed jobs that are due in the same millisecond have another order.",
    level: (answer, operation) => (operation === undefined ? sortList(answer, "delayed") : answer),
  },
  {
    difference: "`obliterate` does not release parents in other queues.",
    leavesOut: ({ name }) => name === "obliterate",
  },
  {
    difference:
      "`removeUnprocessedChildren` does not release the parents of the jobs that it removes.",
    leavesOut: ({ name }) => name === "removeUnprocessedChildren",
  },
  {
    difference: "`remove` removes children that have ended too.",
    shape: (operation) =>
      operation.name === "remove"
        ? { ...operation, options: { removeChildren: false } }
        : operation,
  },
  {
    difference: "`promoteJobs` promotes jobs in no order.",
    leavesOut: ({ name }) => name === "promoteJobs",
  },
  {
    difference: "A released parent goes to the end of the line, on Redis to its head.",
    // The player takes no job of a queue in which others wait with a parent, or with a job of a scheduler that was due.
    level: (answer, operation) => (operation === undefined ? sortList(answer, "wait") : answer),
  },
  {
    difference: "`changePriority` and `moveToWait` put a job at other places of the line.",
    leavesOut: ({ name }) => name === "changePriority" || name === "waitActive",
  },
  {
    difference: "A retry of a finished job removes its stacks.",
    level: (answer, operation) =>
      operation === undefined
        ? answer.replaceAll(/"stacktrace":\[[^\]]*\]/gu, '"stacktrace":[]')
        : answer,
  },
  {
    // The player leaves it out.
    difference: "The parent of a child whose failure it ignored does not wait for its retry.",
  },
  {
    difference: "The times of `every` with a start count from it in other ways.",
    leavesOut: ({ name, options }) =>
      name === "upsertScheduler" && "startDate" in (options["repeat"] as Options),
  },
  {
    // `scheduler_every_next_millis` in BullMQ's functions for PostgreSQL; a pattern stores the offset 0.
    difference:
      "After missed times `every` with an offset skips the first slot that is to come, and a later pattern drops the offset.",
    leavesOut: ({ name, options }) =>
      name === "upsertScheduler" && "offset" in (options["repeat"] as Options),
    level: (answer) => answer.replaceAll(/"offset":\d+,?/gu, ""),
  },
  {
    difference: "A parent that is released keeps its priority and its delay.",
    shape: eachJob((options, isParent) =>
      isParent ? without(without(options, "priority"), "delay") : options,
    ),
  },
  {
    difference: "A retry with a backoff keeps the place of its addition in the line.",
    shape: eachJob((options) => without(options, "backoff")),
  },
  {
    difference: "`lifo` counts among jobs with a priority too.",
    shape: eachJob((options) => without(options, "lifo")),
  },
  {
    difference: "A deduplication is looked up before the id of the job, not after it.",
    shape: eachJob((options) =>
      options["jobId"] === undefined ? options : without(options, "deduplication"),
    ),
  },
  {
    difference: "Keys of jobs have no prefix.",
    level: (answer) => answer.replaceAll(/\bbull:(o\d+-\d)/gu, "$1"),
  },
  {
    difference: "Errors of commands end with other names of the command.",
    level: (answer) => answer.replace(/^(error: .*)\. \w+$/su, "$1"),
  },
  {
    difference: "`removeChildDependency` of a job without a parent is no error.",
    level: (answer, operation) =>
      operation?.name === "removeChildDependency" &&
      answer.startsWith("error: Missing key for parent")
        ? "false"
        : answer,
  },
  {
    // The player leaves it out.
    difference: "`remove` refuses each job of a scheduler, not only the next one.",
  },
  {
    difference:
      "`setGlobalConcurrency` and `setGlobalRateLimit` answer with the number of fields, not of new ones.",
    level: (answer, operation) =>
      operation?.name === "setConcurrency" || operation?.name === "setRateLimit" ? "" : answer,
  },
  {
    difference: "`parent` of a job does not have the options for its failure.",
    level: (answer) =>
      answer.replaceAll(
        /(?<=\{)"(?:rdof|fpof|idof|cpof)":true,|,"(?:rdof|fpof|idof|cpof)":true/gu,
        "",
      ),
  },
  {
    difference: "Waiting jobs of a paused queue are counted as paused, not as waiting.",
    level: (answer, operation) =>
      operation === undefined ? answer.replaceAll(/"waiting":\d+/gu, '"waiting":0') : answer,
  },
  {
    difference: "Running jobs are listed by their additions, not by their starts.",
    level: (answer, operation) => (operation === undefined ? sortList(answer, "active") : answer),
  },
];

/** The delays of programs that are not due before their end. */
const NEVER_DUE_MS = 86_400_000;

function sortList(state: string, name: string): string {
  return state.replaceAll(new RegExp(`"${name}":\\[([^\\]]*)\\]`, "gu"), (_, ids: string) => {
    return `"${name}":[${ids.split(",").toSorted().join(",")}]`;
  });
}

function without(options: Options, name: string): Options {
  const { [name]: _, ...rest } = options;
  return rest;
}

/** Changes the options of all jobs that an operation adds. */
function eachJob(
  change: (options: Options, isParent: boolean) => Options,
): (operation: Operation) => Operation {
  const changeNode = (node: Options): Options => {
    const children = node["children"] as Options[];
    const opts = change(node["opts"] as Options, children.length > 0);
    return { ...node, opts, children: children.map(changeNode) };
  };
  return (operation) => {
    const { name, options } = operation;
    if (name === "add") return { ...operation, options: change(options, false) };
    if (name === "addBulk")
      return {
        ...operation,
        options: { jobs: (options["jobs"] as Options[]).map((each) => change(each, false)) },
      };
    if (name === "addFlow") return { ...operation, options: changeNode(options) };
    return operation;
  };
}

/** The program for a comparison with PostgreSQL. */
export function shapeForPostgres(operations: readonly Operation[]): Operation[] {
  return operations
    .map((operation) =>
      POSTGRES_RULES.reduce((shaped, { shape }) => shape?.(shaped) ?? shaped, operation),
    )
    .filter(
      (operation) => !POSTGRES_RULES.some(({ leavesOut }) => leavesOut?.(operation) === true),
    );
}

/** An answer without the known differences. */
export function levelForPostgres(answer: string, operation: Operation | undefined): string {
  return POSTGRES_RULES.reduce(
    (levelled, { level }) => level?.(levelled, operation) ?? levelled,
    answer,
  );
}
