import type { RunError } from "./api.ts";

/** The code of a run that was cancelled. */
export const CANCELLED_CODE = "NEWEL_E_JOB_CANCELLED";

/** The longest message that is stored, in characters. */
const MESSAGE_LIMIT = 4_000;

/**
 * Formats an error for BullMQ's `failedReason` as one string: `NAME [CODE]: message`. Other
 * tools show it; {@link parseFailure} parses it.
 *
 * @param thrown - the value that a handler threw
 */
export function formatFailure(thrown: unknown): string {
  const { name, code, message } = toRunError(thrown);
  return `${name}${code === undefined ? "" : ` [${code}]`}: ${message}`;
}

/** Parses name, code and message of a stored failure; a failure that newel did not write is all message. */
export function parseFailure(reason: string): RunError {
  const match = /^(?<name>[\w$.]+)(?: \[(?<code>[^\s\]]+)\])?: (?<message>[\s\S]*)$/.exec(reason);
  const { name = "Error", code, message = reason } = match?.groups ?? {};
  return { name, message, ...(code === undefined ? {} : { code }) };
}

/** The name, code and message of any thrown value. */
export function toRunError(thrown: unknown): RunError {
  if (!(thrown instanceof Error)) return { name: "NonError", message: cut(textOf(thrown)) };
  const code: unknown = "code" in thrown ? thrown.code : undefined;
  const usable =
    (typeof code === "string" || typeof code === "number") && !/[\s\]]/.test(`${code}`);
  return {
    name: /^[\w$.]+$/.test(thrown.name) ? thrown.name : "Error",
    message: cut(thrown.message),
    ...(usable && code !== "" ? { code: String(code) } : {}),
  };
}

function textOf(thrown: unknown): string {
  if (typeof thrown === "string") return thrown;
  try {
    return JSON.stringify(thrown) ?? String(thrown);
  } catch {
    return Object.prototype.toString.call(thrown);
  }
}

function cut(message: string): string {
  return message.length > MESSAGE_LIMIT ? `${message.slice(0, MESSAGE_LIMIT - 1)}…` : message;
}
