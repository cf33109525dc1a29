import assert from "node:assert/strict";

import type { Pool } from "../../src/pool/pool.ts";
import type * as EchoModule from "./fixtures/echo.ts";
import { RandomValues } from "./random-values.ts";

/** Values that are on their way at the same time, so that batches are mixed. */
const AT_ONCE = 200;

/** Sends random values to an echo and compares what comes back. */
export async function compareValues(
  pool: Pool<typeof EchoModule>,
  count: number,
  seed: number,
): Promise<void> {
  const values = new RandomValues(seed);
  for (let sent = 0; sent < count; sent += AT_ONCE) {
    const batch = Array.from({ length: Math.min(AT_ONCE, count - sent) }, () => values.value());
    const back = await Promise.all(batch.map((value) => pool.run(value)));
    for (const [index, value] of batch.entries())
      assert.deepStrictEqual(back[index], value, `seed ${seed}, value ${sent + index}`);
  }
}
