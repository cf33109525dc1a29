import assert from "node:assert/strict";

import { type Behaviour, once, wait } from "./world.ts";

export const LIMITS: readonly Behaviour[] = [
  [
    "a worker's limiter bounds the jobs started in a window",
    async (world) => {
      const queue = world.queue();
      await queue.addBulk(Array.from({ length: 6 }, (_, i) => ({ name: "n", data: i })));
      const times = await world.process(6, () => Date.now(), {
        limiter: { max: 2, duration: 300 },
        concurrency: 6,
      });
      assert.ok((times[5] ?? 0) - (times[0] ?? 0) >= 400, String(times));
    },
  ],
  [
    "a limit of the queue holds for all workers",
    async (world) => {
      const queue = world.queue();
      await queue.setGlobalRateLimit(1, 200);
      assert.deepEqual(await queue.getGlobalRateLimit(), { max: 1, duration: 200 });
      await queue.addBulk(Array.from({ length: 3 }, (_, i) => ({ name: "n", data: i })));
      const times: number[] = [];
      const handler = async (): Promise<void> => void times.push(Date.now());
      world.worker(handler);
      world.worker(handler);
      await world.until(() => times.length === 3, "three done");
      assert.ok((times[2] ?? 0) - (times[0] ?? 0) >= 250, String(times));
      await queue.removeGlobalRateLimit();
      assert.equal(await queue.getGlobalRateLimit(), null);
    },
  ],
  [
    "the remaining time of a rate limit can be read, and the limit removed",
    async (world) => {
      const queue = world.queue();
      await queue.rateLimit(5_000);
      const ttl = await queue.getRateLimitTtl();
      assert.ok(ttl > 4_000 && ttl <= 5_000, String(ttl));
      await queue.removeRateLimitKey();
      assert.ok((await queue.getRateLimitTtl()) <= 0);
    },
  ],
  [
    "no more jobs of a queue at once than its concurrency, over all workers",
    async (world) => {
      const queue = world.queue();
      await queue.setGlobalConcurrency(2);
      assert.equal(await queue.getGlobalConcurrency(), 2);
      await queue.addBulk(Array.from({ length: 10 }, (_, i) => ({ name: "n", data: i })));
      let now = 0;
      let most = 0;
      let done = 0;
      const handler = async (): Promise<void> => {
        now += 1;
        most = Math.max(most, now);
        await wait(30);
        now -= 1;
        done += 1;
      };
      world.worker(handler, { concurrency: 3 });
      world.worker(handler, { concurrency: 3 });
      await world.until(() => done === 10, "ten done");
      assert.ok(most <= 2, `${most} at once`);
      await queue.removeGlobalConcurrency();
      assert.equal(await queue.getGlobalConcurrency(), null);
    },
  ],
  [
    "a queue knows that it is at its concurrency",
    async (world) => {
      const queue = world.queue();
      await queue.setGlobalConcurrency(1);
      await queue.addBulk([1, 2].map((i) => ({ name: "n", data: i })));
      const worker = world.worker(undefined);
      assert.equal(await queue.isMaxed(), false);
      await worker.getNextJob("token");
      assert.equal(await queue.isMaxed(), true);
      assert.equal(await worker.getNextJob("token-2", { block: false }), undefined);
    },
  ],
];

export const DEDUPLICATING: readonly Behaviour[] = [
  [
    "a second job of a deduplication id returns the first until that is finished",
    async (world) => {
      const queue = world.queue();
      const deduplication = { id: "d" };
      const first = await queue.add("n", 1, { deduplication });
      const second = await queue.add("n", 2, { deduplication });
      assert.equal(second.id, first.id);
      assert.equal(await queue.getWaitingCount(), 1);
      assert.equal(await queue.getDeduplicationJobId("d"), first.id);
      await world.process(1, () => 1);
      assert.equal(await queue.getDeduplicationJobId("d"), null);
      const third = await queue.add("n", 3, { deduplication });
      assert.notEqual(third.id, first.id);
    },
  ],
  [
    "deduplication emits an event",
    async (world) => {
      const queue = world.queue();
      const events = await world.events();
      const told = once(events, "deduplicated");
      const deduplication = { id: "d" };
      const { id } = await queue.add("n", 1, { deduplication });
      await queue.add("n", 2, { deduplication });
      const { jobId, deduplicationId, deduplicatedJobId } = await told;
      assert.equal(jobId, id);
      assert.equal(deduplicationId, "d");
      assert.equal(typeof deduplicatedJobId, "string");
    },
  ],
  [
    "throttle: holds for its time, also after the job is done",
    async (world) => {
      const queue = world.queue();
      const deduplication = { id: "d", ttl: 700 };
      const first = await queue.add("n", 1, { deduplication });
      await world.process(1, () => 1);
      assert.equal((await queue.add("n", 2, { deduplication })).id, first.id);
      await wait(750);
      assert.notEqual((await queue.add("n", 3, { deduplication })).id, first.id);
    },
  ],
  [
    "extend: each attempt to add restarts the time",
    async (world) => {
      const queue = world.queue();
      const deduplication = { id: "d", ttl: 3_000, extend: true };
      const first = await queue.add("n", 1, { deduplication });
      await wait(1_700);
      await queue.add("n", 2, { deduplication });
      await wait(1_700);
      assert.equal((await queue.add("n", 3, { deduplication })).id, first.id);
    },
  ],
  [
    "debounce: the last delayed job replaces those before it",
    async (world) => {
      const queue = world.queue();
      const deduplication = { id: "d", ttl: 5_000, extend: true, replace: true };
      await queue.add("n", 1, { deduplication, delay: 200 });
      await queue.add("n", 2, { deduplication, delay: 200 });
      await queue.add("n", 3, { deduplication, delay: 200 });
      assert.equal(await queue.getDelayedCount(), 1);
      assert.deepEqual(await world.process(1, (job) => job.data), [3]);
    },
  ],
  [
    "keepLastIfActive: the last job added while one is active runs after it",
    async (world) => {
      const queue = world.queue();
      const deduplication = { id: "d", keepLastIfActive: true };
      await queue.add("n", 1, { deduplication });
      const seen: number[] = [];
      world.worker(async (job) => {
        seen.push(job.data);
        if (job.data !== 1) return;
        await queue.add("n", 2, { deduplication });
        await queue.add("n", 3, { deduplication });
      });
      await world.until(() => seen.length === 2, "two runs");
      await wait(100);
      assert.deepEqual(seen, [1, 3]);
    },
  ],
  [
    "a deduplication id can be freed by the queue",
    async (world) => {
      const queue = world.queue();
      const deduplication = { id: "d" };
      const first = await queue.add("n", 1, { deduplication });
      assert.equal(await queue.removeDeduplicationKey("d"), 1);
      assert.notEqual((await queue.add("n", 2, { deduplication })).id, first.id);
      assert.equal(await queue.removeDeduplicationKey("none"), 0);
    },
  ],
  [
    "a deduplication id can be freed by the job that holds it, and by no other",
    async (world) => {
      const queue = world.queue();
      const deduplication = { id: "d" };
      const first = await queue.add("n", 1, { deduplication });
      assert.equal(await first.removeDeduplicationKey(), true);
      const second = await queue.add("n", 2, { deduplication });
      assert.equal(await first.removeDeduplicationKey(), false);
      assert.equal(await queue.getDeduplicationJobId("d"), second.id);
    },
  ],
  [
    "a removed job frees its deduplication id",
    async (world) => {
      const queue = world.queue();
      const deduplication = { id: "d" };
      const first = await queue.add("n", 1, { deduplication });
      await first.remove();
      assert.equal(await queue.getDeduplicationJobId("d"), null);
    },
  ],
  [
    "a job knows its deduplication id",
    async (world) => {
      const queue = world.queue();
      const { id } = await queue.add("n", 1, { deduplication: { id: "d" } });
      assert.equal((await queue.getJob(id ?? ""))?.deduplicationId, "d");
    },
  ],
];
