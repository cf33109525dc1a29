/**
 * Set in a child that only checks whether the program loads: there `bus.start()` does not start
 * anything, but reports the load and becomes the guard of the restart.
 */
export const REHEARSAL = "NEWEL_BUS_REHEARSAL";

/** The rehearsal's descriptor of the stream between it and its parent. */
export const REHEARSAL_FD = 3;

/** The messages of the rehearsal: the program has loaded; it holds signals back, or may not. */
export const GUARD = { loaded: "loaded\n", holding: "holding\n", cannot: "cannot\n" } as const;

/** Whether this process is such a child. */
export function isRehearsal(): boolean {
  return process.env[REHEARSAL] === "1";
}
