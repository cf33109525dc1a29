/** The exit codes of the supervisor's program when it does not serve. */
export const SUPERVISOR_EXIT = {
  failed: 1,
  /** Another supervisor has the home. */
  running: 3,
} as const;
