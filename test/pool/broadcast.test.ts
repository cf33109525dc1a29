import assert from "node:assert/strict";
import { test } from "node:test";

import { hasCode } from "../../src/base/errors.ts";
import { eventually } from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";
import type * as EchoModule from "./fixtures/echo.ts";
import type * as StateModule from "./fixtures/state.ts";
import { KINDS, openPool } from "./pools.ts";

type State = typeof StateModule;

for (const kind of KINDS)
  test(`${kind}: a broadcast reaches every worker once; static data is available before it`, async (t) => {
    const pool = openPool<State>(t, "state", { kind, size: 3, data: { first: 1 } });
    const before = await Promise.all(
      [0, 1, 2].map((worker) => pool.run({ get: true }, { worker })),
    );
    assert.ok(before.every(({ rates, sets }) => rates === 1 && sets === 0));
    const told = await pool.broadcast({ set: 5 });
    assert.deepEqual(
      told.map(({ worker, rates, sets }) => [worker, rates, sets]),
      [0, 1, 2].map((worker) => [worker, 5, 1]),
    );
  });

for (const kind of KINDS)
  test(`${kind}: large binary data reaches every worker`, async (t) => {
    const pool = openPool<typeof EchoModule>(t, "echo", { kind, size: 3 });
    const bytes = new Uint8Array(200_000).fill(3);
    for (const back of await pool.broadcast({ bytes }, { sticky: true }))
      assert.deepEqual(back, { bytes });
  });

test("a broadcast without sticky is lost with its worker; a sticky one is replayed before any task", async (t) => {
  const pool = openPool<State>(t, "state", { size: 1, data: { first: 1 } });
  await pool.broadcast({ set: 2 });
  await assert.rejects(pool.run({ exit: true }));
  assert.equal((await pool.run({ get: true })).rates, 1);
  await pool.broadcast({ set: 3 }, { sticky: true });
  await assert.rejects(pool.run({ exit: true }));
  assert.equal((await pool.run({ get: true })).rates, 3);
});

test("100 sticky broadcasts while workers are killed: every task sees the last state", async (t) => {
  const pool = openPool<State>(t, "state", { size: 2, data: { first: 0 } });
  await pool.start();
  const stale: number[] = [];
  for (let rates = 1; rates <= 100; rates += 1) {
    if (rates % 5 === 0) {
      const { workers } = pool.stats();
      const victim = workers[rates % 2];
      if (victim?.state === "ready") sendSignal(victim.pid, "SIGKILL");
    }
    const told = await pool.broadcast({ set: rates }, { sticky: "rates" });
    if (told.some((each) => each.rates !== rates)) stale.push(rates);
    const seen = await Promise.allSettled(
      Array.from({ length: 10 }, () => pool.run({ get: true }, { retries: 3 })),
    );
    for (const each of seen)
      if (each.status === "rejected" || each.value.rates !== rates) stale.push(rates);
  }
  assert.deepEqual(stale, []);
  assert.ok(pool.stats().restarts >= 15, `${pool.stats().restarts} were replaced`);
});

test("new workers that block before they have read their sticky broadcasts run them first", async (t) => {
  const pool = openPool<State>(t, "state", { size: 2, data: { first: 0, blockMs: 200 } });
  const told = pool.broadcast({ set: 9 }, { sticky: true });
  const seen = await Promise.all(Array.from({ length: 10 }, () => pool.run({ get: true })));
  assert.ok(seen.every(({ rates }) => rates === 9));
  assert.equal((await told).length, 2);
});

test("workers that are added later get the sticky state too", async (t) => {
  const pool = openPool<State>(t, "state", {
    size: { min: 1, max: 2, idleMs: 100 },
    concurrency: 1,
    data: { first: 0 },
  });
  await pool.broadcast({ set: 9 }, { sticky: true });
  const all = await eventually(async () => {
    const seen = await Promise.all(Array.from({ length: 3_000 }, () => pool.run({ get: true })));
    return seen.some(({ worker }) => worker === 1) && seen;
  }, "a second worker was started");
  assert.ok(all.every(({ rates }) => rates === 9));
  await eventually(() => pool.size === 1, "and it left when there was nothing to do");
});

test("a broadcast that is cancelled, or to a pool that is closed, is refused", async (t) => {
  const pool = openPool<State>(t, "state", { size: 1, data: { first: 0 } });
  await assert.rejects(pool.broadcast({ set: 1 }, { signal: AbortSignal.abort() }), (error) =>
    hasCode(error, "NEWEL_E_CANCELLED"),
  );
  await pool.stop();
  await assert.rejects(pool.broadcast({ set: 1 }), (error) =>
    hasCode(error, "NEWEL_E_POOL_CLOSED"),
  );
});
