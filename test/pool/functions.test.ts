import assert from "node:assert/strict";
import { test } from "node:test";

import { hasCode } from "../../src/base/errors.ts";
import { taskContext } from "../../src/pool/worker/context.ts";
import type * as FunctionsModule from "./fixtures/functions.ts";
import type * as StreamsModule from "./fixtures/streams.ts";
import { KINDS, openPool } from "./pools.ts";

type Functions = typeof FunctionsModule;
type Streams = typeof StreamsModule;

for (const kind of KINDS) {
  test(`${kind}: named functions of a module with a default export, and their options`, async (t) => {
    const pool = openPool<Streams>(t, "streams", { kind, size: 2, name: "named" });
    assert.equal(await pool.fn().add(20, 22), 42);
    assert.deepEqual(await pool.fn({ worker: 1 }).whoAmI(), { worker: 1, pool: "named" });
    const { add, whoAmI } = pool.fn({ worker: 0 });
    const both = await Promise.all([add(1, 1), whoAmI()]);
    assert.deepEqual(both, [2, { worker: 0, pool: "named" }]);
    const controller = new AbortController();
    const aborted = pool.fn({ signal: controller.signal }).untilAborted();
    setImmediate(() => controller.abort());
    await assert.rejects(aborted, (error) => hasCode(error, "NEWEL_E_CANCELLED"));
    await assert.rejects(pool.fn({ timeoutMs: 20 }).untilAborted(), (error) =>
      hasCode(error, "NEWEL_E_DEADLINE"),
    );
    const items: number[] = [];
    for await (const item of pool.gen({ worker: 1 }).squares(4)) items.push(item);
    assert.deepEqual(items, [0, 1, 4, 9]);
  });

  test(`${kind}: a module without a default export has only its named functions`, async (t) => {
    const pool = openPool<Functions>(t, "functions", { kind, size: 1 });
    assert.deepEqual(await pool.fn().twice("a"), ["a", "a"]);
    await assert.rejects(pool.fn().fails(), { name: "TypeError", message: "as it should" });
    const untyped = pool as unknown as { run(task: unknown): Promise<unknown> };
    await assert.rejects(untyped.run(1), (error) => hasCode(error, "NEWEL_E_POOL_NO_FUNCTION"));
  });

  test(`${kind}: a name that is no exported function is refused, and the worker continues`, async (t) => {
    const pool = openPool(t, "streams", { kind, size: 1 });
    const functions = pool.fn<Record<string, () => Promise<unknown>>>();
    for (const name of [
      "nothing",
      "notAFunction",
      "default",
      "toString",
      "constructor",
      "__proto__",
    ])
      await assert.rejects(functions[name]?.() ?? Promise.resolve(), (error) =>
        hasCode(error, "NEWEL_E_POOL_NO_FUNCTION"),
      );
    assert.equal(await pool.fn<Streams>().add(1, 2), 3);
    assert.equal(pool.stats().restarts, 0);
  });
}

test("the functions of a pool are no promise", async (t) => {
  const pool = openPool<Streams>(t, "streams", { size: 1 });
  const functions = pool.fn();
  assert.equal(await Promise.resolve(functions), functions);
  assert.throws(
    () => pool.fn({ timeoutMs: -1 }),
    (error) => hasCode(error, "NEWEL_E_POOL_OPTION"),
  );
});

test("the context of a task is refused outside of a task", () => {
  assert.throws(taskContext, (error) => hasCode(error, "NEWEL_E_POOL_NO_CONTEXT"));
});
