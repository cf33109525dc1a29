import type { Progress } from "./progress.ts";

/**
 * Decides on the end of a worker that has given-up tasks: tasks whose caller was notified that they
 * were cancelled or late. Pure: a function of the pool's state and the time.
 *
 * A given-up task that listens to `ctx.signal` ends by itself. The rules for other tasks:
 *
 * | the worker | the given-up task | verdict |
 * |---|---|---|
 * | is blocked | is in its synchronous start: it blocks the loop | kill after `killMs` |
 * | is blocked | has begun, and all begun tasks are given up | kill after `killMs`: nothing is lost |
 * | is blocked | has begun, as well as others: any of them may block | kill after `stallMs` |
 * | is blocked | has not begun | wait: the task cannot be the cause |
 * | is blocked in the start of a task that is not given up | any | wait: that task computes |
 * | is responsive | has begun and does not end, with too many others of its kind | retire |
 *
 * The worker counts as blocked while a PING sent after it was last heard is unanswered.
 */
export interface StallFacts<Task extends StallTask = StallTask> {
  /** The tasks that the worker has, in the order they were sent. */
  readonly tasks: readonly Task[];
  readonly progress: Progress;
  /** The worker has reported every task up to this number as begun. */
  readonly told: number;
  readonly heardMs: number;
  /** The time since which a PING is unanswered. */
  readonly pingedMs: number | undefined;
  readonly concurrency: number;
  readonly killMs: number;
  readonly stallMs: number;
}

export interface StallTask {
  readonly sentNumber: number;
  /**
   * The time at which its caller was notified; `undefined` while the caller waits for the result.
   */
  readonly givenUpMs: number | undefined;
}

export type Verdict<Task extends StallTask = StallTask> =
  /** No action before `atMs`. */
  | { readonly do: "wait"; readonly atMs: number }
  /** `blocker`: the task that blocks the loop; a guess unless `isKnown`. */
  | { readonly do: "kill"; readonly blocker: Task; readonly isKnown: boolean }
  /** Start another worker in its place; it accepts no more tasks. */
  | { readonly do: "retire" };

/** A given-up task that has not ended after this many milliseconds has its worker replaced. */
export const ABANDONED_MS = 60_000;
/** Minimum interval between PINGs to a worker that has given-up tasks, in milliseconds. */
const MIN_LOOK_MS = 20;
const MAX_LOOK_MS = 1_000;

export function judge<Task extends StallTask>(
  facts: StallFacts<Task>,
  nowMs: number,
): Verdict<Task> {
  const { tasks, pingedMs, killMs } = facts;
  const begun = tasks.filter(({ sentNumber }) => mayHaveBegun(sentNumber, facts));
  const givenUp = begun.filter((task) => task.givenUpMs !== undefined);
  const lookMs = Math.min(MAX_LOOK_MS, Math.max(MIN_LOOK_MS, killMs / 4));
  const wait = (atMs: number): Verdict<Task> => ({
    do: "wait",
    atMs: Math.max(nowMs + MIN_LOOK_MS, Math.min(atMs, nowMs + lookMs)),
  });
  if (givenUp.length === 0) return wait(nowMs + lookMs);
  if (pingedMs === undefined) return mustRetire(facts, givenUp, nowMs) ? RETIRE : wait(nowMs);
  const stall = stallOf(facts, begun, givenUp);
  if (stall === undefined) return wait(nowMs + lookMs);
  const { blocker, isKnown, limitMs } = stall;
  const stillMs = Math.max(facts.heardMs, blocker.givenUpMs ?? nowMs);
  if (nowMs - stillMs >= Math.max(limitMs, MIN_LOOK_MS)) return { do: "kill", blocker, isKnown };
  return wait(stillMs + limitMs);
}

const RETIRE = { do: "retire" } as const;

/** Whether a task may have begun: `false` means that it certainly has not. */
export function mayHaveBegun(
  sentNumber: number,
  { progress, told }: Pick<StallFacts, "progress" | "told">,
): boolean {
  return sentNumber <= told || progress.begun === undefined || sentNumber <= progress.begun;
}

/** Divides the tasks of a worker that has ended. Memory that was handed over is gone with it. */
export function leftTasks<Task extends StallTask & { readonly isHandedOver: boolean }>(
  tasks: readonly Task[],
  facts: Pick<StallFacts, "progress" | "told">,
): { readonly begun: readonly Task[]; readonly unbegun: readonly Task[] } {
  const begun = tasks.filter(
    ({ sentNumber, isHandedOver }) => isHandedOver || mayHaveBegun(sentNumber, facts),
  );
  return { begun, unbegun: tasks.filter((task) => !begun.includes(task)) };
}

interface Stall<Task extends StallTask> {
  readonly blocker: Task;
  readonly isKnown: boolean;
  readonly limitMs: number;
}

/** The most likely cause of a block, and the time that it may last. */
function stallOf<Task extends StallTask>(
  { progress, killMs, stallMs, told }: StallFacts<Task>,
  begun: readonly Task[],
  givenUp: readonly Task[],
): Stall<Task> | undefined {
  const { starting } = progress;
  if (starting > told) {
    const blocker = givenUp.find(({ sentNumber }) => sentNumber === starting);
    return blocker === undefined ? undefined : { blocker, isKnown: true, limitMs: killMs };
  }
  // The task that was given up first: the others would have to wait longer.
  const [first, ...others] = givenUp;
  if (first === undefined) return undefined;
  let blocker = first;
  for (const task of others) if ((task.givenUpMs ?? 0) < (blocker.givenUpMs ?? 0)) blocker = task;
  const isAlone = begun.length === givenUp.length;
  return { blocker, isKnown: begun.length === 1, limitMs: isAlone ? killMs : stallMs };
}

/**
 * Whether given-up tasks that do not end hold half of the worker's permits, or one permit for too
 * long.
 */
function mustRetire(
  { concurrency, killMs }: StallFacts,
  givenUp: readonly StallTask[],
  nowMs: number,
): boolean {
  const deaf = givenUp.filter(({ givenUpMs = nowMs }) => nowMs - givenUpMs >= killMs);
  return (
    deaf.length * 2 >= concurrency ||
    deaf.some(({ givenUpMs = nowMs }) => nowMs - givenUpMs >= ABANDONED_MS)
  );
}
