import assert from "node:assert/strict";

import { addFamily } from "./family.ts";
import type { Behaviour } from "./world.ts";

const YEAR_9999 = Date.UTC(9999, 0, 1);

/** Numbers and texts at their limits, in all places that BullMQ passes on to its stores. */
export const VALUES: readonly Behaviour[] = [
  [
    "a delay of a fraction of a millisecond",
    async (world) => {
      const queue = world.queue();
      await queue.add("n", {}, { delay: 20.5 });
      await queue.add("n", {}, { delay: 0.25 });
      assert.equal((await world.process(2, () => 1)).length, 2);
    },
  ],
  [
    "a backoff of a fraction of a millisecond",
    async (world) => {
      const queue = world.queue();
      const { id } = await queue.add("n", {}, { attempts: 3, backoff: 1_000 / 30 });
      world.worker(async (job) => {
        if (job.attemptsMade < 2) throw new Error("again");
      });
      await world.state(queue, id, "completed");
    },
  ],
  [
    "a time of a fraction of a millisecond: timestamp, changeDelay, moveToDelayed",
    async (world) => {
      const queue = world.queue();
      await queue.add("n", {}, { timestamp: performance.timeOrigin + performance.now() });
      const changed = await queue.add("n", {}, { delay: 60_000 });
      await changed.changeDelay(10.75);
      const worker = world.worker(async (job, token) => {
        if (job.attemptsStarted > 1) return;
        await job.moveToDelayed(Date.now() + 15.5, token);
        const { DelayedError } = await import("bullmq");
        throw new DelayedError();
      });
      let done = 0;
      worker.on("completed", () => (done += 1));
      await world.until(() => done === 2, "both completed");
    },
  ],
  [
    "jobs due in the year 9999 and by an absolute time taken for a delay stop no other job",
    async (world) => {
      const queue = world.queue();
      const far = [
        await queue.add("far", {}, { delay: YEAR_9999 - Date.now() }),
        await queue.add("far", {}, { delay: Date.now() + 60_000 }),
        await queue.add("far", {}, { delay: Number.MAX_SAFE_INTEGER }),
      ];
      await queue.add("near", {}, { delay: 5 });
      await queue.add("now", {});
      const names = await world.process(2, (job) => job.name);
      assert.deepEqual(names.toSorted(), ["near", "now"]);
      for (const job of far) assert.equal(await job.getState(), "delayed");
      assert.equal(await queue.getDelayedCount(), 3);
      assert.equal((await queue.getJobs(["delayed"])).length, 3);
      await far[0]?.remove();
      await far[1]?.changeDelay(1);
      await far[2]?.promote();
      assert.equal((await world.process(2, (job) => job.name)).length, 2);
    },
  ],
  [
    "jobs due in the far future are promoted, cleaned and drained like others",
    async (world) => {
      const queue = world.queue();
      const delay = YEAR_9999 - Date.now();
      await queue.add("n", {}, { delay });
      await queue.promoteJobs();
      assert.equal(await queue.getWaitingCount(), 1);
      await queue.drain();
      await queue.add("n", {}, { delay });
      await queue.drain(true);
      assert.equal(await queue.getDelayedCount(), 0);
      await queue.add("n", {}, { delay, timestamp: Date.now() - 1_000 });
      assert.equal((await queue.clean(0, 10, "delayed")).length, 1);
    },
  ],
  [
    "a date before 1970",
    async (world) => {
      const queue = world.queue();
      const { id } = await queue.add("n", {}, { timestamp: -86_400_000 });
      assert.equal((await queue.getJob(id ?? ""))?.timestamp, -86_400_000);
      assert.equal((await world.process(1, () => 1)).length, 1);
    },
  ],
  [
    "a job with a negative priority comes before others with a priority",
    async (world) => {
      const queue = world.queue();
      await queue.add("low", {}, { priority: 5 });
      await queue.add("first", {}, { priority: -3 });
      assert.equal(await queue.getPrioritizedCount(), 2);
      assert.deepEqual(await world.process(2, (job) => job.name), ["first", "low"]);
    },
  ],
  [
    "changePriority beyond the limit of add",
    async (world) => {
      const queue = world.queue();
      const job = await queue.add("last", {}, { priority: 1 });
      await queue.add("first", {}, { priority: 2_000_000 });
      await job.changePriority({ priority: 3_000_000 });
      assert.deepEqual(await world.process(2, (each) => each.name), ["first", "last"]);
    },
  ],
  [
    "a number as an id is its text",
    async (world) => {
      const queue = world.queue();
      for (let index = 0; index < 3; index += 1) await queue.add("n", index);
      const two = 2 as unknown as string;
      assert.equal((await queue.getJob(two))?.data, 1);
      assert.equal(await queue.getJobState(two), "waiting");
      await queue.updateJobProgress(two, 50);
      assert.equal((await queue.getJob("2"))?.progress, 50);
      assert.equal(await queue.remove(two), 1);
      assert.equal(await queue.getWaitingCount(), 2);
    },
  ],
  [
    "a number as a name is its text",
    async (world) => {
      const queue = world.queue();
      const { id } = await queue.add(7 as unknown as string, {});
      assert.equal((await queue.getJob(id ?? ""))?.name, "7");
    },
  ],
  [
    "a number as a deduplication id is its text",
    async (world) => {
      const queue = world.queue();
      const deduplication = { id: 7 as unknown as string };
      const first = await queue.add("n", {}, { deduplication });
      assert.equal((await queue.add("n", {}, { deduplication })).id, first.id);
      assert.equal(await queue.getDeduplicationJobId("7"), first.id);
      assert.equal((await queue.getJob(first.id ?? ""))?.deduplicationId, "7");
      assert.equal(await queue.removeDeduplicationKey(7 as unknown as string), 1);
      assert.notEqual((await queue.add("n", {}, { deduplication })).id, first.id);
    },
  ],
  [
    "a number as the id of a scheduler is its text",
    async (world) => {
      const queue = world.queue();
      const id = 7 as unknown as string;
      await queue.upsertJobScheduler(id, { every: 86_400_000 });
      assert.equal((await queue.getJobScheduler("7"))?.every, 86_400_000);
      assert.equal(await queue.removeJobScheduler(id), true);
    },
  ],
  [
    "a number as the id of a parent is its text",
    async (world) => {
      const { parent, parents, childQueue } = await addFamily(world, [[1]]);
      const [queueKey] = [parents.qualifiedName];
      const other = await parents.add("parent", {});
      const id = Number(other.id) as unknown as string;
      const added = await childQueue.add("n", {}, { parent: { id, queue: queueKey } });
      assert.equal((await childQueue.getJob(added.id ?? ""))?.parentKey, `${queueKey}:${other.id}`);
      assert.equal(await parent.getState(), "waiting-children");
    },
  ],
  [
    "a log line of any value is its text",
    async (world) => {
      const queue = world.queue();
      const job = await queue.add("n", {});
      for (const line of [new Error("no route"), 17, true])
        await job.log(line as unknown as string);
      const { logs } = await queue.getJobLogs(job.id ?? "");
      assert.deepEqual(logs, ["Error: no route", "17", "true"]);
    },
  ],
  [
    "a prefix with colons: a flow is processed and read",
    async (world) => {
      await flowWith(world, "my:app");
    },
  ],
  [
    "a prefix of one letter: a flow is processed and read",
    async (world) => {
      await flowWith(world, "{b}");
    },
  ],
];

async function flowWith(world: Parameters<Behaviour[1]>[0], prefix: string): Promise<void> {
  const kids = world.other();
  const flow = world.flow({ prefix });
  const { job } = await flow.add({
    name: "parent",
    queueName: world.name,
    children: [1, 2].map((data) => ({ name: "child", queueName: kids, data })),
  });
  const parents = world.queue({ prefix });
  world.worker(async () => 1, { prefix }, kids);
  world.worker(async (each) => Object.values(await each.getChildrenValues()), { prefix });
  await world.state(parents, job.id, "completed");
  const id = job.id ?? "";
  const read = await flow.getFlow({ id, queueName: world.name, prefix });
  assert.deepEqual(
    read?.children?.map((child) => child.job.name),
    ["child", "child"],
  );
}
