import type { EnqueueOptions, EnqueueRequest, ScheduleRequest, ScheduleSpec } from "./api.ts";
import { CRON_FORM, cronProblem } from "../base/cron.ts";
import type { AnyDefinition } from "./definition.ts";
import { checkInput } from "./input.ts";
import { checkJson } from "./json.ts";
import { checkNames, jobNameProblem, optionError } from "./names.ts";
import { MOST_DELAY_MS, PRIORITY_LIMIT, toMs } from "./options.ts";
import { readBy } from "./scope.ts";

/** The longest key or group, in characters. */
const KEY_LIMIT = 500;

/**
 * Builds the request of a run for a store: the input is checked, and options that are not given are taken from the
 * definition.
 *
 * @throws NEWEL_E_JOB_INPUT, NEWEL_E_JOB_VALUE, NEWEL_E_JOB_PAYLOAD, NEWEL_E_JOB_OPTION, NEWEL_E_JOB_BY
 */
export async function enqueueRequest(
  definition: AnyDefinition,
  given: unknown,
  options: EnqueueOptions,
  limitBytes: number,
): Promise<EnqueueRequest> {
  const { name, options: defined } = definition;
  const of = `a run of ${name}`;
  checkNames(of, options, ["by", "key", "group", "delay", "priority"]);
  const by = readBy(options);
  const delayMs = readDelay(of, options.delay);
  const priority = readPriority(of, options.priority) ?? defined.priority;
  const json = checkJson(given, `The input of ${name}`, limitBytes);
  // The schema gets the input as the handler's process will see it: a Date that has become a string fails here.
  const input: unknown = JSON.parse(json);
  // That process checks again, so the schema's input is stored, not its output.
  const checked = await checkInput(definition.input, input, name);
  const key = readText(of, "key", options.key) ?? readText(of, "key", definition.keyOf(checked));
  const group =
    readText(of, "group", options.group) ?? readText(of, "group", definition.groupOf(checked));
  return {
    name,
    queue: defined.queue,
    input,
    delayMs,
    attempts: defined.attempts,
    backoff: defined.backoff,
    keep: defined.keep,
    ...(by === undefined ? {} : { by }),
    ...(key === undefined ? {} : { key }),
    ...(group === undefined ? {} : { group }),
    ...(priority === undefined ? {} : { priority }),
  };
}

/**
 * Builds the request of a schedule for a store.
 *
 * @throws NEWEL_E_JOB_OPTION
 */
export function scheduleRequest(
  id: string,
  spec: ScheduleSpec,
  run: EnqueueRequest,
): ScheduleRequest {
  const problem = jobNameProblem(id);
  if (problem !== undefined) throw optionError("a schedule", "id", id, problem);
  const of = `the schedule ${id}`;
  checkNames(of, spec ?? null, ["cron", "tz", "every"]);
  const { cron, tz, every } = spec;
  if ((cron === undefined) === (every === undefined))
    throw optionError(of, "cron", cron, 'either a cron such as "0 3 * * *", or every: "15m"');
  if (tz !== undefined && !isTimeZone(tz))
    throw optionError(of, "tz", tz, 'the name of a time zone, such as "Europe/Berlin"');
  const wrong = cron === undefined ? undefined : cronProblem(cron);
  if (wrong !== undefined) throw optionError(of, "cron", cron, `${CRON_FORM} (${wrong})`);
  if (cron !== undefined) return { id, cron, run, ...(tz === undefined ? {} : { tz }) };
  const everyMs = toMs(every);
  if (everyMs === undefined || everyMs < 1)
    throw optionError(of, "every", every, '"15m", "1h" or milliseconds, more than 0');
  return { id, everyMs, run };
}

function readDelay(of: string, delay: EnqueueOptions["delay"]): number {
  if (delay === undefined) return 0;
  const ms = delay instanceof Date ? Math.max(0, delay.getTime() - Date.now()) : toMs(delay);
  if (ms !== undefined && ms >= 0 && ms <= MOST_DELAY_MS) return Math.ceil(ms);
  throw optionError(of, "delay", delay, '"10m", milliseconds or a Date, within 100 years');
}

function readPriority(of: string, priority: unknown): number | undefined {
  if (priority === undefined) return undefined;
  const whole = typeof priority === "number" && Number.isInteger(priority);
  if (whole && priority >= 1 && priority <= PRIORITY_LIMIT) return priority;
  throw optionError(of, "priority", priority, `a whole number from 1 to ${PRIORITY_LIMIT}`);
}

function readText(of: string, option: string, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  const isText = typeof value === "string" && value.isWellFormed();
  if (isText && value !== "" && value.length <= KEY_LIMIT) return value;
  throw optionError(of, option, value, `a text of 1 to ${KEY_LIMIT} characters`);
}

function isTimeZone(tz: unknown): boolean {
  if (typeof tz !== "string" || tz === "") return false;
  try {
    return Intl.DateTimeFormat("en", { timeZone: tz }) instanceof Intl.DateTimeFormat;
  } catch {
    return false;
  }
}
