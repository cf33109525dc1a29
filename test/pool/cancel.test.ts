import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { hasCode } from "../../src/base/errors.ts";
import { eventually, temporaryDirectory } from "../helpers/resources.ts";
import type * as TasksModule from "./fixtures/tasks.ts";
import { KINDS, openPool } from "./pools.ts";

type Tasks = typeof TasksModule;

const isLate = (error: unknown): boolean => hasCode(error, "NEWEL_E_DEADLINE");
const isCancelled = (error: unknown): boolean => hasCode(error, "NEWEL_E_CANCELLED");

for (const kind of KINDS) {
  test(`${kind}: a cancelled task rejects immediately, its worker and its neighbours continue`, async (t) => {
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

  test(`${kind}: a task that blocks the loop past its deadline is killed, and the pool continues`, async (t) => {
    const pool = openPool<Tasks>(t, "tasks", { kind, killMs: 200 });
    await pool.start();
    await assert.rejects(pool.run({ do: "spin" }, { timeoutMs: 200 }), isLate);
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

test("deadlines apply to waiting tasks too, and longer deadlines are not affected", async (t) => {
  const pool = openPool<Tasks>(t, "tasks", { size: 1, concurrency: 1, timeoutMs: 10_000 });
  await pool.start();
  const long = pool.run({ do: "sleep", ms: 300 });
  await assert.rejects(pool.run({ do: "who" }, { timeoutMs: 100 }), isLate);
  await long;
  assert.equal((await pool.run({ do: "who" })).begun, 2);
});

test("a task that listens to no signal keeps its permit until it is done, for killMs", async (t) => {
  const pool = openPool<Tasks>(t, "tasks", { size: 1, concurrency: 1, killMs: 60_000 });
  const { pid } = await pool.run({ do: "who" });
  await assert.rejects(pool.run({ do: "sleep", ms: 300, deaf: true }, { timeoutMs: 50 }), isLate);
  assert.equal((await pool.run({ do: "who" })).pid, pid);
});

test("a long task that was not given up is not killed for a short one behind it", async (t) => {
  const pool = openPool<Tasks>(t, "tasks", { size: 1, killMs: 100 });
  await pool.start();
  const long = pool.run({ do: "burn", ms: 800 });
  await assert.rejects(pool.run({ do: "who" }, { timeoutMs: 100 }), isLate);
  assert.equal((await long).worker, 0);
  assert.equal(pool.stats().restarts, 0);
});

test("no task waits behind a blocked worker while another is free", async (t) => {
  const pool = openPool<Tasks>(t, "tasks");
  await pool.start();
  await Promise.all(Array.from({ length: 50 }, () => pool.run({ do: "who" })));
  const directory = temporaryDirectory(t);
  const blocked = pool.run({ do: "meet", directory, count: 2 });
  await eventually(() => readdirSync(directory).length === 1, "a worker is blocked");
  // A task that waited for the blocked worker would never end.
  await Promise.all(Array.from({ length: 20 }, () => pool.run({ do: "who" })));
  writeFileSync(join(directory, "go on"), "");
  await blocked;
});
