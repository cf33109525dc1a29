import assert from "node:assert/strict";

import { byText, type Behaviour, wait } from "./world.ts";

export const LISTING: readonly Behaviour[] = [
  [
    "jobs are counted by state",
    async (world) => {
      const queue = world.queue();
      await queue.addBulk([1, 2].map((i) => ({ name: "n", data: i })));
      await queue.add("n", {}, { delay: 60_000 });
      await queue.add("n", {}, { priority: 1 });
      const counts = await queue.getJobCounts();
      assert.equal(counts["waiting"], 2);
      assert.equal(counts["delayed"], 1);
      assert.equal(counts["prioritized"], 1);
      assert.equal(counts["active"], 0);
      assert.equal(counts["completed"], 0);
      assert.equal(counts["waiting-children"], 0);
      assert.deepEqual(await queue.getJobCounts("delayed", "failed"), { delayed: 1, failed: 0 });
      assert.equal(await queue.getJobCountByTypes("waiting", "delayed"), 3);
      assert.equal(await queue.count(), 4);
    },
  ],
  [
    "waiting jobs are listed in the order they will be taken",
    async (world) => {
      const queue = world.queue();
      await queue.addBulk([1, 2, 3, 4].map((i) => ({ name: "n", data: i })));
      const data = (jobs: { data: number }[]): number[] => jobs.map((job) => job.data);
      assert.deepEqual(data(await queue.getWaiting()), [1, 2, 3, 4]);
      assert.deepEqual(data(await queue.getWaiting(1, 2)), [2, 3]);
      assert.deepEqual(data(await queue.getJobs(["waiting"], 0, -1, false)), [4, 3, 2, 1]);
      assert.deepEqual(data(await queue.getJobs(["waiting"], 0, 1, false)), [4, 3]);
    },
  ],
  [
    "completed jobs are listed newest first, in parts",
    async (world) => {
      const queue = world.queue();
      for (let i = 0; i < 4; i += 1) {
        await queue.add("n", i);
        await world.process(1, () => 1);
        await wait(3);
      }
      const data = (jobs: { data: number }[]): number[] => jobs.map((job) => job.data);
      assert.deepEqual(data(await queue.getCompleted()), [3, 2, 1, 0]);
      assert.deepEqual(data(await queue.getCompleted(1, 2)), [2, 1]);
      assert.deepEqual(data(await queue.getJobs(["completed"], 0, 1, true)), [0, 1]);
    },
  ],
  [
    "delayed jobs are listed in the order of their times",
    async (world) => {
      const queue = world.queue();
      for (const delay of [30_000, 10_000, 20_000]) await queue.add("n", delay, { delay });
      assert.deepEqual(
        (await queue.getDelayed()).map(({ data }) => data),
        [10_000, 20_000, 30_000],
      );
    },
  ],
  [
    "active jobs are listed",
    async (world) => {
      const queue = world.queue();
      await queue.addBulk([1, 2].map((i) => ({ name: "n", data: i })));
      const worker = world.worker(undefined);
      await worker.getNextJob("a");
      await worker.getNextJob("b");
      const active = await queue.getActive();
      assert.deepEqual(active.map(({ data }) => data).toSorted(byText), [1, 2]);
      assert.equal(await active[0]?.isActive(), true);
    },
  ],
  [
    "jobs of several states in one list",
    async (world) => {
      const queue = world.queue();
      await queue.add("n", "waits");
      await queue.add("n", "later", { delay: 60_000 });
      const jobs = await queue.getJobs(["waiting", "delayed"]);
      assert.deepEqual(jobs.map(({ data }) => data).toSorted(byText), ["later", "waits"]);
    },
  ],
];
