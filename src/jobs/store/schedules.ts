import { defaultRepeatStrategy, type JobSchedulerJson } from "bullmq";

import { messageOf } from "../../base/errors.ts";
import type { ScheduleRequest, ScheduleView } from "../api.ts";
import { CRON_FORM, cronProblem } from "../../base/cron.ts";
import { optionError } from "../names.ts";
import { DAMAGE } from "../sqlite/operations/scheduler-fields.ts";
import { fromStored, toJobsOptions, toStored } from "../stored.ts";
import { unreadableError } from "../unreadable.ts";
import type { Queues } from "./queues.ts";

/** The largest number of shown schedules of a queue. */
const MOST = 10_000;

/**
 * Creates a schedule, or replaces the one with the same id.
 *
 * @throws NEWEL_E_JOB_OPTION the cron cannot be read
 */
export async function schedule(queues: Queues, request: ScheduleRequest): Promise<ScheduleView> {
  const { id, cron, tz, everyMs, run } = request;
  const queue = queues.writer(run.queue);
  const template = { name: run.name, data: toStored(run), opts: toJobsOptions(run) };
  const zone = tz ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (cron !== undefined) checkCron(id, cron, zone);
  const repeat = cron === undefined ? { every: everyMs ?? 0 } : { pattern: cron, tz: zone };
  await queue.upsertJobScheduler(id, repeat, template);
  const made = await queue.getJobScheduler(id);
  return toView(run.queue, made ?? ({ key: id, name: run.name } as JobSchedulerJson));
}

export async function schedules(
  queues: Queues,
  names: readonly string[],
): Promise<readonly ScheduleView[]> {
  const lists = await Promise.all(
    names.map(async (name) => {
      const found = await queues.reader(name).getJobSchedulers(0, MOST, true);
      return found.map((each) => toView(name, each));
    }),
  );
  return lists.flat();
}

/** Parses with BullMQ's own parser, so that each accepted text runs. A remote caller's text is checked here first. */
function checkCron(id: string, cron: string, tz: string): void {
  const problem = cronProblem(cron) ?? parserProblem(cron, tz);
  if (problem !== undefined)
    throw optionError(`the schedule ${id}`, "cron", cron, `${CRON_FORM} (${problem})`);
}

function parserProblem(cron: string, tz: string): string | undefined {
  try {
    const next = defaultRepeatStrategy(Date.now(), { pattern: cron, tz });
    return next === undefined ? "it is never due" : undefined;
  } catch (error) {
    return messageOf(error);
  }
}

function toView(queue: string, scheduler: JobSchedulerJson): ScheduleView {
  const { key, name, pattern, tz, every, next, template } = scheduler;
  const { [DAMAGE]: damage } = (template?.opts ?? {}) as Readonly<Record<string, unknown>>;
  const error = unreadableError(damage);
  return {
    id: key,
    queue,
    name,
    input: fromStored(template?.data).input,
    ...(pattern === undefined ? {} : { cron: pattern }),
    ...(tz === undefined ? {} : { tz }),
    ...(every === undefined ? {} : { everyMs: every }),
    ...(next === undefined ? {} : { nextMs: next }),
    ...(error === undefined ? {} : { error }),
  };
}
