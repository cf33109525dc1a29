import { formatDuration } from "../../base/units.ts";

/** Text of services, made harmless and readable. */

/** Control characters but tabs and line breaks, marks of direction, and characters that take no room. */
const HIDDEN = /(?![\t\n])[\p{Cc}\u061C\u200B\u200E\u200F\u2028-\u202E\u2060-\u2069\uFEFF]/gu;

/**
 * Foreign text with its hidden characters shown as `⟨U+202E⟩`: none of them can reorder or hide other text of the page.
 * HTML needs no treatment, because text never becomes markup here.
 */
export function inert(text: string): string {
  return text.replaceAll(
    HIDDEN,
    (found) => `⟨U+${found.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`,
  );
}

/** A message of the server, every text in it inert. */
export function parseMessage(json: string): unknown {
  return JSON.parse(json, (_, value: unknown) =>
    typeof value === "string" ? inert(value) : value,
  );
}

/** The time since a moment in whole seconds, as `newel ps` prints it: `3d4h`, `9m`, `12s`. */
export function ago(sinceMs: number, nowMs: number): string {
  const seconds = Math.max(0, Math.floor((nowMs - sinceMs) / 1_000));
  return seconds === 0 ? "0s" : formatDuration(seconds * 1_000);
}

/** `14:03:22`, and the date before it when it is another day. */
export function clock(timeMs: number, nowMs: number): string {
  const date = new Date(timeMs);
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()]
    .map((part) => String(part).padStart(2, "0"))
    .join(":");
  const isToday = date.toDateString() === new Date(nowMs).toDateString();
  return isToday ? time : `${isoDay(date)} ${time}`;
}

function isoDay(date: Date): string {
  const parts = [date.getFullYear(), date.getMonth() + 1, date.getDate()];
  return parts.map((part) => String(part).padStart(2, "0")).join("-");
}

/** `exit code 1`, `signal 9`, as `newel show` prints it. */
export function exitText(exitCode: number | null): string {
  if (exitCode === null) return "unknown exit code";
  return exitCode < 0 ? `signal ${-exitCode}` : `exit code ${exitCode}`;
}
