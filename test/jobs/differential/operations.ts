import type { Random } from "../../simulation/random.ts";

/** An operation of a program: its name, its queue, and numbers that say which job, option or value. */
export interface Operation {
  readonly name: OperationName;
  /** 0, 1 or 2. */
  readonly queue: number;
  /** Which of the jobs that the program knows, when it comes to it. */
  readonly job: number;
  readonly options: Record<string, unknown>;
}

/** Names and how often each is drawn. */
const WEIGHTS = {
  add: 22,
  addBulk: 4,
  addFlow: 5,
  upsertScheduler: 4,
  removeScheduler: 1,
  take: 14,
  complete: 9,
  fail: 8,
  delayActive: 3,
  waitActive: 2,
  waitForChildren: 2,
  updateProgress: 2,
  log: 2,
  clearLogs: 1,
  updateData: 1,
  retry: 3,
  promote: 3,
  changeDelay: 3,
  changePriority: 3,
  remove: 3,
  removeChildDependency: 1,
  removeUnprocessedChildren: 1,
  pause: 2,
  resume: 2,
  drain: 1,
  clean: 2,
  obliterate: 1,
  retryJobs: 2,
  promoteJobs: 1,
  setConcurrency: 1,
  removeConcurrency: 1,
  setRateLimit: 1,
  removeRateLimit: 1,
  rateLimit: 1,
  removeRateLimitKey: 1,
  removeDeduplicationKey: 1,
  removeOwnDeduplicationKey: 1,
  extendLock: 1,
  read: 4,
  tick: 8,
} as const;

export type OperationName = keyof typeof WEIGHTS;

const NAMES = Object.entries(WEIGHTS).flatMap(([name, weight]) =>
  Array.from({ length: weight }, () => name as OperationName),
);

/** Operations that the seed gives: the same for the same seed. */
export function randomProgram(random: Random, length: number): Operation[] {
  return Array.from({ length }, () => {
    const name = random.pick(NAMES);
    const queue = random.chance(0.7) ? 0 : 1 + random.between(0, 1);
    const options = OPTIONS[name]?.(random) ?? {};
    return { name, queue, job: random.between(0, 999), options };
  });
}

const DELAYS = [0, 5, 1_000, 1_000, 20_000, 86_400_000];
const KEEPS = [true, false, 0, 1, 3, { count: 2 }, { age: 5 }, { age: 5, count: 2 }, { age: 0 }];

function jobOptions(random: Random): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  const sometimes = (name: string, probability: number, value: () => unknown): void => {
    if (random.chance(probability)) options[name] = value();
  };
  sometimes("delay", 0.3, () => random.pick(DELAYS));
  sometimes("priority", 0.25, () => random.pick([0, 1, 1, 5, 2_000_000]));
  sometimes("lifo", 0.15, () => random.chance(0.7));
  sometimes("attempts", 0.4, () => 1 + random.between(0, 3));
  sometimes("backoff", 0.3, () =>
    random.pick<unknown>([
      0,
      700,
      { type: "fixed", delay: 300 },
      { type: "exponential", delay: 90 },
    ]),
  );
  sometimes("removeOnComplete", 0.25, () => random.pick<unknown>(KEEPS));
  sometimes("removeOnFail", 0.25, () => random.pick<unknown>(KEEPS));
  sometimes("keepLogs", 0.1, () => 1 + random.between(0, 1));
  sometimes("stackTraceLimit", 0.1, () => random.between(0, 2));
  sometimes("jobId", 0.2, () => random.pick(["own-1", "own-2", "own-3", "a:b:c"]));
  sometimes("timestamp", 0.1, () => START_MS - random.between(0, 9_999));
  return options;
}

/** Locks, limits and deduplication last longer than any program: servers count their time by their own clocks. */
export const YEARS_MS: number = 10 * 365 * 86_400_000;

/** The time at which every program begins. */
export const START_MS: number = Date.UTC(2026, 2, 1, 12, 0, 0);

function addOptions(random: Random): Record<string, unknown> {
  const options = jobOptions(random);
  if (random.chance(0.2)) {
    const kind = random.pick<object>([
      {},
      {},
      { replace: true },
      { keepLastIfActive: true },
      { ttl: YEARS_MS },
      { ttl: YEARS_MS, extend: true },
      { ttl: YEARS_MS, extend: true, replace: true },
      { reschedule: true },
    ]);
    options["deduplication"] = { id: random.pick(["d1", "d2"]), ...kind };
  }
  return options;
}

function flowOptions(random: Random, depth: number): Record<string, unknown> {
  const opts = jobOptions(random);
  delete opts["jobId"];
  if (depth > 0 && random.chance(0.5))
    opts[
      random.pick([
        "failParentOnFailure",
        "removeDependencyOnFailure",
        "ignoreDependencyOnFailure",
        "continueParentOnFailure",
      ])
    ] = true;
  const children =
    depth < 2
      ? Array.from({ length: random.between(0, 3 - depth - 1) + (depth === 0 ? 1 : 0) }, () =>
          flowOptions(random, depth + 1),
        )
      : [];
  return { queue: random.between(0, 2), opts, children };
}

function schedulerOptions(random: Random): Record<string, unknown> {
  const repeat = random.pick<object>([
    { every: 60_000 },
    { every: 90_000, offset: 5_000 },
    { every: 60_000, startDate: START_MS + 30_000 },
    { every: 60_000, limit: 3 },
    { pattern: "0 */5 * * * *", tz: "UTC" },
    { pattern: "0 0 3 * * *", tz: "Europe/Vienna" },
    { pattern: "0 0 3 * * *", tz: "UTC", limit: 2 },
    { pattern: "0 0 * * * *", tz: "UTC", endDate: START_MS + 86_400_000 },
  ]);
  const { attempts, priority, removeOnComplete } = jobOptions(random);
  const opts = { attempts, priority, removeOnComplete };
  return { id: random.pick(["s1", "s2"]), repeat, opts, data: random.between(0, 2) };
}

const finishOptions = (random: Random): Record<string, unknown> => ({
  fetchNext: random.chance(0.4),
  unrecoverable: random.chance(0.2),
});

/** The random arguments of an operation other than its queue and job. */
const OPTIONS: { readonly [Name in OperationName]?: (random: Random) => Record<string, unknown> } =
  {
    add: addOptions,
    addBulk: (random) => ({
      jobs: Array.from({ length: 2 + random.between(0, 2) }, () => addOptions(random)),
    }),
    addFlow: (random) => flowOptions(random, 0),
    upsertScheduler: schedulerOptions,
    removeScheduler: (random) => ({ id: random.pick(["s1", "s2", "s3"]) }),
    complete: finishOptions,
    fail: finishOptions,
    delayActive: (random) => ({ delay: random.pick(DELAYS) }),
    log: (random) => ({ lines: 1 + random.between(0, 2) }),
    clearLogs: (random) => ({ keep: random.between(0, 2) }),
    retry: (random) => ({
      state: random.pick(["failed", "failed", "completed"]),
      resetAttemptsMade: random.chance(0.5),
      resetAttemptsStarted: random.chance(0.5),
    }),
    changeDelay: (random) => ({ delay: random.pick(DELAYS) }),
    changePriority: (random) => ({ priority: random.pick([0, 1, 5, 9]), lifo: random.chance(0.3) }),
    remove: (random) => ({ removeChildren: random.chance(0.7) }),
    drain: (random) => ({ delayed: random.chance(0.5) }),
    clean: (random) => ({
      grace: random.pick([0, 1_000, 60_000]),
      limit: random.pick([0, 1, 100]),
      state: random.pick(["completed", "failed", "wait", "delayed", "prioritized", "active"]),
    }),
    obliterate: (random) => ({ force: random.chance(0.5) }),
    retryJobs: (random) => ({
      state: random.pick(["failed", "completed"]),
      count: random.pick([1, 2, 1_000]),
    }),
    setConcurrency: (random) => ({ concurrency: 1 + random.between(0, 2) }),
    setRateLimit: (random) => ({ max: 1 + random.between(0, 2) }),
    removeDeduplicationKey: (random) => ({ id: random.pick(["d1", "d2"]) }),
    tick: (random) => ({ ms: random.pick([1, 10, 500, 2_000, 30_000, 300_000, 3_600_000]) }),
  };
