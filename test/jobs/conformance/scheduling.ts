import assert from "node:assert/strict";

import { type Behaviour, wait } from "./world.ts";

const DAY = 86_400_000;

export const SCHEDULING: readonly Behaviour[] = [
  [
    "every: the first job at once, the next one each interval later",
    async (world) => {
      const queue = world.queue();
      await queue.upsertJobScheduler("s", { every: 250 }, { name: "tick", data: { a: 1 } });
      const began: number[] = [];
      const times = await world.process(3, (job) => {
        began.push(Date.now());
        assert.deepEqual(job.data, { a: 1 });
        assert.equal(job.name, "tick");
        return Number(job.id?.split(":")[2]);
      });
      // The second time is at a whole interval, which may be soon.
      const apart = (times[2] ?? 0) - (times[1] ?? 0);
      assert.ok(apart > 0 && apart % 250 === 0, String(times));
      assert.ok((times[1] ?? 0) - (began[0] ?? 0) <= 250, String([began, times]));
    },
  ],
  [
    "pattern: the next job at the next time of the cron expression",
    async (world) => {
      const queue = world.queue();
      const job = await queue.upsertJobScheduler("s", {
        pattern: "0 0 3 * * *",
        tz: "Europe/Vienna",
      });
      assert.equal(await job?.getState(), "delayed");
      const scheduler = await queue.getJobScheduler("s");
      assert.equal(scheduler?.pattern, "0 0 3 * * *");
      assert.equal(scheduler?.tz, "Europe/Vienna");
      const next = scheduler?.next ?? 0;
      assert.ok(next > Date.now() && next <= Date.now() + 26 * 3_600_000);
      assert.equal(next % 1_000, 0);
    },
  ],
  [
    "the id of a scheduler's job names it and its time",
    async (world) => {
      const queue = world.queue();
      const job = await queue.upsertJobScheduler("s", { pattern: "0 0 3 * * *" });
      const next = (await queue.getJobScheduler("s"))?.next;
      assert.equal(job?.id, `repeat:s:${next}`);
      assert.equal((await queue.getJob(job?.id ?? ""))?.repeatJobKey, "s");
    },
  ],
  [
    "a changed scheduler replaces its next job",
    async (world) => {
      const queue = world.queue();
      await queue.upsertJobScheduler("s", { pattern: "0 0 3 * * *" }, { data: 1 });
      await queue.upsertJobScheduler("s", { pattern: "0 0 4 * * *" }, { data: 2 });
      const delayed = await queue.getDelayed();
      assert.deepEqual(
        delayed.map(({ data }) => data),
        [2],
      );
      assert.equal(await queue.getJobSchedulersCount(), 1);
    },
  ],
  [
    "an upsert of the same scheduler changes only its template",
    async (world) => {
      const queue = world.queue();
      await queue.upsertJobScheduler("s", { every: DAY, offset: 1_000 }, { data: 1 });
      const before = (await queue.getJobScheduler("s"))?.next;
      await queue.upsertJobScheduler("s", { every: DAY, offset: 1_000 }, { data: 2 });
      assert.equal((await queue.getJobScheduler("s"))?.next, before);
      assert.deepEqual(
        (await queue.getDelayed()).map(({ data }) => data),
        [2],
      );
    },
  ],
  [
    "a scheduler knows its template",
    async (world) => {
      const queue = world.queue();
      const template = { name: "x", data: { a: 1 }, opts: { attempts: 3, removeOnComplete: true } };
      await queue.upsertJobScheduler("s", { every: DAY }, template);
      const scheduler = await queue.getJobScheduler("s");
      assert.equal(scheduler?.name, "x");
      assert.equal(scheduler?.every, DAY);
      assert.deepEqual(scheduler?.template?.data, { a: 1 });
      assert.equal(scheduler?.template?.opts?.attempts, 3);
    },
  ],
  [
    "a missing scheduler is undefined",
    async (world) => {
      assert.equal(await world.queue().getJobScheduler("none"), undefined);
    },
  ],
  [
    "schedulers are listed by their next time",
    async (world) => {
      const queue = world.queue();
      const now = Date.now();
      for (const [id, days] of [
        ["b", 2],
        ["c", 3],
        ["a", 1],
      ] as const)
        await queue.upsertJobScheduler(id, { every: DAY, startDate: now + days * DAY });
      const keys = (await queue.getJobSchedulers(0, -1, true)).map(({ key }) => key);
      assert.deepEqual(keys, ["a", "b", "c"]);
      const down = (await queue.getJobSchedulers(0, 1, false)).map(({ key }) => key);
      assert.deepEqual(down, ["c", "b"]);
      assert.equal(await queue.getJobSchedulersCount(), 3);
    },
  ],
  [
    "removing a scheduler removes its next job",
    async (world) => {
      const queue = world.queue();
      await queue.upsertJobScheduler("s", { pattern: "0 0 3 * * *" });
      assert.equal(await queue.removeJobScheduler("s"), true);
      assert.equal(await queue.getDelayedCount(), 0);
      assert.equal(await queue.removeJobScheduler("s"), false);
    },
  ],
  [
    "limit: the series ends after the given number of jobs",
    async (world) => {
      const queue = world.queue();
      await queue.upsertJobScheduler("s", { every: 60, limit: 2 });
      let runs = 0;
      world.worker(async () => void (runs += 1));
      await world.until(() => runs === 2, "two runs");
      await wait(250);
      assert.equal(runs, 2);
    },
  ],
  [
    "endDate: no job after it",
    async (world) => {
      const queue = world.queue();
      await queue.upsertJobScheduler("s", { every: 100, endDate: Date.now() + 350 });
      let runs = 0;
      world.worker(async () => void (runs += 1));
      await wait(900);
      assert.ok(runs >= 1 && runs <= 5, `${runs} runs`);
      const before = runs;
      await wait(250);
      assert.equal(runs, before);
    },
  ],
  [
    "an end in the past is refused",
    async (world) => {
      const queue = world.queue();
      await assert.rejects(
        queue.upsertJobScheduler("s", { every: 100, endDate: Date.now() - 5 }),
        /End date must be greater/,
      );
    },
  ],
  [
    "startDate: no job before it",
    async (world) => {
      const queue = world.queue();
      const startDate = Date.now() + 300;
      await queue.upsertJobScheduler("s", { every: 100, startDate });
      const [at] = await world.process(1, () => Date.now());
      assert.ok((at ?? 0) >= startDate - 2);
    },
  ],
  [
    "immediately: the first one now, then by the pattern",
    async (world) => {
      const queue = world.queue();
      await queue.upsertJobScheduler("s", { pattern: "0 0 3 * * *", immediately: true });
      await world.process(1, () => 1);
      const next = (await queue.getJobScheduler("s"))?.next ?? 0;
      assert.ok(next > Date.now());
      assert.equal(await queue.getDelayedCount(), 1);
    },
  ],
  [
    "iterations are counted",
    async (world) => {
      const queue = world.queue();
      await queue.upsertJobScheduler("s", { every: 60 });
      await world.process(3, () => 1);
      const { iterationCount = 0 } = (await queue.getJobScheduler("s")) ?? {};
      assert.ok(iterationCount >= 3, String(iterationCount));
    },
  ],
  [
    "the job of a scheduler's next time cannot be removed",
    async (world) => {
      const queue = world.queue();
      const job = await queue.upsertJobScheduler("s", { pattern: "0 0 3 * * *" });
      await assert.rejects(job?.remove() ?? wait(0), { code: -8 });
    },
  ],
  [
    "drain and clean leave a scheduler's next job",
    async (world) => {
      const queue = world.queue();
      await queue.upsertJobScheduler("s", { pattern: "0 0 3 * * *" });
      await queue.add("n", {}, { delay: 60_000 });
      await queue.drain(true);
      assert.equal(await queue.getDelayedCount(), 1);
      await queue.clean(0, 10, "delayed");
      assert.equal(await queue.getDelayedCount(), 1);
    },
  ],
  [
    "a job of a scheduler takes its options from the template",
    async (world) => {
      const queue = world.queue();
      const job = await queue.upsertJobScheduler(
        "s",
        { pattern: "0 0 3 * * *" },
        { opts: { priority: 7, attempts: 4 } },
      );
      const stored = await queue.getJob(job?.id ?? "");
      assert.equal(stored?.priority, 7);
      assert.equal(stored?.opts.attempts, 4);
    },
  ],
  [
    "both every and pattern, or neither, is refused",
    async (world) => {
      const queue = world.queue();
      await assert.rejects(
        queue.upsertJobScheduler("s", { every: 5, pattern: "* * * * *" }),
        /Both/,
      );
      await assert.rejects(queue.upsertJobScheduler("s", {}), /Either/);
    },
  ],
  [
    "a job that was promoted ahead of its time, and a second upsert: the series continues",
    async (world) => {
      const queue = world.queue();
      const upsert = (): Promise<unknown> =>
        queue.upsertJobScheduler("s", { pattern: "0 0 1 1 *" }, { name: "n", data: {} });
      await upsert();
      world.worker(async () => 1);
      const [next] = await queue.getDelayed();
      await next?.promote();
      await world.state(queue, next?.id, "completed");
      assert.equal(await queue.getDelayedCount(), 1);
      for (let times = 0; times < 3; times += 1) {
        await upsert();
        assert.equal(await queue.getDelayedCount(), 1);
        const { next: due } = (await queue.getJobScheduler("s")) ?? {};
        assert.equal((await queue.getDelayed())[0]?.id, `repeat:s:${due}`);
      }
    },
  ],
  [
    "an upsert while a scheduler's job waits for a retry leaves one next job, and both run",
    async (world) => {
      const queue = world.queue();
      const upsert = (): Promise<unknown> =>
        queue.upsertJobScheduler("s", { pattern: "0 0 1 1 *" }, { name: "n", data: {} });
      await upsert();
      const [first] = await queue.getDelayed();
      await first?.promote();
      const worker = world.worker(undefined, { autorun: false });
      const job = await worker.getNextJob("token", { block: false });
      await job?.moveToWait("token");
      await upsert();
      assert.equal(await queue.getDelayedCount(), 1);
      assert.deepEqual(await world.process(1, ({ id }) => id), [first?.id]);
    },
  ],
  [
    "upsert inside the handler of a scheduler's job: one next job",
    async (world) => {
      const queue = world.queue();
      let runs = 0;
      const upsert = (): Promise<unknown> => queue.upsertJobScheduler("s", { every: 200 });
      await upsert();
      world.worker(async () => {
        await upsert();
        runs += 1;
      });
      await world.until(() => runs >= 3, "three runs");
      const counts = await queue.getJobCounts("delayed", "waiting", "active");
      assert.ok(Object.values(counts).reduce((sum, count) => sum + count) <= 2);
    },
  ],
  [
    "a scheduler created again skips the time of an ended job of the former one",
    async (world) => {
      const queue = world.queue();
      const upsert = (): Promise<unknown> =>
        queue.upsertJobScheduler("s", { every: DAY, offset: DAY - 1 });
      await upsert();
      world.worker(async () => 1);
      const [next] = await queue.getDelayed();
      await next?.promote();
      await world.state(queue, next?.id, "completed");
      await queue.removeJobScheduler("s");
      await upsert();
      const [again, ...more] = await queue.getDelayed();
      assert.equal(more.length, 0);
      assert.equal(Number(again?.id?.split(":")[2]), Number(next?.id?.split(":")[2]) + DAY);
    },
  ],
  [
    "a pattern whose only time has an ended job of a removed scheduler is refused, and changes nothing",
    async (world) => {
      const queue = world.queue();
      const upsert = (): Promise<unknown> =>
        queue.upsertJobScheduler("s", { pattern: "0 0 1 1 *" });
      await upsert();
      world.worker(async () => 1);
      const [next] = await queue.getDelayed();
      await next?.promote();
      await world.state(queue, next?.id, "completed");
      await queue.removeJobScheduler("s");
      await assert.rejects(upsert(), { code: -10 });
      assert.equal(await queue.getJobSchedulersCount(), 0);
      assert.equal(await next?.getState(), "completed");
    },
  ],
  [
    "every of a fraction of a millisecond",
    async (world) => {
      const queue = world.queue();
      await queue.upsertJobScheduler("s", { every: 1_000 / 13 });
      assert.equal((await world.process(2, () => 1)).length >= 2, true);
    },
  ],
  [
    "a failing job of a scheduler does not stop it",
    async (world) => {
      const queue = world.queue();
      await queue.upsertJobScheduler("s", { every: 80 });
      let runs = 0;
      world.worker(async () => {
        runs += 1;
        throw new Error("no");
      });
      await world.until(() => runs >= 3, "three runs");
    },
  ],
];
