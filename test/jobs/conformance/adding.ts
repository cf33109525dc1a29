import assert from "node:assert/strict";

import { type Behaviour, once } from "./world.ts";

export const ADDING: readonly Behaviour[] = [
  [
    "ids count up from 1",
    async (world) => {
      const queue = world.queue();
      const ids = [];
      for (let i = 0; i < 3; i += 1) ids.push((await queue.add("n", {})).id);
      assert.deepEqual(ids, ["1", "2", "3"]);
    },
  ],
  [
    "each queue counts its own ids",
    async (world) => {
      await world.queue().add("n", {});
      assert.equal((await world.queue({}, world.other()).add("n", {})).id, "1");
    },
  ],
  [
    "name and data come back as they were given",
    async (world) => {
      const data = {
        deep: { list: [1, "zwei", null, true] },
        text: "für 你 🎉 \"'\\",
        number: 1.5,
      };
      const queue = world.queue();
      const { id } = await queue.add("a name", data);
      const job = await queue.getJob(id ?? "");
      assert.deepEqual(job?.data, data);
      assert.equal(job?.name, "a name");
    },
  ],
  [
    "no data is an empty object",
    async (world) => {
      const queue = world.queue();
      const { id } = await queue.add("n", undefined);
      assert.deepEqual((await queue.getJob(id ?? ""))?.data, {});
    },
  ],
  [
    "data that is not an object",
    async (world) => {
      const queue = world.queue();
      for (const data of [5, "text", false, [1, 2], null]) {
        const { id } = await queue.add("n", data);
        assert.deepEqual((await queue.getJob(id ?? ""))?.data, data);
      }
    },
  ],
  [
    "a megabyte of data",
    async (world) => {
      const queue = world.queue();
      const data = { text: "x".repeat(1_000_000) };
      const { id } = await queue.add("n", data);
      assert.deepEqual((await queue.getJob(id ?? ""))?.data, data);
      const [length] = await world.process(1, (job) => job.data.text.length);
      assert.equal(length, 1_000_000);
    },
  ],
  [
    "a missing job is undefined",
    async (world) => {
      assert.equal(await world.queue().getJob("none"), undefined);
      assert.equal(await world.queue().getJobState("none"), "unknown");
    },
  ],
  [
    "a custom job id",
    async (world) => {
      const queue = world.queue();
      const job = await queue.add("n", { a: 1 }, { jobId: "my-id" });
      assert.equal(job.id, "my-id");
      assert.deepEqual((await queue.getJob("my-id"))?.data, { a: 1 });
    },
  ],
  [
    "the same id twice is one job, with the first data",
    async (world) => {
      const queue = world.queue();
      await queue.add("n", { first: true }, { jobId: "same" });
      const again = await queue.add("n", { first: false }, { jobId: "same" });
      assert.equal(again.id, "same");
      assert.deepEqual((await queue.getJob("same"))?.data, { first: true });
      assert.equal(await queue.getWaitingCount(), 1);
    },
  ],
  [
    "a duplicate id emits an event",
    async (world) => {
      const queue = world.queue();
      const events = await world.events();
      const told = once(events, "duplicated");
      await queue.add("n", {}, { jobId: "same" });
      await queue.add("n", {}, { jobId: "same" });
      assert.equal((await told)["jobId"], "same");
    },
  ],
  [
    "an id that is a number is refused",
    async (world) => {
      await assert.rejects(
        world.queue().add("n", {}, { jobId: "17" }),
        /Custom Id cannot be integers/,
      );
    },
  ],
  [
    "an id is free again after its job was removed",
    async (world) => {
      const queue = world.queue();
      await queue.add("n", { a: 1 }, { jobId: "again" });
      await queue.remove("again");
      await queue.add("n", { a: 2 }, { jobId: "again" });
      assert.deepEqual((await queue.getJob("again"))?.data, { a: 2 });
    },
  ],
  [
    "a bulk gives ids in order",
    async (world) => {
      const jobs = await world.queue().addBulk([1, 2, 3].map((i) => ({ name: "n", data: { i } })));
      assert.deepEqual(
        jobs.map(({ id }) => id),
        ["1", "2", "3"],
      );
    },
  ],
  [
    "a bulk is processed in order",
    async (world) => {
      const numbers = Array.from({ length: 20 }, (_, i) => i);
      await world.queue().addBulk(numbers.map((i) => ({ name: "n", data: i })));
      assert.deepEqual(await world.process(20, (job) => job.data), numbers);
    },
  ],
  [
    "a bulk takes the options of each",
    async (world) => {
      const queue = world.queue();
      const [later, important, plain] = await queue.addBulk([
        { name: "a", data: 1, opts: { delay: 60_000 } },
        { name: "b", data: 2, opts: { priority: 3 } },
        { name: "c", data: 3, opts: { jobId: "own" } },
      ]);
      assert.equal(await later?.getState(), "delayed");
      assert.equal(await important?.getState(), "prioritized");
      assert.equal(plain?.id, "own");
      assert.equal(await plain?.getState(), "waiting");
    },
  ],
  [
    "an empty bulk adds nothing",
    async (world) => {
      assert.deepEqual(await world.queue().addBulk([]), []);
    },
  ],
  [
    "a custom timestamp",
    async (world) => {
      const queue = world.queue();
      const { id } = await queue.add("n", {}, { timestamp: 1_700_000_000_000 });
      assert.equal((await queue.getJob(id ?? ""))?.timestamp, 1_700_000_000_000);
    },
  ],
  [
    "options come back",
    async (world) => {
      const queue = world.queue();
      const options = {
        attempts: 4,
        backoff: { type: "exponential", delay: 100 },
        removeOnComplete: { count: 7 },
        keepLogs: 3,
        stackTraceLimit: 2,
      };
      const { id } = await queue.add("n", {}, options);
      const found = (await queue.getJob(id ?? ""))?.opts as Record<string, unknown>;
      for (const [name, value] of Object.entries(options)) assert.deepEqual(found[name], value);
    },
  ],
  [
    "options of a job override the queue's default options",
    async (world) => {
      const queue = world.queue({ defaultJobOptions: { attempts: 5, priority: 2 } });
      assert.equal((await queue.add("n", {})).opts.attempts, 5);
      assert.equal((await queue.add("n", {}, { attempts: 2 })).opts.attempts, 2);
      assert.equal(await queue.getPrioritizedCount(), 2);
    },
  ],
  [
    "a size limit",
    async (world) => {
      const queue = world.queue();
      await assert.rejects(
        queue.add("n", { text: "x".repeat(100) }, { sizeLimit: 50 }),
        /exceeds the limit/,
      );
      await queue.add("n", { text: "x" }, { sizeLimit: 50 });
      assert.equal(await queue.getWaitingCount(), 1);
    },
  ],
  [
    "a priority that is not a whole number, or is too large, is refused",
    async (world) => {
      const queue = world.queue();
      await assert.rejects(queue.add("n", {}, { priority: 1.5 }), /should not be float/);
      await assert.rejects(queue.add("n", {}, { priority: 2 ** 21 }), /should be between/);
    },
  ],
  [
    "a missing parent is an error",
    async (world) => {
      const queue = world.queue();
      const parent = { id: "nobody", queue: queue.qualifiedName };
      await assert.rejects(queue.add("n", {}, { parent }), { code: -5 });
      assert.equal(await queue.getWaitingCount(), 0);
    },
  ],
  [
    "the queue emits a local event for a waiting job",
    async (world) => {
      const queue = world.queue();
      const told = once<{ id: string }>(queue, "waiting");
      const { id } = await queue.add("n", {});
      assert.equal((await told).id, id);
    },
  ],
  [
    "a job in JSON has neither queue nor store",
    async (world) => {
      const job = await world.queue().add("n", { a: 1 });
      const json = JSON.parse(JSON.stringify(job)) as Record<string, unknown>;
      assert.equal(json["id"], job.id);
      assert.deepEqual(json["data"], { a: 1 });
      assert.equal(json["backend"], undefined);
    },
  ],
  [
    "data can be replaced",
    async (world) => {
      const queue = world.queue();
      const job = await queue.add("n", { a: 1 });
      await job.updateData({ a: 2, long: "y".repeat(5_000) });
      assert.deepEqual((await queue.getJob(job.id ?? ""))?.data, { a: 2, long: "y".repeat(5_000) });
      await job.updateData({ a: 3 });
      assert.deepEqual((await queue.getJob(job.id ?? ""))?.data, { a: 3 });
    },
  ],
  [
    "data of a removed job cannot be replaced",
    async (world) => {
      const queue = world.queue();
      const job = await queue.add("n", {});
      await job.remove();
      await assert.rejects(job.updateData({}), { code: -1 });
    },
  ],
  [
    "two queues of one name are the same queue",
    async (world) => {
      const { id } = await world.queue().add("n", { a: 1 });
      assert.deepEqual((await world.queue().getJob(id ?? ""))?.data, { a: 1 });
    },
  ],
];
