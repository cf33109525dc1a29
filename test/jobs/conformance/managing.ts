import assert from "node:assert/strict";

import { addFamily } from "./family.ts";
import { type Behaviour, once, wait } from "./world.ts";

export const MANAGING: readonly Behaviour[] = [
  [
    "promoteJobs keeps the delay that a job was given",
    async (world) => {
      const queue = world.queue();
      const { id } = await queue.add("n", {}, { delay: 60_000 });
      await queue.promoteJobs();
      assert.equal((await queue.getJob(id ?? ""))?.delay, 60_000);
    },
  ],
  [
    "clean of prioritized jobs uses the time of their adding, also after a failed attempt",
    async (world) => {
      const queue = world.queue();
      const timestamp = Date.now() - 60_000;
      const { id } = await queue.add("n", {}, { priority: 1, attempts: 2, timestamp });
      const worker = world.worker(undefined, { autorun: false });
      const job = await worker.getNextJob("token", { block: false });
      await job?.moveToFailed(new Error("no"), "token");
      assert.equal(await job?.getState(), "prioritized");
      assert.deepEqual(await queue.clean(30_000, 10, "prioritized"), [id]);
    },
  ],
  [
    "obliterate keeps the results that parents in other queues have of its jobs",
    async (world) => {
      const { parent, childQueue, kids } = await addFamily(world, [[1], [2]]);
      const worker = world.worker(undefined, { autorun: false }, kids);
      const job = await worker.getNextJob("token", { block: false });
      await job?.moveToCompleted("value", "token", false);
      await childQueue.obliterate({ force: true });
      assert.deepEqual(Object.values(await parent.getChildrenValues()), ["value"]);
    },
  ],
  [
    "drain lets parents continue, those of the newest children first",
    async (world) => {
      const families = [await addFamily(world, [[1]])];
      const [first] = families;
      const flow = { name: "parent", queueName: world.name, data: {} };
      const child = { name: "child", queueName: first?.kids ?? "", data: 2 };
      const { job } = await world.flow().add({ ...flow, children: [child] });
      await first?.childQueue.drain();
      const waiting = await first?.parents.getWaiting();
      assert.deepEqual(
        waiting?.map(({ id }) => id),
        [first?.parent.id, job.id],
      );
    },
  ],
  [
    "a paused queue gives no jobs, a resumed one does",
    async (world) => {
      const queue = world.queue();
      await queue.pause();
      assert.equal(await queue.isPaused(), true);
      const { id } = await queue.add("n", {});
      world.worker(async () => 1);
      await wait(200);
      assert.equal(await queue.getJobState(id ?? ""), "waiting");
      await queue.resume();
      assert.equal(await queue.isPaused(), false);
      await world.state(queue, id, "completed");
    },
  ],
  [
    "pausing lets the active job finish and takes no other",
    async (world) => {
      const queue = world.queue();
      await queue.addBulk([1, 2].map((i) => ({ name: "n", data: i })));
      const worker = world.worker(async () => wait(100));
      await once(worker, "active");
      await queue.pause();
      await world.state(queue, "1", "completed");
      await wait(100);
      assert.equal(await queue.getJobState("2"), "waiting");
    },
  ],
  [
    "a paused queue holds jobs with priorities too",
    async (world) => {
      const queue = world.queue();
      await queue.pause();
      const { id } = await queue.add("n", {}, { priority: 1 });
      world.worker(async () => 1);
      await wait(150);
      assert.equal(await queue.getJobState(id ?? ""), "prioritized");
      await queue.resume();
      await world.state(queue, id, "completed");
    },
  ],
  [
    "drain removes waiting jobs, not delayed ones",
    async (world) => {
      const queue = world.queue();
      await queue.add("n", {});
      await queue.add("n", {}, { priority: 1 });
      await queue.add("n", {}, { delay: 60_000 });
      await queue.drain();
      assert.equal(await queue.count(), 1);
      assert.equal(await queue.getDelayedCount(), 1);
    },
  ],
  [
    "drain removes delayed jobs on request",
    async (world) => {
      const queue = world.queue();
      await queue.add("n", {}, { delay: 60_000 });
      await queue.drain(true);
      assert.equal(await queue.count(), 0);
    },
  ],
  [
    "clean removes completed jobs up to its limit, the oldest first",
    async (world) => {
      const queue = world.queue();
      for (let i = 0; i < 4; i += 1) {
        await queue.add("n", i);
        await world.process(1, () => 1);
      }
      const removed = await queue.clean(0, 3, "completed");
      assert.deepEqual(removed, ["1", "2", "3"]);
      assert.deepEqual(
        (await queue.getCompleted()).map(({ data }) => data),
        [3],
      );
    },
  ],
  [
    "clean keeps jobs younger than the grace period",
    async (world) => {
      const queue = world.queue();
      await queue.add("n", {});
      await world.process(1, () => 1);
      assert.deepEqual(await queue.clean(60_000, 10, "completed"), []);
      assert.equal(await queue.getCompletedCount(), 1);
    },
  ],
  [
    "clean removes failed jobs",
    async (world) => {
      const queue = world.queue();
      const { id } = await queue.add("n", {});
      world.worker(async () => {
        throw new Error("no");
      });
      await world.state(queue, id, "failed");
      await wait(5);
      assert.deepEqual(await queue.clean(0, 10, "failed"), [id]);
    },
  ],
  [
    "clean removes waiting, prioritized and delayed jobs",
    async (world) => {
      const queue = world.queue();
      const a = await queue.add("n", {});
      const b = await queue.add("n", {}, { priority: 1 });
      const c = await queue.add("n", {}, { delay: 60_000 });
      await wait(10);
      assert.deepEqual(await queue.clean(0, 10, "wait"), [a.id]);
      assert.deepEqual(await queue.clean(0, 10, "prioritized"), [b.id]);
      assert.deepEqual(await queue.clean(0, 10, "delayed"), [c.id]);
    },
  ],
  [
    "clean leaves active jobs that are locked",
    async (world) => {
      const queue = world.queue();
      await queue.add("n", {});
      await world.worker(undefined).getNextJob("token");
      await wait(10);
      assert.deepEqual(await queue.clean(0, 10, "active"), []);
      assert.equal(await queue.getActiveCount(), 1);
    },
  ],
  [
    "clean emits an event",
    async (world) => {
      const queue = world.queue();
      const events = await world.events();
      const told = once(events, "cleaned");
      await queue.clean(0, 10, "completed");
      assert.equal((await told)["count"], "0");
    },
  ],
  [
    "obliterate leaves nothing",
    async (world) => {
      const queue = world.queue();
      await queue.add("n", {});
      await queue.add("n", {}, { delay: 60_000 });
      await queue.add("n", {}, { priority: 1 });
      await queue.upsertJobScheduler("s", { pattern: "0 0 3 * * *" });
      await queue.obliterate({ count: 2 });
      assert.equal(await queue.count(), 0);
      assert.equal(await queue.getJobSchedulersCount(), 0);
      assert.equal((await queue.add("n", {})).id, "1");
    },
  ],
  [
    "a queue with active jobs is not obliterated unless forced",
    async (world) => {
      const queue = world.queue();
      await queue.add("n", {});
      await world.worker(undefined).getNextJob("token");
      await assert.rejects(queue.obliterate(), /active jobs/);
      await queue.obliterate({ force: true });
      assert.equal(await queue.getActiveCount(), 0);
    },
  ],
  [
    "a job can be removed by its id",
    async (world) => {
      const queue = world.queue();
      const { id } = await queue.add("n", {});
      assert.equal(await queue.remove(id ?? ""), 1);
      assert.equal(await queue.getJob(id ?? ""), undefined);
      assert.equal(await queue.getWaitingCount(), 0);
    },
  ],
  [
    "a job is removed from any state",
    async (world) => {
      const queue = world.queue();
      const jobs = [
        await queue.add("n", {}, { delay: 60_000 }),
        await queue.add("n", {}, { priority: 2 }),
        await queue.add("n", {}),
      ];
      for (const job of jobs) await job.remove();
      assert.equal(await queue.count(), 0);
    },
  ],
  [
    "a removal emits an event with the previous state",
    async (world) => {
      const queue = world.queue();
      const events = await world.events();
      const told = once(events, "removed");
      const job = await queue.add("n", {}, { delay: 60_000 });
      await job.remove();
      const { jobId, prev } = await told;
      assert.deepEqual([jobId, prev], [job.id, "delayed"]);
    },
  ],
  [
    "a locked job is not removed",
    async (world) => {
      const queue = world.queue();
      const { id } = await queue.add("n", {});
      await world.worker(undefined).getNextJob("token");
      assert.equal(await queue.remove(id ?? ""), 0);
      await assert.rejects((await queue.getJob(id ?? ""))?.remove() ?? wait(0), /locked/);
    },
  ],
  [
    "a queue's settings can be read",
    async (world) => {
      const queue = world.queue({ streams: { events: { maxLen: 77 } } });
      await queue.getVersion();
      await queue.setGlobalConcurrency(3);
      const meta = await queue.getMeta();
      assert.equal(meta.concurrency, 3);
      assert.equal(meta.paused, false);
      assert.equal(meta.maxLenEvents, 77);
      assert.match((await queue.getVersion()) ?? "", /^bullmq:6\./);
    },
  ],
  [
    "workers are listed, by their names",
    async (world) => {
      const queue = world.queue();
      const named = world.worker(async () => 1, { name: "anna" });
      const plain = world.worker(async () => 1);
      await Promise.all([named.waitUntilReady(), plain.waitUntilReady()]);
      await world.until(async () => (await queue.getWorkersCount()) === 2, "two workers");
      const names = (await queue.getWorkers()).map(({ rawname }) => rawname ?? "");
      assert.equal(names.filter((name) => name.endsWith(":w:anna")).length, 1);
      await named.close();
      await world.until(async () => (await queue.getWorkersCount()) === 1, "one worker");
    },
  ],
  [
    "readers of events are listed",
    async (world) => {
      const queue = world.queue();
      await world.events();
      await world.until(async () => (await queue.getQueueEvents()).length === 1, "one reader");
    },
  ],
  [
    "Prometheus reads counts",
    async (world) => {
      const queue = world.queue();
      await queue.add("n", {});
      const text = await queue.exportPrometheusMetrics();
      assert.match(text, new RegExp(`bullmq_job_count{queue="${world.name}", state="waiting"} 1`));
    },
  ],
  [
    "there are no orphans to remove",
    async (world) => {
      const queue = world.queue();
      await queue.add("n", {});
      assert.equal(await queue.removeOrphanedJobs(), 0);
      assert.equal(await queue.getWaitingCount(), 1);
    },
  ],
  [
    "a closed queue can be opened again with its jobs",
    async (world) => {
      const first = world.queue();
      const { id } = await first.add("n", { kept: true });
      await first.close();
      assert.deepEqual((await world.queue().getJob(id ?? ""))?.data, { kept: true });
    },
  ],
  [
    "close is idempotent",
    async (world) => {
      const queue = world.queue();
      const worker = world.worker(async () => 1);
      await Promise.all([queue.close(), queue.close()]);
      await Promise.all([worker.close(), worker.close()]);
    },
  ],
];
