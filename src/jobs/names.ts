import { randomUUID } from "node:crypto";

import { newelError } from "../base/errors.ts";
import { closest } from "../base/names.ts";

/** The longest name of a queue, a definition or a schedule, in characters. */
const NAME_LIMIT = 100;
/** The prefix of the names of newel's internal queues. */
const OWN = "newel-";

/** Why a string cannot name a queue, a definition or a schedule; `undefined` when it can. */
export function jobNameProblem(name: unknown): string | undefined {
  if (typeof name !== "string" || !/^[A-Za-z0-9_.-]+$/.test(name))
    return 'letters, digits, "_", "." and "-"';
  if (name.length > NAME_LIMIT) return `at most ${NAME_LIMIT} characters`;
  return name.startsWith(OWN) ? `a name that does not begin with "${OWN}"` : undefined;
}

/** Whether a queue is one of newel's internal queues. */
export function isOwnQueue(queue: string): boolean {
  return queue.startsWith(OWN);
}

const TIME_DIGITS = 12;

/**
 * Creates an id for a job. It is unguessable, because a page may show a run to anyone with its id. It begins with the
 * time, so that jobs which
 * are added together are neighbours in the store's index too, as with a UUID of version 7.
 */
export function newJobId(): string {
  const time = Date.now().toString(16).padStart(TIME_DIGITS, "0");
  return time + randomUUID().replaceAll("-", "").slice(TIME_DIGITS);
}

/** The id of a run: queue and BullMQ's id in one. */
export function formatRunId(queue: string, job: string): string {
  return `${queue}~${job}`;
}

/** Parses a run's id, which may come from users; `undefined` when it is invalid. */
export function parseRunId(id: unknown): { queue: string; job: string } | undefined {
  if (typeof id !== "string") return undefined;
  const at = id.indexOf("~");
  const queue = id.slice(0, Math.max(0, at));
  const job = id.slice(at + 1);
  if (jobNameProblem(queue) !== undefined || job === "" || job.length > 300) return undefined;
  return { queue, job };
}

/**
 * Checks the name of a queue that a caller passed.
 *
 * @throws NEWEL_E_JOB_OPTION
 */
export function checkQueue(queue: unknown, of: string): string {
  const problem = jobNameProblem(queue);
  if (problem === undefined && typeof queue === "string") return queue;
  throw optionError(of, "queue", queue, problem ?? "a name");
}

/**
 * Rejects unknown options, because a misspelt option would have no effect: a misspelt `by` would show the runs of all
 * owners.
 *
 * @throws NEWEL_E_JOB_OPTION
 */
export function checkNames(of: string, options: unknown, known: readonly string[]): void {
  if (options === undefined) return;
  if (typeof options !== "object" || options === null || Array.isArray(options))
    throw optionError(of, "options", options, "an object: {} when there are none");
  for (const [option, value] of Object.entries(options)) {
    if (known.includes(option)) continue;
    const near = closest(option, known);
    const write = near === undefined ? `one of ${known.join(", ")}` : `"${near}"`;
    throw optionError(of, option, value, `${write} as its name`);
  }
}

/** Creates NEWEL_E_JOB_OPTION with the option, its owner, its value, and a valid value. */
export function optionError(of: string, option: string, value: unknown, write: string): Error {
  return newelError("NEWEL_E_JOB_OPTION", { of, option, value: shown(value), write });
}

/** Formats a value for an error, shortened. */
function shown(value: unknown): string {
  if (typeof value === "function") return "a function";
  if (value instanceof Date) return String(value);
  if (typeof value === "bigint" || typeof value === "symbol") return String(value);
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch {
    text = Object.prototype.toString.call(value);
  }
  const whole = text ?? String(value);
  return whole.length > 80 ? `${whole.slice(0, 79)}…` : whole;
}
