import { randomUUID } from "node:crypto";

import { newelError } from "../base/errors.ts";

/** The longest name of a queue, a definition or a schedule, in characters. */
const NAME_LIMIT = 100;
/** Queues with names that begin so are newel's own. */
const OWN = "newel-";

/** Why a word cannot name a queue, a definition or a schedule; `undefined` when it can. */
export function jobNameProblem(name: unknown): string | undefined {
  if (typeof name !== "string" || !/^[A-Za-z0-9_.-]+$/.test(name))
    return 'letters, digits, "_", "." and "-"';
  if (name.length > NAME_LIMIT) return `at most ${NAME_LIMIT} characters`;
  return name.startsWith(OWN) ? `a name that does not begin with "${OWN}"` : undefined;
}

/** Whether a queue is one that newel keeps its own notes in. */
export function isOwnQueue(queue: string): boolean {
  return queue.startsWith(OWN);
}

const TIME_DIGITS = 12;

/**
 * An id for a job. Unguessable: whoever has it may be shown the run. It begins with the time, so that jobs which
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

/** The parts of a run's id; `undefined` for what is none, which comes from users. */
export function parseRunId(id: unknown): { queue: string; job: string } | undefined {
  if (typeof id !== "string") return undefined;
  const at = id.indexOf("~");
  const queue = id.slice(0, Math.max(0, at));
  const job = id.slice(at + 1);
  if (jobNameProblem(queue) !== undefined || job === "" || job.length > 300) return undefined;
  return { queue, job };
}

/**
 * Checks the name of a queue that somebody wrote.
 *
 * @throws NEWEL_E_JOB_OPTION
 */
export function checkQueue(queue: unknown, of: string): string {
  const problem = jobNameProblem(queue);
  if (problem === undefined && typeof queue === "string") return queue;
  throw optionError(of, "queue", queue, problem ?? "a name");
}

/** NEWEL_E_JOB_OPTION: which option, of what, its value, and what to write instead. */
export function optionError(of: string, option: string, value: unknown, write: string): Error {
  return newelError("NEWEL_E_JOB_OPTION", { of, option, value: shown(value), write });
}

/** A value in an error, short. */
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
