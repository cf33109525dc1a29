import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { hasCode } from "../../src/base/errors.ts";
import type * as TasksModule from "./fixtures/tasks.ts";
import { fixture, isRunning, KINDS, openPool } from "./pools.ts";

type Tasks = typeof TasksModule;

for (const kind of KINDS) {
  test(`${kind}: stop finishes running and waiting tasks, then the workers exit`, async (t) => {
    const pool = openPool<Tasks>(t, "tasks", { kind, concurrency: 4 });
    await pool.start();
    const pids = pool.stats().workers.map(({ pid }) => pid);
    const ends: string[] = [];
    pool.on("workerEnd", ({ how }) => ends.push(how));
    const tasks = Array.from({ length: 20 }, () => pool.run({ do: "sleep", ms: 100 }));
    const stopped = pool.stop();
    await assert.rejects(pool.run({ do: "who" }), (error) => hasCode(error, "NEWEL_E_POOL_CLOSED"));
    assert.equal((await Promise.all(tasks)).length, 20);
    await stopped;
    assert.equal(pool.state, "closed");
    assert.deepEqual(ends, ["it exited with code 0", "it exited with code 0"]);
    if (kind === "process") assert.ok(!pids.some(isRunning));
    await pool.close();
  });

  test(`${kind}: a stuck task is ended after the grace, and its promise rejects`, async (t) => {
    const pool = openPool<Tasks>(t, "tasks", { kind, concurrency: 1 });
    await pool.start();
    const stuck = [
      pool.run({ do: "spin" }),
      pool.run({ do: "sleep", ms: 60_000, deaf: true }),
      pool.run({ do: "who" }),
    ];
    const start = performance.now();
    const settled = Promise.allSettled(stuck);
    await pool.close({ graceMs: 300 });
    assert.ok(performance.now() - start >= 290);
    assert.ok(performance.now() - start < 50_000, "less than the task of 60 s");
    for (const each of await settled)
      assert.ok(each.status === "rejected" && hasCode(each.reason, "NEWEL_E_POOL_STUCK"));
  });
}

test("await using closes; a pool that was never used closes at once", async () => {
  const { Pool } = await import("../../src/pool/pool.ts");
  let seen: { readonly state: string } | undefined;
  {
    await using pool = new Pool<Tasks>({ worker: fixture("tasks"), size: 1 });
    assert.equal((await pool.run({ do: "add", a: 1, b: 1 })).value, 2);
    seen = pool;
  }
  assert.equal(seen.state, "closed");
  const unused = new Pool<Tasks>({ worker: fixture("tasks") });
  await unused.stop();
  await assert.rejects(unused.start(), (error) => hasCode(error, "NEWEL_E_POOL_CLOSED"));
});

test("an idle pool does not keep the program running; its workers end with it", async () => {
  const program = `
    import { Pool } from ${JSON.stringify(new URL("../../src/pool/pool.ts", import.meta.url).href)};
    const pool = new Pool({ worker: ${JSON.stringify(fixture("tasks"))}, size: 1 });
    const { pid } = await pool.run({ do: "sleep", ms: 50 });
    console.log(pid);
  `;
  const { stdout, status, stderr } = spawnSync(
    process.execPath,
    ["--input-type=module", "-e", program],
    { encoding: "utf8", timeout: 20_000 },
  );
  assert.equal(status, 0, stderr);
  await sleep(500);
  assert.ok(!isRunning(Number(stdout)));
});
