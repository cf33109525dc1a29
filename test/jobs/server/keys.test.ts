import assert from "node:assert/strict";
import { test } from "node:test";

import { Jobs } from "../../../src/jobs/jobs.ts";
import { cleanUp, eventually } from "../../helpers/resources.ts";
import { chained } from "./fixtures/jobs.ts";
import { makeWorld } from "./world.ts";

test("a handler that enqueues its successor under its own key gets an error; another key works", async (scope) => {
  const world = makeWorld(scope);
  const jobs = new Jobs({ store: world.store });
  cleanUp(scope, () => jobs.close());
  await world.serve();
  const own = await jobs.enqueue(chained, { key: "a", next: "a" });
  const other = await jobs.enqueue(chained, { key: "b", next: "c" });
  const [failed, done] = await eventually(async () => {
    const runs = await Promise.all([jobs.get(own.id), jobs.get(other.id)]);
    return runs.every((run) => run?.state === "done" || run?.state === "failed") ? runs : undefined;
  }, "both have ended");
  assert.equal(failed?.error?.code, "NEWEL_E_JOB_OWN_KEY");
  assert.match(failed?.error?.message ?? "", /own key "a".*Nothing was enqueued/);
  const next = await jobs.get(String(done?.result));
  assert.deepEqual([next?.name, next?.key], ["chained", "c"]);
  assert.equal((await jobs.list({ name: "chained" })).runs.length, 3);
});
