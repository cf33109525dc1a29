import { CronExpressionParser } from "cron-parser";

import { cronProblem as formProblem } from "../base/cron.ts";

// The only module that loads cron-parser, the library that BullMQ has for the schedules of jobs. It is loaded for
// configurations with a schedule alone.

/** The first time of a cron expression after a moment, in milliseconds of the wall clock. */
export function nextTime(cron: string, tz: string | undefined, afterMs: number): number {
  return CronExpressionParser.parse(cron, {
    currentDate: new Date(afterMs),
    ...(tz === undefined ? {} : { tz }),
  })
    .next()
    .getTime();
}

/** The reason why a text is not a cron expression; `undefined` when it has a time. */
export function cronProblem(cron: string): string | undefined {
  const form = formProblem(cron);
  if (form !== undefined) return form;
  try {
    nextTime(cron, undefined, Date.now());
    return undefined;
  } catch (error) {
    if (error instanceof Error) return error.message;
    throw error;
  }
}
