import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { hasCode } from "../../src/base/errors.ts";
import { eventually } from "../helpers/resources.ts";
import type * as TasksModule from "./fixtures/tasks.ts";
import type * as LooppoolModule from "./fixtures/looppool.ts";
import type * as MessagesModule from "./fixtures/messages.ts";
import { flood } from "./flood.ts";
import { KINDS, openPool } from "./pools.ts";

type Messages = typeof MessagesModule;
type Tasks = typeof TasksModule;
type Looppool = typeof LooppoolModule;

for (const kind of KINDS) {
  test(`${kind}: messages arrive without a task, and several for one task, in order`, async (t) => {
    const pool = openPool<Messages>(t, "messages", { kind, size: 1, data: { hello: true } });
    const seen: unknown[] = [];
    pool.on("message", (value, { worker }) => seen.push([worker, value]));
    assert.equal(await pool.run({ post: 5 }), "posted");
    assert.deepEqual(seen, [[0, "hello"], ...[0, 1, 2, 3, 4].map((n) => [0, n])]);
  });
}

test("unprocessed results slow the workers down", async (t) => {
  let pending = 0;
  let most = 0;
  let seen = 0;
  const pool = openPool<Messages>(t, "messages", {
    size: 2,
    resultQueueSize: 10,
    onResult: async () => {
      pending += 1;
      most = Math.max(most, pending);
      await sleep(10);
      pending -= 1;
      seen += 1;
    },
  });
  await pool.start();
  const posting = [pool.run({ post: 200 }), pool.run({ post: 200, wait: true })];
  await sleep(100);
  assert.ok(
    seen < 400 && pool.stats().running === 2,
    "a task is not done before its messages left",
  );
  await Promise.all(posting);
  for (let n = 0; n < 100; n += 1) await pool.put({ post: 0 });
  await pool.stop();
  assert.equal(seen, 500, "stop waits for them");
  assert.ok(most <= 10 + 2, `${most} were pending at once`);
});

test("onResult may run tasks itself, even when the queue of results is full", async (t) => {
  let seen = 0;
  const pool = openPool<Messages>(t, "messages", {
    size: 1,
    resultQueueSize: 2,
    onResult: async () => {
      if (seen < 50) await pool.run({ slow: 1 });
      seen += 1;
    },
  });
  for (let n = 0; n < 50; n += 1) await pool.put({ slow: 1 });
  await eventually(() => seen === 50, "all results were dealt with");
});

test("the results of put tasks are iterated in order of arrival, until the pool has stopped", async (t) => {
  const pool = openPool<Tasks>(t, "tasks", { resultQueueSize: 4 });
  const produced = (async () => {
    for (let n = 0; n < 100; n += 1) await pool.put({ do: "add", a: n, b: 0 });
    await pool.stop();
  })();
  const values: number[] = [];
  for await (const answer of pool) values.push((answer as { value: number }).value);
  await produced;
  assert.deepEqual(
    values.toSorted((a, b) => a - b),
    Array.from({ length: 100 }, (_, n) => n),
  );
});

test("results that arrive before the first read are kept, even after the pool has stopped", async (t) => {
  const pool = openPool<Tasks>(t, "tasks", { resultQueueSize: 3 });
  for (let n = 0; n < 10; n += 1) pool.putNowait({ do: "add", a: n, b: 0 });
  await pool.stop();
  let count = 0;
  for await (const _ of pool.results()) count += 1;
  assert.equal(count, 10);
});

test("the error of a put task goes to onError, or is an error event of the pool", async (t) => {
  const failures: unknown[] = [];
  const pool = openPool<Tasks>(t, "tasks", {
    size: 1,
    onError: (error, { worker, task }) => failures.push([String(error), worker, task]),
  });
  await pool.put({ do: "throw" });
  await pool.stop();
  assert.deepEqual(failures, [["SpecialError: too much", 0, { do: "throw" }]]);
  const loud = openPool<Tasks>(t, "tasks", { size: 1 });
  const heard = new Promise((resolve) => {
    loud.once("error", resolve);
  });
  loud.putNowait({ do: "exit", code: 1 });
  assert.ok(hasCode(await heard, "NEWEL_E_POOL_WORKER_LOST"));
});

test("a worker written for Looppool runs unchanged", async (t) => {
  const seen: unknown[] = [];
  const pool = openPool<Looppool>(t, "looppool", {
    size: 2,
    onResult: (result) => seen.push(result),
  });
  await pool.start();
  for (const message of ["a", "b", "c", "d", "long"]) pool.putNowait(message, { worker: 1 });
  // "long" continues for a minute after taskDone().
  await pool.stop();
  assert.deepEqual(
    seen,
    ["a", "b", "c", "d", "long"].map((message) => [message, 1, "worker 1"]),
  );
});

for (const direction of ["tasks", "messages"] as const)
  test(`100,000 ${direction}, as fast as they can be produced, take no more memory than the queues`, async () => {
    const seen = await flood(direction, 100_000);
    assert.ok(seen.consumed >= 100_000);
    assert.ok(seen.poolGrowthMb < 20 && seen.workerGrowthMb < 60, JSON.stringify(seen));
  });

test("waiting tasks never exceed the size of the queues", async (t) => {
  let consumed = 0;
  const pool = openPool<Tasks>(t, "tasks", {
    size: 1,
    queueSize: 100,
    resultQueueSize: 100,
    onResult: () => {
      consumed += 1;
    },
  });
  await pool.start();
  let most = 0;
  for (let n = 0; n < 5_000; n += 1) {
    await pool.put({ do: "who" });
    most = Math.max(most, pool.waiting);
  }
  assert.ok(most <= 100, `${most} waited`);
  await pool.stop();
  assert.equal(consumed, 5_000);
});
