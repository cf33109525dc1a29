import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { hasCode } from "../../src/base/errors.ts";
import { eventually, startProcess } from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";
import type * as BrokenModule from "./fixtures/broken.ts";
import type * as TasksModule from "./fixtures/tasks.ts";
import { killWorkers } from "./kills.ts";
import { fixture, isRunning, KINDS, openPool } from "./pools.ts";

type Tasks = typeof TasksModule;
type Broken = typeof BrokenModule;

const isLost = (error: unknown): boolean => hasCode(error, "NEWEL_E_POOL_WORKER_LOST");

test("40 workers killed under load: every task settles once, and the pool has all its workers again", async (t) => {
  const backoff = { minMs: 10, maxMs: 50 };
  const pool = openPool<Tasks>(t, "tasks", { size: 3, backoff });
  const seen = await killWorkers(pool, 40);
  assert.deepEqual(seen.problems, []);
  assert.ok(seen.tasks > 300, `${seen.tasks} tasks`);
  assert.ok(pool.stats().restarts === 40, `${pool.stats().restarts} workers were replaced`);
});

for (const kind of KINDS) {
  test(`${kind}: a worker that exits or crashes loses only its own tasks, and is replaced`, async (t) => {
    const pool = openPool<Tasks>(t, "tasks", { kind });
    await pool.start();
    const ends: string[] = [];
    pool.on("workerEnd", ({ how }) => ends.push(how));
    for (let round = 0; round < 3; round += 1) {
      await eventually(() => pool.size === 2, "both workers are there");
      const others = Array.from({ length: 20 }, () => pool.run({ do: "sleep", ms: 50 }));
      const all = await Promise.allSettled([pool.run({ do: "exit", code: 3 }), ...others]);
      const [exited, ...rest] = all;
      assert.ok(exited?.status === "rejected" && isLost(exited.reason));
      assert.match(String(exited.reason), /exited with code 3/);
      assert.ok(
        rest.some(({ status }) => status === "fulfilled"),
        "the other worker goes on",
      );
      for (const each of rest) assert.ok(each.status === "fulfilled" || isLost(each.reason));
      assert.equal((await pool.run({ do: "add", a: 1, b: 1 })).value, 2);
    }
    assert.equal(ends.length, 3);
    await eventually(() => pool.size === 2, "both workers are back");
  });

  test(`${kind}: tasks that may be retried survive the death of their worker`, async (t) => {
    const pool = openPool<Tasks>(t, "tasks", { kind });
    await pool.start();
    const tasks = Array.from({ length: 50 }, () =>
      pool.run({ do: "sleep", ms: 50 }, { retries: 1 }),
    );
    await assert.rejects(pool.run({ do: "exit", code: 1 }), isLost);
    assert.equal((await Promise.all(tasks)).length, 50);
    // A task that kills its worker is not retried without end.
    await assert.rejects(pool.run({ do: "exit", code: 1 }, { retries: 2 }), isLost);
    assert.equal(pool.stats().restarts, 4);
  });
}

test("a worker that runs out of memory is reported as such, for both kinds", async (t) => {
  const processes = openPool<Tasks>(t, "tasks", {
    size: 1,
    execArgv: ["--max-old-space-size=40"],
    env: { NODE_OPTIONS: "" },
  });
  await assert.rejects(processes.run({ do: "eat" }), /out of memory/);
  assert.equal((await processes.run({ do: "add", a: 1, b: 1 })).value, 2);
  const threads = openPool<Tasks>(t, "tasks", {
    size: 1,
    kind: "thread",
    resourceLimits: { maxOldGenerationSizeMb: 20 },
  });
  await assert.rejects(threads.run({ do: "eat" }), /out of memory/);
  assert.equal((await threads.run({ do: "add", a: 1, b: 1 })).value, 2);
});

test("a partially written answer of a dying worker does not count", async (t) => {
  const pool = openPool<Tasks>(t, "tasks", { size: 1 });
  await assert.rejects(pool.run({ do: "half", bytes: 30_000_000 }), isLost);
  assert.equal((await pool.run({ do: "add", a: 1, b: 1 })).value, 2);
});

test("a worker whose library writes to the connection of the pool is replaced", async (t) => {
  const pool = openPool<Tasks>(t, "tasks", { size: 1 });
  // The length of a body, and a frame of the type OK.
  const headerOf = (bytes: string): string => `${bytes}\x04${"\0".repeat(11)}`;
  const texts = {
    "a line": "a line of a library\n",
    "another line": "warn\tabout something\n",
    "a header of a body that never arrives": headerOf("\x7f\x7f\x7f\x7f"),
    "a header of a body that takes the answer": headerOf("\x7f\0\0\0"),
  };
  for (const [name, text] of Object.entries(texts))
    await assert.rejects(
      pool.run({ do: "write", text }),
      (error) => isLost(error) && /descriptor 3/.test((error as Error).message),
      name,
    );
  assert.equal((await pool.run({ do: "add", a: 1, b: 1 })).value, 2);
});

test("a worker that cannot start closes the pool, and the error has the reason", async (t) => {
  for (const [data, why] of [
    ["throw", /no database/],
    ["exit", /exited with code 9/],
  ] as const) {
    const pool = openPool<Broken>(t, "broken", { data });
    const waiting = pool.run(undefined);
    await assert.rejects(pool.start(), (error) => hasCode(error, "NEWEL_E_POOL_WORKER_START"));
    await assert.rejects(waiting, why);
    await assert.rejects(pool.run(undefined), (error) => hasCode(error, "NEWEL_E_POOL_CLOSED"));
  }
  const slow = openPool<Broken>(t, "broken", { data: "hang", startMs: 500, size: 1 });
  await assert.rejects(slow.start(), /not ready within 500 ms/);
  const none = openPool(t, "no-worker", { size: 1 });
  await assert.rejects(none.run(1), /neither made by defineWorker nor a class/);
});

test("a worker that dies before its first task is restarted with backoff", async (t) => {
  const pool = openPool<Tasks>(t, "tasks", {
    size: 1,
    backoff: { minMs: 300, maxMs: 300, jitter: 0 },
  });
  await pool.start();
  const [{ pid } = { pid: 0 }] = pool.stats().workers;
  sendSignal(pid, "SIGKILL");
  const start = performance.now();
  await eventually(() => pool.size === 0, "it is gone");
  await eventually(() => pool.size === 1, "it is back");
  assert.ok(performance.now() - start >= 290);
});

for (const setpriv of ["with setpriv", "without setpriv"])
  test(`workers, blocked ones included, end with their parent and ignore its signals: ${setpriv}`, async (t) => {
    const program = `
    import { Pool } from ${JSON.stringify(new URL("../../src/pool/pool.ts", import.meta.url).href)};
    const pool = new Pool({ worker: ${JSON.stringify(fixture("tasks"))}, size: 2, env: { PATH: "/of the workers" } });
    await pool.start();
    void pool.run({ do: "spin" });
    void pool.run({ do: "sleep", ms: 60000 });
    process.on("SIGINT", () => undefined);
    console.log(JSON.stringify(pool.stats().workers.map(({ pid }) => pid)));
  `;
    const child = startProcess(t, process.execPath, ["--input-type=module", "-e", program], {
      detached: true,
      env: { ...process.env, ...(setpriv === "without setpriv" ? { PATH: "/nowhere" } : {}) },
    });
    const line = await new Promise<string>((resolve) => {
      child.stdout?.once("data", (chunk: Buffer) => resolve(String(chunk)));
    });
    const pids = JSON.parse(line) as number[];
    assert.equal(pids.length, 2);
    await sleep(200);
    sendSignal(-(child.pid ?? 0), "SIGINT");
    for (const pid of pids) sendSignal(pid, "SIGTERM");
    await sleep(200);
    assert.ok(pids.every(isRunning), "signals do not end workers");
    child.kill("SIGKILL");
    await eventually(() => !pids.some(isRunning), "they are gone");
  });
