import assert from "node:assert/strict";
import { test } from "node:test";

import { eventually } from "../helpers/resources.ts";
import type * as TasksModule from "./fixtures/tasks.ts";
import { KINDS, openPool } from "./pools.ts";

type Tasks = typeof TasksModule;

for (const kind of KINDS)
  test(`${kind}: workers are replaced after the set number of tasks, and no task is lost`, async (t) => {
    const pool = openPool<Tasks>(t, "tasks", { kind, recycle: { tasks: 100 } });
    const left: string[] = [];
    pool.on("workerEnd", ({ how }) => left.push(how));
    const end = performance.now() + 20_000;
    let done = 0;
    await Promise.all(
      Array.from({ length: 20 }, async () => {
        while (left.length < 4 && performance.now() < end) {
          await pool.run({ do: "sleep", ms: 2 });
          done += 1;
        }
      }),
    );
    assert.ok(left.length >= 4, `${left.length} left after ${done} tasks`);
    assert.ok(
      left.every((how) => how === "it exited with code 0"),
      left.join("; "),
    );
    assert.equal(pool.stats().failed, 0);
  });

test("workers are replaced at the set age or memory size", async (t) => {
  for (const recycle of [{ ageMs: 100 }, { rssBytes: 1_000 }]) {
    const pool = openPool<Tasks>(t, "tasks", { size: 1, statsMs: 50, recycle });
    const { pid } = await pool.run({ do: "who" });
    await eventually(
      async () => (await pool.run({ do: "who" })).pid !== pid,
      "another took its place",
    );
    assert.equal(pool.stats().failed, 0);
  }
});

test("a memory limit of Infinity is accepted, and replaces no worker", async (t) => {
  const recycle = { rssBytes: Number.POSITIVE_INFINITY };
  const pool = openPool<Tasks>(t, "tasks", { size: 1, statsMs: 50, recycle });
  const { pid } = await pool.run({ do: "who" });
  await eventually(() => pool.stats().workers[0]?.resources !== undefined, "its size is known");
  assert.equal((await pool.run({ do: "who" })).pid, pid);
});
