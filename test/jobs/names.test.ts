import assert from "node:assert/strict";
import { test } from "node:test";

import { newJobId } from "../../src/jobs/names.ts";

test("job ids begin with the time and differ in their random part", (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: 1_700_000_000_000 });
  const ids = Array.from({ length: 200 }, newJobId);
  assert.ok(ids.every((id) => /^[0-9a-f]{32}$/.test(id)));
  assert.deepEqual(
    [...new Set(ids.map((id) => Number.parseInt(id.slice(0, 12), 16)))],
    [Date.now()],
  );
  // Each digit after the time but the two that say which kind of UUID it was takes many values.
  for (let at = 13; at < 32; at += 1)
    if (at !== 16) assert.ok(new Set(ids.map((id) => id[at])).size > 8, `digit ${at}`);
  t.mock.timers.tick(1);
  const later = newJobId();
  assert.ok(ids.every((id) => id < later));
});
