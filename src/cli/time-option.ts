import { tryDurationMs } from "../base/units.ts";
import { usageError } from "./arguments.ts";

/**
 * `--since 2h`, `--until 2026-01-31`: a time before now, or a date, in milliseconds since the epoch.
 *
 * @param option - with its dashes, for the message
 * @throws NEWEL_E_USAGE
 */
export function readTime(text: string, option: string): number {
  const ms = tryDurationMs(text);
  const date = ms === undefined ? Date.parse(text) : Date.now() - ms;
  if (Number.isFinite(date)) return date;
  throw usageError(`${option} ${text} is neither a duration ("2h") nor a date ("2026-01-31").`);
}
