import assert from "node:assert/strict";
import { test } from "node:test";

import { wreak } from "./chaos.ts";

test("after kills and stops every run is done, none was executed twice at once, and losses are counted", async (scope) => {
  const options = { jobs: 200, kills: 8, pauseMs: 600, servers: 2, processes: 3, stopMs: 2_000 };
  const report = await wreak(scope, options);
  assert.deepEqual(report.problems, []);
  assert.ok(report.runs >= 200);
});
