import type { JobsOptions } from "bullmq";

import { parseStored, storedObject, storedTexts } from "../../stored-json.ts";
import { unreadableFailure } from "../../unreadable.ts";

/** The fields of a scheduler that BullMQ stores, all as text. */
export interface SchedulerFields {
  readonly name?: string;
  readonly pattern?: string;
  readonly every?: string;
  readonly offset?: string;
  readonly tz?: string;
  readonly limit?: string;
  readonly startDate?: string;
  readonly endDate?: string;
  readonly data?: string;
  readonly opts?: string;
}

/** Parses the stored fields; `undefined` when they are damaged. Data and options are JSON within them. */
export function readFields(json: string): SchedulerFields | undefined {
  const fields: SchedulerFields | undefined = storedTexts(json);
  if (fields === undefined) return undefined;
  const { pattern, every, data = "{}", opts = "{}" } = fields;
  const hasTimes = pattern !== undefined || Number(every) > 0;
  const hasTemplate = parseStored(data) !== undefined && storedObject(opts) !== undefined;
  return hasTimes && hasTemplate ? fields : undefined;
}

/** The fields that readers get of a damaged scheduler: its error is an option of its template. */
export function damagedFields(id: string): SchedulerFields {
  return { name: id, opts: JSON.stringify({ [DAMAGE]: unreadableFailure(id, ["schedule"]) }) };
}

/** The options of a job of the scheduler, from its fields; `undefined` when it is damaged or gone. */
export function seriesOptions(fields: Readonly<Record<string, string>>): JobsOptions | undefined {
  const { pattern, every, tz, limit, endDate, offset, opts } = fields;
  if (pattern === undefined && every === undefined) return undefined;
  const repeat = {
    ...(pattern === undefined ? {} : { pattern }),
    ...(tz === undefined ? {} : { tz }),
    ...numbersOf({ every, limit, endDate, offset, count: fields["ic"] }),
  };
  return { ...storedObject(opts), repeat } as JobsOptions;
}

function numbersOf(texts: Readonly<Record<string, string | undefined>>): Record<string, number> {
  const given = Object.entries(texts).filter(([, text]) => text !== undefined);
  return Object.fromEntries(given.map(([name, text]) => [name, Number(text)]));
}

/** The option of a template with the error of {@link damagedFields}. */
export const DAMAGE = "newelDamage";
