import assert from "node:assert/strict";
import { test } from "node:test";

import type * as EchoModule from "./fixtures/echo.ts";
import { KINDS, openPool } from "./pools.ts";
import { compareValues } from "../helpers/compare-values.ts";

for (const kind of KINDS)
  test(`${kind}: 2,000 random values arrive unchanged or are refused`, async (t) => {
    const pool = openPool<typeof EchoModule>(t, "echo", { kind });
    const seed = Date.now() % 1_000_000_000;
    t.diagnostic(`seed ${seed}`);
    await compareValues((value) => pool.run(value), 2_000, seed);
  });

test("a deeply nested Buffer comes back as a Buffer, from threads too", async (t) => {
  const pool = openPool<typeof EchoModule>(t, "echo", { kind: "thread" });
  const value = {
    // A clone is worthwhile for a value with much separate memory.
    large: new Float64Array(20_000),
    map: new Map([[new Map([["key", Buffer.from("a buffer")]]), 1]]),
  };
  assert.deepStrictEqual(await pool.run(value), value);
  const views = [1, 2, 3].map((at) => new Uint8Array(new ArrayBuffer(1_000_000), at, 30_000));
  const back = (await pool.run(views)) as Uint8Array[];
  assert.deepEqual(back, views);
  assert.ok(
    back.every(({ buffer }) => buffer.byteLength < 1_000_000),
    "what no view shows stays behind",
  );
});
