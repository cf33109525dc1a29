// A handler that keeps its loop busy for 75 s, with a second worker that checks for stalled jobs:
// it runs once.
import assert from "node:assert/strict";
import { join } from "node:path";

import { eventually, temporaryDirectory } from "../helpers/resources.ts";
import { openQueue, said, startProgram } from "../jobs/sqlite/many.ts";
import { withScope } from "../load/scope.ts";

const BLOCKED_MS = 75_000;

await withScope(async (scope) => {
  const path = join(temporaryDirectory(scope), "jobs.db");
  const queue = openQueue(scope, path);
  await queue.add("n", { ms: BLOCKED_MS });
  const workers = [1, 2].map(() => startProgram(scope, "worker", path, "q", "block"));
  await eventually(
    async () => (await queue.getCompletedCount()) + (await queue.getFailedCount()) === 1,
    "the job ended",
    BLOCKED_MS * 3,
  );
  const job = await queue.getJob("1");
  assert.equal(await job?.getState(), "completed");
  assert.equal(workers.flatMap((worker) => said(worker, "begin")).length, 1);
  assert.equal(job?.stalledCounter, 0);
});
console.log(`a handler that kept its loop busy for ${BLOCKED_MS / 1_000} s ran once`);
