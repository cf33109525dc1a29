import type { ScheduleConfig } from "./policy-types.ts";
import { type Finding, type Key, quoted } from "./problems.ts";
import type { ResolvedSchedule } from "./resolved-schedule.ts";
import type { ResolvedService } from "./resolved.ts";
import type { CheckedService } from "./schema.ts";

// The settings `schedule` and `restart.cron`.

/**
 * The reason why a text is no cron expression. The check needs a library, which is loaded only for
 * configurations with a cron expression.
 */
export type CronCheck = (cron: string) => string | undefined;

/** Whether a configuration has a cron expression. */
function hasCron(value: unknown): boolean {
  const { services, jobs }: { services?: unknown; jobs?: unknown } = Object(value);
  return [...Object.values(Object(services)), jobs].some((service: unknown) => {
    const { schedule, restart }: { schedule?: unknown; restart?: unknown } = Object(service);
    return schedule !== undefined || Object.hasOwn(Object(restart), "cron");
  });
}

/** Loads the check of cron expressions if the configuration has a cron expression. */
export async function cronCheckFor(value: unknown): Promise<CronCheck | undefined> {
  return hasCron(value) ? (await import("../cron.ts")).cronProblem : undefined;
}

/** Expressions and time zones that do not exist, and settings that contradict a schedule. */
export function scheduleFindings(
  service: CheckedService,
  at: (...keys: Key[]) => Key[],
  check: CronCheck | undefined,
): Finding[] {
  const { schedule, restart } = service;
  const isText = typeof schedule === "string";
  const own = scheduleOf(schedule);
  const policies = typeof restart === "object" ? restart : undefined;
  return [
    ...cronFindings(own?.cron, isText ? at("schedule") : at("schedule", "cron"), check),
    ...zoneFindings(own?.tz, at("schedule", "tz")),
    ...cronFindings(policies?.cron, at("restart", "cron"), check),
    ...zoneFindings(policies?.tz, at("restart", "tz")),
    ...(schedule === undefined ? [] : contradictions(service, at)),
  ];
}

function contradictions(service: CheckedService, at: (...keys: Key[]) => Key[]): Finding[] {
  const { schedule, restart } = service;
  const findings: Finding[] = [];
  if (typeof schedule === "object" && schedule.cron === undefined)
    findings.push({ keys: at("schedule"), says: 'has no "cron": write schedule: "0 3 * * *".' });
  if (restart === "always") findings.push({ keys: at("restart"), says: ENDS });
  if (typeof restart === "object" && restart.policy === "always")
    findings.push({ keys: at("restart", "policy"), says: ENDS });
  if (typeof restart === "object" && restart.cron !== undefined)
    findings.push({
      keys: at("restart", "cron"),
      says: 'is for a service that runs always; this one has a "schedule": leave one of them out.',
    });
  for (const key of ["listen", "alive", "watch"] as const)
    if (service[key] !== undefined && service[key] !== false)
      findings.push({
        keys: at(key),
        says: 'is for a service that runs always; this one has a "schedule": leave it out.',
      });
  return findings;
}

const ENDS =
  'is "always", but a service with "schedule" ends and waits for its next time: use "on-failure" or "never".';

function cronFindings(
  cron: string | undefined,
  keys: readonly Key[],
  check: CronCheck | undefined,
): Finding[] {
  const problem = cron === undefined ? undefined : check?.(cron);
  if (cron === undefined || problem === undefined) return [];
  const why = problem.replace(/\.$/, "");
  const says = `is ${quoted(cron)}, which is no cron expression: ${why}. Write minute, hour, day, month and weekday, as in "0 3 * * *".`;
  return [{ keys, says }];
}

function zoneFindings(tz: string | undefined, keys: readonly Key[]): Finding[] {
  if (tz === undefined || isZone(tz)) return [];
  return [{ keys, says: `is ${quoted(tz)}; must be a time zone: "Europe/Berlin" or "UTC".` }];
}

function isZone(tz: string): boolean {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: tz }).resolvedOptions().timeZone !== "";
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

function scheduleOf(schedule: CheckedService["schedule"]): Partial<ScheduleConfig> | undefined {
  return typeof schedule === "string" ? { cron: schedule } : schedule;
}

/** The times at which a service runs. */
export function resolveSchedule(given: CheckedService["schedule"]): ResolvedSchedule | undefined {
  const { cron, tz, missed = "run" } = scheduleOf(given) ?? {};
  if (cron === undefined) return undefined;
  return { cron, ...(tz === undefined ? {} : { tz }), missed };
}

/** The times at which a service is reloaded. */
export function resolveRestartCron(
  restart: CheckedService["restart"],
): Pick<ResolvedService["restart"], "cron"> {
  const { cron, tz } = typeof restart === "object" ? restart : {};
  return cron === undefined ? {} : { cron: { cron, ...(tz === undefined ? {} : { tz }) } };
}
