import assert from "node:assert/strict";
import { test } from "node:test";

import { freePort } from "../helpers/resources.ts";
import { pollDuringEdits } from "../load/dev-scenario.ts";

const EDITS = 5;

test(`${EDITS} edits during 20 requests a second: newel dev fails none, node --watch some`, async () => {
  const ours = await pollDuringEdits("newel dev", EDITS, await freePort());
  assert.equal(ours.failed, 0, JSON.stringify(ours));
  assert.ok(ours.polls > EDITS);
  const watch = await pollDuringEdits("node --watch", EDITS, await freePort());
  assert.ok(watch.failed > 0, JSON.stringify(watch));
});
