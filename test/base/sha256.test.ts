import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { test } from "node:test";

import { sha256 } from "../../src/base/sha256.ts";

test("the hash of a text is that of node:crypto, at every length around the block size", () => {
  for (let length = 0; length < 300; length += 1) {
    const text = randomBytes(length).toString("latin1");
    assert.equal(sha256(text), createHash("sha256").update(text).digest("hex"), `${length}`);
  }
  const long = "settings €".repeat(20_000);
  assert.equal(sha256(long), createHash("sha256").update(long).digest("hex"));
});
