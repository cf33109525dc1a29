/** The states of a job, as numbers in the file; also the indexes in a queue's counts. */
export const STATE = {
  wait: 0,
  prioritized: 1,
  active: 2,
  delayed: 3,
  completed: 4,
  failed: 5,
  waitingChildren: 6,
} as const;

export type State = (typeof STATE)[keyof typeof STATE];

/** BullMQ's name of a state in `getState` and in events. */
export const STATE_NAMES: readonly string[] = [
  "waiting",
  "prioritized",
  "active",
  "delayed",
  "completed",
  "failed",
  "waiting-children",
];

/** BullMQ's name of the list of a state; `paused` is a list of old versions, always empty here. */
export const LISTS: ReadonlyMap<string, State> = new Map<string, State>([
  ["wait", STATE.wait],
  ["waiting", STATE.wait],
  ["prioritized", STATE.prioritized],
  ["active", STATE.active],
  ["delayed", STATE.delayed],
  ["completed", STATE.completed],
  ["failed", STATE.failed],
  ["waiting-children", STATE.waitingChildren],
]);

/** The outcome of a child, as its parent stores it. */
export const CHILD = {
  /** Not finished. */
  pending: 0,
  /** Completed; the value is its return value. */
  processed: 1,
  /** Failed, and the parent continues; the value is the reason. */
  ignored: 2,
  /** Failed, and the parent fails with it. */
  failed: 3,
} as const;

export type Child = (typeof CHILD)[keyof typeof CHILD];
