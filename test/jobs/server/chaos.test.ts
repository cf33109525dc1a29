import assert from "node:assert/strict";
import { test } from "node:test";

import { wreak } from "./chaos.ts";

test("whatever is killed, every run that was enqueued is done", async (scope) => {
  const report = await wreak(scope, { jobs: 200, kills: 6, pauseMs: 600 });
  assert.deepEqual(report.problems, []);
  assert.ok(report.runs >= 200);
});
