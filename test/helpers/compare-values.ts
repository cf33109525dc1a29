import assert from "node:assert/strict";

import { hasCode } from "../../src/base/errors.ts";
import { RandomValues } from "./random-values.ts";

/** Values in flight at the same time, so that batches are mixed. */
const AT_ONCE = 200;

/**
 * Sends random values to an echo: each comes back equal, or is refused because a part of it cannot be copied.
 *
 * @param refusesProto - a key `__proto__` is refused on this transport
 */
export async function compareValues(
  echo: (value: unknown) => Promise<unknown>,
  count: number,
  seed: number,
  refusesProto = false,
): Promise<void> {
  const values = new RandomValues(seed);
  for (let sent = 0; sent < count; sent += AT_ONCE) {
    const batch = Array.from({ length: Math.min(AT_ONCE, count - sent) }, () => {
      const value = values.next();
      return { value, hasHost: values.hasHost };
    });
    const back = await Promise.allSettled(batch.map(async ({ value }) => echo(value)));
    for (const [index, { value, hasHost }] of batch.entries()) {
      const outcome = back[index];
      const where = `seed ${seed}, value ${sent + index}`;
      if (outcome?.status === "fulfilled") {
        assert.deepStrictEqual(outcome.value, value, where);
      } else {
        const error: unknown = outcome?.reason;
        assert.ok(hasCode(error, "NEWEL_E_NOT_SENDABLE"), `${where}: ${String(error)}`);
        const isProto = refusesProto && String(error).includes("__proto__");
        assert.ok(hasHost || isProto, `${where} was refused: ${String(error)}`);
      }
    }
  }
}
