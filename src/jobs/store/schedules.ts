import { defaultRepeatStrategy, type JobSchedulerJson } from "bullmq";

import type { ScheduleRequest, ScheduleView } from "../api.ts";
import { optionError } from "../names.ts";
import { fromStored, toJobsOptions, toStored } from "../stored.ts";
import type { Queues } from "./queues.ts";

/** Schedules of a queue that are shown. */
const MOST = 10_000;

/**
 * Makes a schedule, or replaces the one of that id.
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

/** BullMQ's own reading, so what it takes is what runs. */
function checkCron(id: string, cron: string, tz: string): void {
  const write = 'five fields, such as "0 3 * * *"';
  if (cron.trim() === "") throw optionError(`the schedule ${id}`, "cron", cron, write);
  try {
    defaultRepeatStrategy(Date.now(), { pattern: cron, tz });
  } catch {
    throw optionError(`the schedule ${id}`, "cron", cron, write);
  }
}

function toView(queue: string, scheduler: JobSchedulerJson): ScheduleView {
  const { key, name, pattern, tz, every, next, template } = scheduler;
  return {
    id: key,
    queue,
    name,
    input: fromStored(template?.data).input,
    ...(pattern === undefined ? {} : { cron: pattern }),
    ...(tz === undefined ? {} : { tz }),
    ...(every === undefined ? {} : { everyMs: every }),
    ...(next === undefined ? {} : { nextMs: next }),
  };
}
