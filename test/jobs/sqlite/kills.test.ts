import assert from "node:assert/strict";
import { test } from "node:test";

import { killAtRandom } from "./kills.ts";

// The full count is `npm run soak -- jobs-kills`.
test("jobs survive killed processes: none lost, none completed twice", async (scope) => {
  const { resumedMs, inFlight } = await killAtRandom(scope, { jobs: 600, kills: 12 });
  assert.ok(inFlight > 0, "nobody was killed while working");
  assert.ok(resumedMs.median < 5_000, JSON.stringify(resumedMs));
});
