import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { hasCode } from "../../src/base/errors.ts";
import { cleanUp, eventually, temporaryDirectory, type Scope } from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";
import type { Pool } from "../../src/pool/pool.ts";
import type * as TasksModule from "./fixtures/tasks.ts";
import { KINDS, openPool } from "./pools.ts";

type Tasks = typeof TasksModule;

const isLate = (error: unknown): boolean => hasCode(error, "NEWEL_E_DEADLINE");
const isCancelled = (error: unknown): boolean => hasCode(error, "NEWEL_E_CANCELLED");

/** Pool states with more or less measurement data about the workers. */
const STATES = ["just started", "idle", "with traffic"] as const;

async function bring(pool: Pool<Tasks>, state: (typeof STATES)[number], t: Scope): Promise<void> {
  await pool.start();
  if (state === "just started") return;
  for (let n = 0; n < 50; n += 1) await pool.run({ do: "who" });
  if (state === "idle") {
    await sleep(300);
    return;
  }
  const traffic = setInterval(() => {
    if (pool.state === "open" && pool.waiting < 100) pool.run({ do: "who" }).catch(() => undefined);
  }, 1);
  cleanUp(t, () => clearInterval(traffic));
  await eventually(() => pool.stats().done > 100, "small tasks run");
}

for (const kind of KINDS)
  for (const state of STATES) {
    const name = `${kind}, ${state}`;

    test(`${name}: a task that blocks its worker is found regardless of the tasks sent before and after it`, async (t) => {
      const pool = openPool<Tasks>(t, "tasks", { kind, size: 1, killMs: 300, stallMs: 1e9 });
      await bring(pool, state, t);
      const before = pool.run({ do: "sleep", ms: 60_000 });
      const file = join(temporaryDirectory(t), "spins");
      const controller = new AbortController();
      const stuck = pool.run({ do: "spin", file }, { signal: controller.signal });
      const behind = Array.from({ length: 5 }, () => pool.run({ do: "who" }));
      await eventually(() => existsSync(file), "the worker stands still", 60_000);
      controller.abort();
      await assert.rejects(stuck, isCancelled);
      await assert.rejects(before, (error) => {
        assert.ok(hasCode(error, "NEWEL_E_POOL_WORKER_LOST"));
        const { because, blocker } = (error as { readonly data: Record<string, unknown> }).data;
        assert.equal(because, "sibling");
        assert.match(
          (error as Error).message,
          new RegExp(`stood still, in task ${String(blocker)},`),
        );
        return true;
      });
      assert.equal(
        (await Promise.all(behind)).length,
        5,
        "they had not begun: the next one runs them",
      );
    });

    test(`${name}: ending a waiting task does not end a computing neighbour`, async (t) => {
      const pool = openPool<Tasks>(t, "tasks", { kind, size: 1, killMs: 100 });
      await bring(pool, state, t);
      const computing = pool.run({ do: "burn", ms: 1_000, afterMs: 20 });
      const waiting = pool.run({ do: "never" }, { timeoutMs: 200 });
      await assert.rejects(waiting, isLate);
      assert.equal((await computing).worker, 0);
      assert.equal(pool.stats().restarts, 0);
    });

    test(`${name}: a task that was cancelled or late before it began does not begin`, async (t) => {
      const pool = openPool<Tasks>(t, "tasks", { kind, size: 1 });
      await bring(pool, state, t);
      const directory = temporaryDirectory(t);
      const controller = new AbortController();
      const first = pool.run({ do: "burn", ms: 600 });
      const orders = Array.from({ length: 10 }, (_, n) => join(directory, String(n)));
      const tasks = orders.map((file, n) =>
        pool.run(
          { do: "note", file },
          n % 2 === 0 ? { signal: controller.signal } : { timeoutMs: 100 },
        ),
      );
      const settled = Promise.allSettled(tasks);
      await sleep(50);
      controller.abort();
      await settled;
      // The worker may be so late that one began before the first; then it is the turn of that one.
      const given = (await settled).map(({ status }) => status === "rejected");
      await first;
      await pool.run({ do: "who" });
      for (const [n, file] of orders.entries())
        assert.ok(!(given[n] === true && existsSync(file)), `task ${n} began after its end`);
    });
  }

/** A task that blocks its worker after an `await` is given up once it does. */
async function spinUntilGivenUp(t: Scope, pool: Pool<Tasks>): Promise<void> {
  const file = join(temporaryDirectory(t), "spins");
  const controller = new AbortController();
  const { signal } = controller;
  const stuck = assert.rejects(
    pool.run({ do: "spin", afterMs: 20, file }, { signal }),
    isCancelled,
  );
  await eventually(() => existsSync(file), "the worker stands still", 60_000);
  controller.abort();
  await stuck;
}

for (const kind of KINDS) {
  test(`${kind}: a loop that is blocked after an await, by the only task that has begun, is ended after killMs`, async (t) => {
    const pool = openPool<Tasks>(t, "tasks", { kind, size: 1, killMs: 200, stallMs: 1e9 });
    await spinUntilGivenUp(t, pool);
    assert.equal((await pool.run({ do: "add", a: 1, b: 1 })).value, 2);
    assert.equal(pool.stats().restarts, 1);
  });

  test(`${kind}: if any of several tasks may block the loop, the worker has stallMs`, async (t) => {
    const pool = openPool<Tasks>(t, "tasks", { kind, size: 1, killMs: 50, stallMs: 1_000 });
    const other = pool.run({ do: "sleep", ms: 60_000 });
    other.catch(() => undefined);
    await spinUntilGivenUp(t, pool);
    const start = performance.now();
    await assert.rejects(other, /stood still, most likely in task \d+,/);
    assert.ok(performance.now() - start > 900);
  });

  for (const concurrency of [1, 4])
    test(`${kind}: tasks that never settle do not use up a pool with ${concurrency} permits`, async (t) => {
      const pool = openPool<Tasks>(t, "tasks", { kind, size: 1, concurrency, killMs: 100 });
      await pool.start();
      for (let round = 0; round < 3; round += 1) {
        const neighbour =
          concurrency > 1 ? pool.run({ do: "sleep", ms: 1_500 }) : Promise.resolve();
        const controller = new AbortController();
        const never = Array.from({ length: concurrency }, (_, n) =>
          pool.run({ do: "never" }, n === 0 ? { signal: controller.signal } : { timeoutMs: 100 }),
        );
        const ended = Promise.all(
          never.map((task) => assert.rejects(task, (error) => isLate(error) || isCancelled(error))),
        );
        await sleep(50);
        controller.abort();
        await ended;
        assert.equal((await pool.run({ do: "add", a: 1, b: 1 })).value, 2);
        await neighbour;
      }
    });

  test(`${kind}: a burst on a new pool is spread over all its workers`, async (t) => {
    const pool = openPool<Tasks>(t, "tasks", { kind, size: 4 });
    const directory = temporaryDirectory(t);
    const burst = Array.from({ length: 4 }, () => pool.run({ do: "meet", directory, count: 4 }));
    const workers = (await Promise.all(burst)).map(({ worker }) => worker);
    assert.deepEqual(
      workers.sort((a, b) => a - b),
      [0, 1, 2, 3],
    );
  });

  for (const state of STATES)
    test(`${kind}, ${state}: a pool of one to four workers grows for a burst of long tasks`, async (t) => {
      const pool = openPool<Tasks>(t, "tasks", { kind, size: { min: 1, max: 4 } });
      const start = performance.now();
      await pool.start();
      // Long enough for others to start, even on a busy machine.
      const ms = 3 * (performance.now() - start) + 300;
      await bring(pool, state, t);
      const directory = temporaryDirectory(t);
      const burst = Array.from({ length: 8 }, () =>
        pool.run({ do: "meet", directory, count: 9, ms }),
      );
      const workers = new Set((await Promise.all(burst)).map(({ worker }) => worker));
      assert.ok(workers.size >= 3, `${workers.size} workers`);
    });
}

test("tasks that wait behind a computing one are recalled, and another worker runs them", async (t) => {
  const pool = openPool<Tasks>(t, "tasks", { size: 2 });
  await pool.start();
  // Both windows are large.
  for (let round = 0; round < 20; round += 1)
    await Promise.all(Array.from({ length: 200 }, () => pool.run({ do: "who" })));
  const long = pool.run({ do: "burn", ms: 1_000 });
  const all = await Promise.all(Array.from({ length: 40 }, () => pool.run({ do: "burn", ms: 50 })));
  const { worker } = await long;
  const others = all.filter((answer) => answer.worker !== worker);
  assert.ok(others.length >= 20, `${others.length} of 40 ran in the other worker`);
  const ran = all.map(({ pid, begun }) => `${pid} ${begun}`);
  assert.equal(new Set(ran).size, 40, "each ran once");
  assert.equal(pool.stats().waitTime.count, 20 * 200 + 41, "a recalled task has one wait");
});

for (const kind of KINDS)
  test(`${kind}: tasks behind one that never gives its event loop back run in another worker`, async (t) => {
    const pool = openPool<Tasks>(t, "tasks", { kind, size: 2 });
    await pool.start();
    // Both windows hold more than one task; there are not so many that their starts are not announced.
    for (let round = 0; round < 8; round += 1)
      await Promise.all(Array.from({ length: 40 }, () => pool.run({ do: "who" })));
    const file = join(temporaryDirectory(t), "notes");
    const stuck = pool.run({ do: "spin" });
    stuck.catch(() => undefined);
    const all = Array.from({ length: 40 }, () => pool.run({ do: "note", file }));
    const workers = new Set((await Promise.all(all)).map(({ worker }) => worker));
    assert.equal(workers.size, 1);
    assert.equal(readFileSync(file, "utf8").split("\n").length - 1, 40, "each ran once");
  });

test("tasks that a stopped process has not begun run in another one, once", async (t) => {
  const pool = openPool<Tasks>(t, "tasks", { size: 2 });
  await pool.start();
  for (let n = 0; n < 20; n += 1) await pool.run({ do: "who" });
  const pid = pool.stats().workers[0]?.pid ?? 0;
  const file = join(temporaryDirectory(t), "notes");
  sendSignal(pid, "SIGSTOP");
  try {
    for (let n = 0; n < 3; n += 1) {
      const all = Array.from({ length: 20 }, () => pool.run({ do: "note", file }));
      for (const answer of await Promise.all(all)) assert.notEqual(answer.pid, pid);
    }
  } finally {
    sendSignal(pid, "SIGCONT");
  }
  const isBack = async (): Promise<boolean> => (await pool.run({ do: "who" })).pid === pid;
  await eventually(isBack, "it gets tasks again");
  assert.equal(readFileSync(file, "utf8").split("\n").length - 1, 60, "each ran once");
});

test("a task of low priority waits longer, but starts eventually", async (t) => {
  const pool = openPool<Tasks>(t, "tasks", { size: 1, concurrency: 1 });
  await pool.start();
  let urgent = 0;
  const over = new AbortController();
  // Tasks of higher priority arrive faster than they are done.
  const caller = async (): Promise<void> => {
    while (!over.signal.aborted) {
      await pool.run({ do: "sleep", ms: 20 });
      urgent += 1;
    }
  };
  const callers = Promise.all([caller(), caller(), caller()]);
  await pool.run({ do: "who" }, { priority: -1 });
  over.abort();
  assert.ok(urgent > 3, `${urgent} more urgent ones went first`);
  await callers;
});
