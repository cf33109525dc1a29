/**
 * Set in a child that only shows whether the program loads: there `bus.start()` ends the process
 * with success instead of starting anything.
 */
export const REHEARSAL = "NEWEL_BUS_REHEARSAL";

/** Whether this process is such a child. */
export function isRehearsal(): boolean {
  return process.env[REHEARSAL] === "1";
}
