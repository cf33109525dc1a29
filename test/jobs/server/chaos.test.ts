import assert from "node:assert/strict";
import { test } from "node:test";

import { wreak } from "./chaos.ts";

test("whatever is killed, every run that was enqueued is done", async (scope) => {
  const report = await wreak(scope, { jobs: 300, kills: 9, pauseMs: 600 });
  assert.deepEqual(report.problems, []);
  assert.ok(report.runs >= 300);
});
