import assert from "node:assert/strict";
import { test } from "node:test";

import { Jobs } from "../../../src/jobs/jobs.ts";
import { cleanUp, eventually } from "../../helpers/resources.ts";
import { blocked, checked, summing } from "./fixtures/jobs.ts";
import { makeWorld } from "./world.ts";

test("a run of a flow starts when its children are done, and gets their results", async (scope) => {
  const world = makeWorld(scope);
  const jobs = new Jobs({ store: world.store });
  cleanUp(scope, () => jobs.close());
  await world.serve();
  const tree = await jobs.flow({
    job: summing,
    input: null,
    children: [1, 2, 3].map((count) => ({ job: checked, input: { count } })),
  });
  const done = await eventually(async () => {
    const run = await jobs.get(tree.run.id);
    return run?.state === "done" ? run : undefined;
  }, "the parent is done");
  const results = new Map((done.result as { run: string }[]).map((child) => [child.run, child]));
  assert.deepEqual(
    tree.children.map(({ run }) => results.get(run.id)),
    tree.children.map(({ run }, at) => ({ run: run.id, result: at + 2 })),
  );
  assert.equal(results.size, 3);
});

test("a run with a failed child fails too, and names the reason", async (scope) => {
  const world = makeWorld(scope);
  const jobs = new Jobs({ store: world.store });
  cleanUp(scope, () => jobs.close());
  const tree = await jobs.flow({
    job: summing,
    input: null,
    children: [{ job: blocked, input: world.directory }],
  });
  await world.serve();
  const failed = await eventually(async () => {
    const run = await jobs.get(tree.run.id);
    return run?.state === "failed" ? run : undefined;
  }, "the parent failed");
  assert.match(failed.error?.message ?? "", /failed/);
});
