/** The states of a job, as numbers in the file; also the places in a queue's counts. */
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

/** What BullMQ calls a state in `getState` and in events. */
export const STATE_NAMES: readonly string[] = [
  "waiting",
  "prioritized",
  "active",
  "delayed",
  "completed",
  "failed",
  "waiting-children",
];

/** What BullMQ calls the list of a state; `paused` is a list of old versions, always empty here. */
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

/** What became of a child, from its parent's side. */
export const CHILD = {
  /** Not finished. */
  pending: 0,
  /** Completed; the value is what it returned. */
  processed: 1,
  /** Failed, and the parent goes on; the value is the reason. */
  ignored: 2,
  /** Failed, and the parent fails with it. */
  failed: 3,
} as const;

export type Child = (typeof CHILD)[keyof typeof CHILD];
