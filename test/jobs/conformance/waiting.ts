import assert from "node:assert/strict";

import { type Behaviour, once, wait } from "./world.ts";

export const DELAYING: readonly Behaviour[] = [
  [
    "a job that is retried at once comes after due delayed jobs",
    async (world) => {
      const queue = world.queue();
      const order: string[] = [];
      const due = Promise.withResolvers<void>();
      const worker = world.worker(async (job) => {
        order.push(job.name);
        if (order.length > 1) return;
        await due.promise;
        throw new Error("once");
      });
      await queue.add("fails", {}, { attempts: 2, backoff: 0 });
      await world.until(() => order.length === 1, "the first began");
      const delayed = [
        await queue.add("due", {}, { delay: 1 }),
        await queue.add("due", {}, { delay: 2 }),
      ];
      const at = Math.max(...delayed.map(({ timestamp, delay }) => timestamp + delay));
      await world.until(() => Date.now() > at, "both are due");
      due.resolve();
      await world.until(() => order.length === 4, "all ran");
      assert.deepEqual(order, ["fails", "due", "due", "fails"]);
      await worker.close();
    },
  ],
  [
    "a delayed job waits for its time and shows it",
    async (world) => {
      const queue = world.queue();
      const events = await world.events();
      const told = once<{ jobId: string; delay: number }>(events, "delayed");
      const added = Date.now();
      const job = await queue.add("n", {}, { delay: 250 });
      assert.equal(await job.getState(), "delayed");
      assert.equal(await job.isDelayed(), true);
      const { delay } = await told;
      assert.ok(Math.abs(delay - added - 250) < 100, String(delay - added));
      const [at] = await world.process(1, () => Date.now());
      assert.ok((at ?? 0) >= added + 249);
    },
  ],
  [
    "delayed jobs come in the order of their times",
    async (world) => {
      const queue = world.queue();
      const timestamp = Date.now();
      await queue.add("n", "c", { delay: 900, timestamp });
      await queue.add("n", "a", { delay: 300, timestamp });
      await queue.add("n", "b", { delay: 600, timestamp });
      assert.deepEqual(await world.process(3, (job) => job.data), ["a", "b", "c"]);
    },
  ],
  [
    "delayed jobs of the same time come in the order they were added",
    async (world) => {
      const queue = world.queue();
      const timestamp = Date.now();
      const numbers = Array.from({ length: 15 }, (_, i) => i);
      for (const i of numbers) await queue.add("n", i, { delay: 400, timestamp });
      assert.deepEqual(await world.process(15, (job) => job.data), numbers);
    },
  ],
  [
    "an idle worker wakes for a delayed job",
    async (world) => {
      const queue = world.queue();
      const worker = world.worker(async () => 1, { drainDelay: 30 });
      await worker.waitUntilReady();
      await wait(200);
      const { id } = await queue.add("n", {}, { delay: 200 });
      const began = performance.now();
      await world.state(queue, id, "completed");
      assert.ok(performance.now() - began < 3_000);
    },
  ],
  [
    "a delayed job can be promoted",
    async (world) => {
      const queue = world.queue();
      const job = await queue.add("n", {}, { delay: 60_000 });
      await job.promote();
      assert.equal(await job.getState(), "waiting");
      assert.equal((await queue.getJob(job.id ?? ""))?.delay, 0);
      await world.process(1, () => 1);
    },
  ],
  [
    "only a delayed job can be promoted",
    async (world) => {
      const job = await world.queue().add("n", {});
      await assert.rejects(job.promote(), { code: -3 });
    },
  ],
  [
    "all delayed jobs can be promoted",
    async (world) => {
      const queue = world.queue();
      for (let i = 0; i < 5; i += 1) await queue.add("n", i, { delay: 60_000 + i });
      await queue.promoteJobs({ count: 2 });
      assert.equal(await queue.getDelayedCount(), 0);
      assert.equal(await queue.getWaitingCount(), 5);
    },
  ],
  [
    "a delay can be changed and counts from the change",
    async (world) => {
      const queue = world.queue();
      const job = await queue.add("n", {}, { delay: 60_000 });
      await job.changeDelay(30_000);
      assert.equal((await queue.getJob(job.id ?? ""))?.delay, 30_000);
      const changed = Date.now();
      await job.changeDelay(100);
      const [at] = await world.process(1, () => Date.now());
      assert.ok((at ?? 0) >= changed + 80);
    },
  ],
  [
    "only a delayed job's delay can be changed",
    async (world) => {
      const job = await world.queue().add("n", {});
      await assert.rejects(job.changeDelay(5), { code: -3 });
      await job.remove();
      await assert.rejects(job.changeDelay(5), { code: -1 });
    },
  ],
  [
    "delayed jobs before a time can be counted",
    async (world) => {
      const queue = world.queue();
      const timestamp = Date.now();
      for (const delay of [10_000, 20_000, 30_000]) await queue.add("n", {}, { delay, timestamp });
      assert.equal(await queue.getDelayedCount(timestamp + 20_000), 1);
      assert.equal(await queue.getDelayedCount(timestamp + 20_001), 2);
      assert.equal(await queue.getDelayedCount(), 3);
    },
  ],
  [
    "a delayed job keeps its priority when it becomes due",
    async (world) => {
      const queue = world.queue();
      await queue.add("n", "late", { priority: 5 });
      await queue.add("n", "early", { priority: 1, delay: 50 });
      await wait(120);
      assert.deepEqual(await world.process(2, (job) => job.data), ["early", "late"]);
    },
  ],
  [
    "a paused queue holds delayed jobs that are due",
    async (world) => {
      const queue = world.queue();
      await queue.pause();
      const { id } = await queue.add("n", {}, { delay: 30 });
      const worker = world.worker(async () => 1);
      await wait(250);
      assert.notEqual(await queue.getJobState(id ?? ""), "completed");
      await queue.resume();
      await world.state(queue, id, "completed");
      await worker.close();
    },
  ],
];

export const PRIORITIES: readonly Behaviour[] = [
  [
    "lower priority numbers first, and jobs of one number in order",
    async (world) => {
      const queue = world.queue();
      const given: [string, number][] = [
        ["c1", 9],
        ["a1", 1],
        ["b1", 5],
        ["a2", 1],
        ["c2", 9],
        ["b2", 5],
      ];
      for (const [data, priority] of given) await queue.add("n", data, { priority });
      assert.deepEqual(await world.process(6, (job) => job.data), [
        "a1",
        "a2",
        "b1",
        "b2",
        "c1",
        "c2",
      ]);
    },
  ],
  [
    "jobs without a priority come before those with one",
    async (world) => {
      const queue = world.queue();
      await queue.add("n", "with", { priority: 1 });
      await queue.add("n", "without");
      assert.deepEqual(await world.process(2, (job) => job.data), ["without", "with"]);
    },
  ],
  [
    "a job with a priority is prioritized",
    async (world) => {
      const queue = world.queue();
      const job = await queue.add("n", {}, { priority: 3 });
      assert.equal(await job.getState(), "prioritized");
      assert.equal(await queue.getPrioritizedCount(), 1);
      assert.equal(await queue.getWaitingCount(), 0);
      assert.equal((await queue.getPrioritized())[0]?.priority, 3);
    },
  ],
  [
    "the highest priority number",
    async (world) => {
      const queue = world.queue();
      await queue.add("n", "last", { priority: 2 ** 21 - 1 });
      await queue.add("n", "first", { priority: 2 });
      assert.deepEqual(await world.process(2, (job) => job.data), ["first", "last"]);
    },
  ],
  [
    "a priority can be changed",
    async (world) => {
      const queue = world.queue();
      await queue.add("n", "a", { priority: 2 });
      const b = await queue.add("n", "b", { priority: 9 });
      const c = await queue.add("n", "c");
      await b.changePriority({ priority: 1 });
      await c.changePriority({ priority: 8 });
      assert.equal((await queue.getJob(b.id ?? ""))?.priority, 1);
      assert.deepEqual(await world.process(3, (job) => job.data), ["b", "a", "c"]);
    },
  ],
  [
    "a priority can be removed",
    async (world) => {
      const queue = world.queue();
      const job = await queue.add("n", {}, { priority: 2 });
      await job.changePriority({ priority: 0 });
      assert.equal(await job.getState(), "waiting");
    },
  ],
  [
    "a job with a changed priority can go before others of that priority",
    async (world) => {
      const queue = world.queue();
      await queue.add("n", "a", { priority: 5 });
      const b = await queue.add("n", "b", { priority: 9 });
      await b.changePriority({ priority: 5, lifo: true });
      assert.deepEqual(await world.process(2, (job) => job.data), ["b", "a"]);
    },
  ],
  [
    "the priority of a missing job cannot be changed",
    async (world) => {
      const job = await world.queue().add("n", {});
      await job.remove();
      await assert.rejects(job.changePriority({ priority: 5 }), { code: -1 });
    },
  ],
  [
    "jobs are counted by priority",
    async (world) => {
      const queue = world.queue();
      for (const priority of [0, 0, 1, 7, 7, 7]) await queue.add("n", {}, { priority });
      assert.deepEqual(await queue.getCountsPerPriority([0, 1, 7, 8]), { 0: 2, 1: 1, 7: 3, 8: 0 });
    },
  ],
];
