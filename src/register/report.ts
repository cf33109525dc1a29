import { writeSync } from "node:fs";

/**
 * Says on stderr what the preload could not do. The app goes on: a preload that throws would take
 * down what it is there to keep up.
 */
export function report(what: string): void {
  try {
    writeSync(2, `newel/register: ${what}\n`);
  } catch {
    // A closed or full stderr must not end the app either, and there is nowhere else to say it.
  }
}
