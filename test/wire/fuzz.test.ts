import assert from "node:assert/strict";
import { test } from "node:test";

import { fuzz } from "./fuzz.ts";

// test/soak/wire.ts sends a million.
test("20,000 random and mutated frames: every refusal has a code, no state is left behind", async () => {
  const { problems, sessions } = await fuzz(20_000, 20_261_121);
  assert.deepEqual(problems, []);
  assert.ok(sessions > 100, "most sessions end early");
});
