/** What the supervisor's program ends with when it does not serve. */
export const SUPERVISOR_EXIT = {
  failed: 1,
  /** Another one has the home. */
  running: 3,
} as const;
