import assert from "node:assert/strict";

import { addFamily, addThreeGenerations, failingWorker } from "./family.ts";
import { type Behaviour } from "./world.ts";

export const FAILING_CHILDREN: readonly Behaviour[] = [
  [
    "failParentOnFailure",
    async (world) => {
      const { parent, parents, kids } = await addFamily(world, [
        [1, { failParentOnFailure: true }],
      ]);
      failingWorker(world, kids);
      world.worker(async () => assert.fail("the parent must not run"));
      await world.state(parents, parent.id, "failed");
      assert.match(
        (await parents.getJob(parent.id ?? ""))?.failedReason ?? "",
        /^child .* failed$/,
      );
      assert.equal((await parent.getDependenciesCount()).failed, 1);
    },
  ],
  [
    "failParentOnFailure goes up the whole tree",
    async (world) => {
      const failing = { opts: { failParentOnFailure: true } };
      const { top, queue, kids } = await addThreeGenerations(world, failing, [failing]);
      failingWorker(world, kids);
      world.worker(async () => 1);
      await world.state(queue, top.id, "failed");
    },
  ],
  [
    "ignoreDependencyOnFailure",
    async (world) => {
      const { parent, parents, kids } = await addFamily(world, [
        [1, { ignoreDependencyOnFailure: true }],
      ]);
      failingWorker(world, kids);
      const [failures] = await world.process(1, (job) => job.getIgnoredChildrenFailures());
      assert.deepEqual(Object.values(failures ?? {}), ["child failed"]);
      assert.equal(await parents.getJobState(parent.id ?? ""), "completed");
      assert.equal((await parent.getDependenciesCount()).ignored, 1);
    },
  ],
  [
    "removeDependencyOnFailure",
    async (world) => {
      const { parent, parents, kids } = await addFamily(world, [
        [1, { removeDependencyOnFailure: true }],
      ]);
      failingWorker(world, kids);
      await world.process(1, () => 1);
      assert.equal(await parents.getJobState(parent.id ?? ""), "completed");
      const counts = await parent.getDependenciesCount();
      assert.equal(counts.unprocessed, 0);
      assert.equal(counts.failed, 0);
    },
  ],
  [
    "continueParentOnFailure lets the parent continue before the other children are done",
    async (world) => {
      const { parent, parents, kids } = await addFamily(world, [
        [1, { continueParentOnFailure: true }],
        [2],
      ]);
      const worker = world.worker(undefined, {}, kids);
      const job = await worker.getNextJob("token");
      const failing = job?.data === 1 ? job : await worker.getNextJob("token-2");
      await failing?.moveToFailed(new Error("child failed"), failing === job ? "token" : "token-2");
      await world.state(parents, parent.id, "waiting");
    },
  ],
  [
    "a parent waits again for a failed child that is retried",
    async (world) => {
      const { parent, parents, childQueue, children, kids } = await addFamily(world, [[1], [2]]);
      let fail = true;
      world.worker(
        async (job) => {
          if (fail && job.data === 1) throw new Error("child failed");
          return job.data;
        },
        {},
        kids,
      );
      await world.state(childQueue, children[0]?.id, "failed");
      fail = false;
      await (await childQueue.getJob(children[0]?.id ?? ""))?.retry();
      await world.state(parents, parent.id, "waiting");
      assert.equal((await parent.getDependenciesCount()).processed, 2);
    },
  ],
];
