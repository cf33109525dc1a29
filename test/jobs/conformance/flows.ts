import assert from "node:assert/strict";

import { type Job, WaitingChildrenError } from "bullmq";

import { addFamily, addThreeGenerations, child, failingWorker } from "./family.ts";
import { type Behaviour, byText, wait } from "./world.ts";

export const FLOWS: readonly Behaviour[] = [
  [
    "a parent waits for its children and reads their results",
    async (world) => {
      const { parent, parents, kids } = await addFamily(world, [[1], [2]]);
      assert.equal(await parent.getState(), "waiting-children");
      assert.equal(await parent.isWaitingChildren(), true);
      assert.equal(await parents.getWaitingChildrenCount(), 1);
      world.worker(async (job) => job.data * 10, {}, kids);
      const [values] = await world.process(1, (job) => job.getChildrenValues());
      assert.deepEqual(Object.values(values ?? {}).toSorted(byText), [10, 20]);
    },
  ],
  [
    "child results have the key of the child's queue and id",
    async (world) => {
      const { parent, children, childQueue } = await addFamily(world, [[1]]);
      const [only] = children;
      const { unprocessed } = await parent.getDependencies();
      assert.deepEqual(unprocessed, [`${childQueue.qualifiedName}:${only?.id}`]);
      assert.equal(only?.parentKey, `${world.queue().qualifiedName}:${parent.id}`);
      assert.equal((await childQueue.getJob(only?.id ?? ""))?.parent?.id, parent.id);
    },
  ],
  [
    "dependencies and their counts",
    async (world) => {
      const { parent, kids } = await addFamily(world, [[1], [2], [3]]);
      const worker = world.worker(undefined, {}, kids);
      const first = await worker.getNextJob("token");
      await first?.moveToCompleted("one", "token", false);
      const { processed = {}, unprocessed = [] } = await parent.getDependencies();
      assert.deepEqual(Object.values(processed), ["one"]);
      assert.equal(unprocessed.length, 2);
      assert.deepEqual(await parent.getDependenciesCount(), {
        processed: 1,
        unprocessed: 2,
        ignored: 0,
        failed: 0,
      });
      assert.deepEqual(await parent.getDependenciesCount({ unprocessed: true }), {
        unprocessed: 2,
      });
    },
  ],
  [
    "dependencies in pages",
    async (world) => {
      const { parent } = await addFamily(world, [[1], [2], [3]]);
      const seen = new Set<string>();
      let cursor = 0;
      do {
        const page = await parent.getDependencies({ unprocessed: { cursor, count: 2 } });
        for (const key of page.unprocessed ?? []) seen.add(key);
        cursor = page.nextUnprocessedCursor ?? 0;
      } while (cursor !== 0);
      assert.equal(seen.size, 3);
    },
  ],
  [
    "the queue pages through a job's children",
    async (world) => {
      const { parent, parents, kids } = await addFamily(world, [[1], [2], [3]]);
      const all = await parents.getDependencies(parent.id ?? "", "pending", 0, -1);
      assert.equal(all.total, 3);
      assert.equal(all.items.length, 3);
      assert.equal(all.jobs.length, 3);
      const worker = world.worker(undefined, {}, kids);
      await (await worker.getNextJob("token"))?.moveToCompleted({ a: 1 }, "token", false);
      const done = await parents.getDependencies(parent.id ?? "", "processed", 0, 10);
      assert.deepEqual(
        done.items.map(({ v }) => v),
        [{ a: 1 }],
      );
    },
  ],
  [
    "grandchildren",
    async (world) => {
      const lowest = { data: { level: 2 } };
      const { top, queue, kids } = await addThreeGenerations(world, { data: { level: 1 } }, [
        lowest,
        lowest,
      ]);
      const levels: number[] = [];
      world.worker(async (job) => levels.push(job.data.level), {}, kids);
      world.worker(async () => "top");
      await world.state(queue, top.id, "completed");
      assert.deepEqual(levels, [2, 2, 1]);
    },
  ],
  [
    "several flows at once",
    async (world) => {
      const kids = world.other();
      const trees = await world.flow().addBulk(
        [1, 2].map((i) => ({
          name: `flow ${i}`,
          queueName: world.name,
          data: i,
          children: [child(kids, i)],
        })) as never,
      );
      assert.equal(trees.length, 2);
      world.worker(async (job) => job.data, {}, kids);
      const seen = await world.process(2, (job) => job.data);
      assert.deepEqual(seen.toSorted(byText), [1, 2]);
    },
  ],
  [
    "a tree can be read again",
    async (world) => {
      const { parent } = await addFamily(world, [[1], [2]]);
      const tree = await world.flow().getFlow({ id: parent.id ?? "", queueName: world.name });
      assert.equal(tree?.job.id, parent.id);
      assert.deepEqual((tree?.children ?? []).map(({ job }) => job.data).toSorted(byText), [1, 2]);
    },
  ],
  [
    "a parent with a priority has it when its children are done",
    async (world) => {
      const { parent, kids } = await addFamily(world, [[1]], { priority: 3 });
      world.worker(async () => 1, {}, kids);
      await world.state(world.queue(), parent.id, "prioritized");
    },
  ],
  [
    "a parent with a delay waits it out when its children are done",
    async (world) => {
      const { parent, parents, kids } = await addFamily(world, [[1]], { delay: 60_000 });
      world.worker(async () => 1, {}, kids);
      await world.state(parents, parent.id, "delayed");
    },
  ],
  [
    "a failed child keeps its parent waiting by default",
    async (world) => {
      const { parent, parents, childQueue, children, kids } = await addFamily(world, [[1]]);
      failingWorker(world, kids);
      await world.state(childQueue, children[0]?.id, "failed");
      await wait(50);
      assert.equal(await parents.getJobState(parent.id ?? ""), "waiting-children");
    },
  ],
  [
    "removing a parent removes its children",
    async (world) => {
      const { parent, parents, childQueue } = await addFamily(world, [[1], [2]]);
      await parent.remove();
      assert.equal(await parents.getJob(parent.id ?? ""), undefined);
      assert.equal(await childQueue.getWaitingCount(), 0);
    },
  ],
  [
    "removing a parent without its children",
    async (world) => {
      const { parent, childQueue } = await addFamily(world, [[1], [2]]);
      await parent.remove({ removeChildren: false });
      assert.equal(await childQueue.getWaitingCount(), 2);
    },
  ],
  [
    "a parent whose child runs cannot be removed",
    async (world) => {
      const { parent, parents, kids } = await addFamily(world, [[1]]);
      await world.worker(undefined, {}, kids).getNextJob("token");
      await assert.rejects(parent.remove(), /locked/);
      assert.equal(await parents.getWaitingChildrenCount(), 1);
    },
  ],
  [
    "removing the last child lets the parent continue",
    async (world) => {
      const { parent, parents, children } = await addFamily(world, [[1], [2]]);
      await children[0]?.remove();
      assert.equal(await parents.getJobState(parent.id ?? ""), "waiting-children");
      await children[1]?.remove();
      assert.equal(await parents.getJobState(parent.id ?? ""), "waiting");
    },
  ],
  [
    "children that have not started can be removed",
    async (world) => {
      const { parent, childQueue, kids } = await addFamily(world, [[1], [2], [3]]);
      const worker = world.worker(undefined, {}, kids);
      await worker.getNextJob("token");
      await parent.removeUnprocessedChildren();
      assert.equal(await childQueue.getWaitingCount(), 0);
      assert.equal(await childQueue.getActiveCount(), 1);
    },
  ],
  [
    "a child can be detached from its parent",
    async (world) => {
      const { parent, parents, children, childQueue } = await addFamily(world, [[1]]);
      const [only] = children;
      assert.equal(await only?.removeChildDependency(), true);
      assert.equal(await parents.getJobState(parent.id ?? ""), "waiting");
      assert.equal((await childQueue.getJob(only?.id ?? ""))?.parent, undefined);
    },
  ],
  [
    "removeChildDependency of a job without a parent is refused",
    async (world) => {
      const job = await world.queue().add("n", {});
      await assert.rejects(job.removeChildDependency(), /Missing key for parent job/);
    },
  ],
  [
    "a handler can add children and wait for them",
    async (world) => {
      const kids = world.other();
      const queue = world.queue();
      const childQueue = world.queue({}, kids);
      const { id } = await queue.add("parent", { step: "first" });
      world.worker(async () => "from the child", {}, kids);
      world.worker(async (job: Job, token = "") => {
        if (job.data.step === "first") {
          const parent = { id: job.id ?? "", queue: job.queueQualifiedName };
          await childQueue.add("child", {}, { parent });
          await job.updateData({ step: "second" });
        }
        if (await job.moveToWaitingChildren(token)) throw new WaitingChildrenError();
        return Object.values(await job.getChildrenValues());
      });
      await world.state(queue, id, "completed");
      assert.deepEqual((await queue.getJob(id ?? ""))?.returnvalue, ["from the child"]);
    },
  ],
  [
    "a parent without pending children does not wait",
    async (world) => {
      const queue = world.queue();
      await queue.add("n", {});
      const job = await world.worker(undefined).getNextJob("token");
      assert.equal(await job?.moveToWaitingChildren("token"), false);
    },
  ],
  [
    "a job with pending children cannot complete",
    async (world) => {
      const queue = world.queue();
      const childQueue = world.queue({}, world.other());
      await queue.add("n", {});
      const job = await world.worker(undefined).getNextJob("token");
      const parent = { id: job?.id ?? "", queue: queue.qualifiedName };
      await childQueue.add("child", {}, { parent });
      await assert.rejects(job?.moveToCompleted(1, "token") ?? wait(0), { code: -4 });
    },
  ],
  [
    "an existing completed child counts at once",
    async (world) => {
      const kids = world.other();
      const queue = world.queue();
      const childQueue = world.queue({}, kids);
      await childQueue.add("child", {}, { jobId: "known" });
      const worker = world.worker(async () => "earlier", {}, kids);
      await world.state(childQueue, "known", "completed");
      await worker.close();
      const { job } = await world.flow().add({
        name: "parent",
        queueName: world.name,
        children: [child(kids, {}, { jobId: "known" })],
      } as never);
      await world.state(queue, job.id, "waiting");
      assert.deepEqual(Object.values(await job.getChildrenValues()), ["earlier"]);
    },
  ],
  [
    "a flow without children is a job",
    async (world) => {
      const { job } = await world.flow().add({ name: "n", queueName: world.name, data: 1 });
      assert.equal(await job.getState(), "waiting");
    },
  ],
  [
    "a child's return value of undefined",
    async (world) => {
      const { kids } = await addFamily(world, [[1]]);
      world.worker(async () => undefined, {}, kids);
      const [values] = await world.process(1, (job) => job.getChildrenValues());
      assert.deepEqual(Object.values(values ?? {}), [null]);
    },
  ],
  [
    "removeOnComplete of a child keeps its result for the parent",
    async (world) => {
      const { childQueue, kids } = await addFamily(world, [[1, { removeOnComplete: true }]]);
      world.worker(async () => "kept", {}, kids);
      const [values] = await world.process(1, (job) => job.getChildrenValues());
      assert.deepEqual(Object.values(values ?? {}), ["kept"]);
      assert.equal(await childQueue.getCompletedCount(), 0);
    },
  ],
];
