import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { hasCode } from "../../src/base/errors.ts";
import { eventually } from "../helpers/resources.ts";
import type * as TasksModule from "./fixtures/tasks.ts";
import { KINDS, openPool } from "./pools.ts";

type Tasks = typeof TasksModule;

const isLate = (error: unknown): boolean => hasCode(error, "NEWEL_E_DEADLINE");
const isCancelled = (error: unknown): boolean => hasCode(error, "NEWEL_E_CANCELLED");

for (const kind of KINDS) {
  test(`${kind}: a cancelled task rejects at once, its worker and its neighbours go on`, async (t) => {
    const pool = openPool<Tasks>(t, "tasks", { kind, size: 1 });
    const { pid } = await pool.run({ do: "who" });
    const controllers = Array.from({ length: 64 }, () => new AbortController());
    const tasks = controllers.map(({ signal }) => pool.run({ do: "sleep", ms: 300 }, { signal }));
    await sleep(50);
    const reason = new Error("changed my mind");
    controllers[7]?.abort(reason);
    await assert.rejects(tasks[7] ?? Promise.resolve(), (error) => {
      assert.ok(isCancelled(error));
      return (error as Error).cause === reason;
    });
    const settled = await Promise.allSettled(tasks);
    assert.equal(settled.filter(({ status }) => status === "fulfilled").length, 63);
    assert.equal((await pool.run({ do: "who" })).pid, pid);
    assert.equal(pool.stats().restarts, 0);
  });

  test(`${kind}: a task that blocks the loop past its time is killed, and the pool goes on`, async (t) => {
    const pool = openPool<Tasks>(t, "tasks", { kind, killMs: 200 });
    await pool.start();
    const start = performance.now();
    await assert.rejects(pool.run({ do: "spin" }, { timeoutMs: 200 }), isLate);
    assert.ok(performance.now() - start < 2_000);
    await eventually(() => pool.stats().restarts === 1, "the blocked worker is replaced");
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => pool.run({ do: "sleep", ms: 20 })),
    );
    assert.equal(answers.length, 20);
  });
}

test("an aborted signal, one that is shared, and one that aborts while the task waits", async (t) => {
  const pool = openPool<Tasks>(t, "tasks", { size: 1, concurrency: 1 });
  await pool.start();
  await assert.rejects(pool.run({ do: "who" }, { signal: AbortSignal.abort() }), isCancelled);
  const first = pool.run({ do: "sleep", ms: 100 });
  const shared = new AbortController();
  const waiting = Array.from({ length: 100 }, () =>
    pool.run({ do: "who" }, { signal: shared.signal }),
  );
  assert.equal(pool.waiting, 100);
  shared.abort();
  for (const task of waiting) await assert.rejects(task, isCancelled);
  assert.equal(pool.waiting, 0, "they leave the queue");
  assert.equal((await first).begun, 1);
  assert.equal((await pool.run({ do: "who" })).begun, 2, "none of them was run");
});

test("deadlines hold for tasks that wait as well, and longer ones are not touched", async (t) => {
  const pool = openPool<Tasks>(t, "tasks", { size: 1, concurrency: 1, timeoutMs: 10_000 });
  await pool.start();
  const long = pool.run({ do: "sleep", ms: 300 });
  await assert.rejects(pool.run({ do: "who" }, { timeoutMs: 100 }), isLate);
  await long;
  assert.equal((await pool.run({ do: "who" })).begun, 2);
});

test("a task that hears nobody keeps its place until it is done; its worker is not killed", async (t) => {
  const pool = openPool<Tasks>(t, "tasks", { size: 1, concurrency: 1, killMs: 50 });
  const { pid } = await pool.run({ do: "who" });
  await assert.rejects(pool.run({ do: "sleep", ms: 300, deaf: true }, { timeoutMs: 50 }), isLate);
  assert.equal((await pool.run({ do: "who" })).pid, pid);
});

test("a long task that nobody gave up is not killed for a short one behind it", async (t) => {
  const pool = openPool<Tasks>(t, "tasks", { size: 1, killMs: 100 });
  await pool.start();
  const long = pool.run({ do: "burn", ms: 800 });
  await assert.rejects(pool.run({ do: "who" }, { timeoutMs: 100 }), isLate);
  assert.equal((await long).worker, 0);
  assert.equal(pool.stats().restarts, 0);
});

test("nothing waits behind a worker that stands still while another is free", async (t) => {
  const pool = openPool<Tasks>(t, "tasks");
  await pool.start();
  await Promise.all(Array.from({ length: 50 }, () => pool.run({ do: "who" })));
  const blocked = pool.run({ do: "burn", ms: 1_500 });
  await sleep(50);
  const start = performance.now();
  await Promise.all(Array.from({ length: 20 }, () => pool.run({ do: "who" })));
  assert.ok(performance.now() - start < 1_000, "they did not wait for the blocked one");
  await blocked;
});
