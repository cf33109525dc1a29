import assert from "node:assert/strict";

import { type Behaviour, wait } from "./world.ts";

export const KEEPING: readonly Behaviour[] = [
  [
    "progress is stored and emitted, as a number or an object",
    async (world) => {
      const queue = world.queue();
      const events = await world.events();
      const told: unknown[] = [];
      events.on("progress", ({ data }) => told.push(data));
      const { id } = await queue.add("n", {});
      await world.process(1, async (job) => {
        await job.updateProgress(42);
        await job.updateProgress({ half: true });
      });
      assert.deepEqual((await queue.getJob(id ?? ""))?.progress, { half: true });
      await world.until(() => told.length === 2, "two events");
      assert.deepEqual(told, [42, { half: true }]);
    },
  ],
  [
    "progress can be set from the queue",
    async (world) => {
      const queue = world.queue();
      const { id } = await queue.add("n", {});
      await queue.updateJobProgress(id ?? "", 7);
      assert.equal((await queue.getJob(id ?? ""))?.progress, 7);
      await assert.rejects(queue.updateJobProgress("none", 7), { code: -1 });
    },
  ],
  [
    "log lines are read in pages, forwards and backwards",
    async (world) => {
      const queue = world.queue();
      const job = await queue.add("n", {});
      for (const line of ["a", "b", "c", "d"]) await job.log(line);
      const id = job.id ?? "";
      assert.deepEqual(await queue.getJobLogs(id), { logs: ["a", "b", "c", "d"], count: 4 });
      assert.deepEqual((await queue.getJobLogs(id, 1, 2)).logs, ["b", "c"]);
      assert.deepEqual((await queue.getJobLogs(id, 0, 1, false)).logs, ["d", "c"]);
      assert.equal(await queue.addJobLog(id, "e"), 5);
    },
  ],
  [
    "keepLogs keeps the last lines",
    async (world) => {
      const queue = world.queue();
      const job = await queue.add("n", {}, { keepLogs: 2 });
      for (const line of ["a", "b", "c"]) await job.log(line);
      assert.deepEqual(await queue.getJobLogs(job.id ?? ""), { logs: ["b", "c"], count: 2 });
    },
  ],
  [
    "log lines can be cleared, all or but the last",
    async (world) => {
      const queue = world.queue();
      const job = await queue.add("n", {});
      for (const line of ["a", "b", "c"]) await job.log(line);
      await job.clearLogs(1);
      assert.deepEqual((await queue.getJobLogs(job.id ?? "")).logs, ["c"]);
      await job.clearLogs();
      assert.equal((await queue.getJobLogs(job.id ?? "")).count, 0);
    },
  ],
  [
    "a log line for a missing job is an error",
    async (world) => {
      await assert.rejects(world.queue().addJobLog("none", "a"), { code: -1 });
    },
  ],
  [
    "data changed by the handler is stored",
    async (world) => {
      const queue = world.queue();
      const { id } = await queue.add("n", { step: 1 });
      await world.process(1, (job) => job.updateData({ step: 2 }));
      assert.deepEqual((await queue.getJob(id ?? ""))?.data, { step: 2 });
    },
  ],
  [
    "removeOnComplete: true keeps nothing",
    async (world) => {
      const queue = world.queue();
      const { id } = await queue.add("n", {}, { removeOnComplete: true });
      await world.process(1, () => 1);
      assert.equal(await queue.getJob(id ?? ""), undefined);
      assert.equal(await queue.getCompletedCount(), 0);
    },
  ],
  [
    "removeOnComplete: a number keeps the last ones",
    async (world) => {
      const queue = world.queue();
      for (let i = 0; i < 6; i += 1) {
        await queue.add("n", i, { removeOnComplete: 2 });
        await world.process(1, () => 1);
      }
      const kept = await queue.getCompleted();
      assert.deepEqual(
        kept.map(({ data }) => data),
        [5, 4],
      );
    },
  ],
  [
    "removeOnComplete: an age removes older ones",
    async (world) => {
      const queue = world.queue();
      await queue.add("n", "old");
      await world.process(1, () => 1);
      await wait(1_100);
      await queue.add("n", "new", { removeOnComplete: { age: 1 } });
      await world.process(1, () => 1);
      const kept = await queue.getCompleted();
      assert.deepEqual(
        kept.map(({ data }) => data),
        ["new"],
      );
    },
  ],
  [
    "removeOnFail: as for completed ones",
    async (world) => {
      const queue = world.queue();
      const ids = [];
      for (let i = 0; i < 3; i += 1) ids.push((await queue.add("n", i, { removeOnFail: 1 })).id);
      let failed = 0;
      const worker = world.worker(async () => {
        throw new Error("no");
      });
      worker.on("failed", () => (failed += 1));
      await world.until(() => failed === 3, "three failed");
      assert.equal(await queue.getFailedCount(), 1);
    },
  ],
  [
    "the worker's removeOnComplete and removeOnFail hold for jobs without their own",
    async (world) => {
      const queue = world.queue();
      await queue.add("n", 1);
      await queue.add("n", 2, { removeOnComplete: false });
      await world.process(2, () => 1, { removeOnComplete: { count: 0 } });
      assert.deepEqual(
        (await queue.getCompleted()).map(({ data }) => data),
        [2],
      );
    },
  ],
  ...(
    [
      ["a number and an age", { count: 2, age: 3_600 }, 2],
      ["a number", { count: 3 }, 3],
      ["an age of zero seconds", { age: 0 }, 0],
    ] as const
  ).flatMap(([form, option, kept]): Behaviour[] => [
    [
      `removeOnComplete of a worker, given as ${form}`,
      async (world) => {
        const queue = world.queue();
        await queue.addBulk(Array.from({ length: 5 }, () => ({ name: "n", data: 0 })));
        await world.process(5, () => 1, { removeOnComplete: option as never });
        await world.until(async () => (await queue.getCompletedCount()) === kept, `${kept} kept`);
      },
    ],
    [
      `removeOnFail of a worker, given as ${form}`,
      async (world) => {
        const queue = world.queue();
        await queue.addBulk(Array.from({ length: 5 }, () => ({ name: "n", data: 0 })));
        let failed = 0;
        const fail = async (): Promise<never> => {
          throw new Error("no");
        };
        const worker = world.worker(fail, { removeOnFail: option as never });
        worker.on("failed", () => (failed += 1));
        await world.until(() => failed === 5, "five failed");
        await world.until(async () => (await queue.getFailedCount()) === kept, `${kept} kept`);
      },
    ],
  ]),
  [
    "metrics count what a worker finished",
    async (world) => {
      const queue = world.queue();
      await queue.addBulk([1, 2, 3].map((i) => ({ name: "n", data: i })));
      await world.process(3, () => 1, { metrics: { maxDataPoints: 60 } });
      assert.equal((await queue.getMetrics("completed")).meta.count, 3);
      assert.equal((await queue.getMetrics("failed")).meta.count, 0);
    },
  ],
];
