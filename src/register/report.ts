import { writeSync } from "node:fs";

/**
 * Reports on stderr a step that the preload could not do. The app continues: a preload that throws would end
 * the app that it should keep available.
 */
export function report(what: string): void {
  try {
    writeSync(2, `newel/register: ${what}\n`);
  } catch {
    // A closed or full stderr must not end the app either, and there is no other place for the report.
  }
}
