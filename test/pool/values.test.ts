import { test } from "node:test";

import type * as EchoModule from "./fixtures/echo.ts";
import { KINDS, openPool } from "./pools.ts";
import { compareValues } from "./values.ts";

for (const kind of KINDS)
  test(`${kind}: 2,000 random values arrive as they were sent`, async (t) => {
    const pool = openPool<typeof EchoModule>(t, "echo", { kind });
    const seed = Date.now() % 1_000_000_000;
    t.diagnostic(`seed ${seed}`);
    await compareValues(pool, 2_000, seed);
  });
