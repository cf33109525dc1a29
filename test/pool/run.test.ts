import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { hasCode } from "../../src/base/errors.ts";
import type * as TasksModule from "./fixtures/tasks.ts";
import type * as EchoModule from "./fixtures/echo.ts";
import type * as BytesModule from "./fixtures/bytes.ts";
import { fixture, KINDS, openPool } from "./pools.ts";

type Tasks = typeof TasksModule;
type Echo = typeof EchoModule;
type Bytes = typeof BytesModule;

for (const kind of KINDS) {
  test(`${kind}: tasks run, many at a time, evenly in all workers`, async (t) => {
    // A number, or a worker that the machine holds up would get less, as it should.
    const pool = openPool<Tasks>(t, "tasks", { kind, concurrency: 50 });
    await pool.start();
    assert.equal(pool.size, 2);
    assert.equal((await pool.run({ do: "add", a: 1, b: 2 })).value, 3);
    const start = performance.now();
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => pool.run({ do: "sleep", ms: 200 })),
    );
    assert.ok(performance.now() - start < 5_000, "100 × 200 ms one after the other take 10 s");
    const perWorker = [0, 1].map((n) => answers.filter(({ worker }) => worker === n).length);
    assert.deepEqual(perWorker, [50, 50]);
  });

  test(`${kind}: an error keeps name, code, properties, cause and the worker's stack`, async (t) => {
    const pool = openPool<Tasks>(t, "tasks", { kind, size: 1 });
    await assert.rejects(pool.run({ do: "throw" }), (error) => {
      assert.ok(error instanceof Error);
      assert.equal(error.name, "SpecialError");
      assert.equal(error.message, "too much");
      assert.deepEqual(Object.entries(error), [
        ["code", "E_SPECIAL"],
        ["limit", 3],
      ]);
      assert.ok(error.cause instanceof TypeError);
      assert.match(error.stack ?? "", /fixtures\/tasks\.ts/);
      return true;
    });
    assert.equal((await pool.run({ do: "add", a: 1, b: 1 })).value, 2);
  });

  test(`${kind}: what cannot be sent is refused on either side, and the pool goes on`, async (t) => {
    const pool = openPool<Echo>(t, "echo", { kind });
    const unsendable = [() => 1, { call() {} }, Symbol("s"), Promise.resolve(), new WeakMap()];
    for (const task of unsendable)
      await assert.rejects(pool.run(task), (error) => hasCode(error, "NEWEL_E_NOT_SENDABLE"));
    for (const task of ["give a function", "give a promise in an object"])
      await assert.rejects(pool.run(task), (error) => hasCode(error, "NEWEL_E_NOT_SENDABLE"));
    assert.equal(await pool.run("still here"), "still here");
    assert.equal(pool.stats().restarts, 0);
  });

  test(`${kind}: a task is copied when it is handed over`, async (t) => {
    const pool = openPool<Echo>(t, "echo", { kind, size: 1 });
    const shared: { mark: boolean; more?: unknown } = { mark: false };
    const first = [pool.run(shared), pool.run(shared)];
    shared.mark = true;
    assert.deepEqual(await Promise.all(first), [false, false], "no task sees another's copy");
    // By v8 instead of JSON.
    const withMap = { mark: false, more: new Map() };
    const second = [pool.run(withMap), pool.run(withMap)];
    withMap.mark = true;
    assert.deepEqual(await Promise.all(second), [false, false]);
    const bytes = Buffer.from([1, 2, 3]);
    const third = pool.run(bytes);
    bytes[0] = 9;
    assert.deepEqual(await third, Buffer.from([1, 2, 3]));
  });

  test(`${kind}: memory is handed over in both directions`, async (t) => {
    const pool = openPool<Bytes>(t, "bytes", { kind, size: 1 });
    const bytes = new Uint8Array(1_000_000).fill(1);
    const back = await pool.run(bytes, { transfer: [bytes.buffer] });
    assert.equal(bytes.length, 0, "it is gone here");
    assert.equal(back.length, 1_000_000);
    assert.deepEqual([back[0], back[1]], [7, 1]);
  });
}

for (const kind of KINDS)
  test(`${kind}: large binary data is copied, whatever it stands in, and may be sent again`, async (t) => {
    const pool = openPool<Echo>(t, "echo", { kind, size: 1 });
    const bytes = new Uint8Array(200_000).fill(3);
    const values = [bytes, { bytes, more: new Float64Array(30_000) }, Buffer.from(bytes)];
    const sent = values.map((value) => pool.run(value, { retries: 1 }));
    const kept = structuredClone(values);
    bytes.fill(4);
    const back = await Promise.all(sent);
    assert.deepEqual(back[0], kept[0]);
    assert.deepEqual(back[1], kept[1]);
    assert.ok(Buffer.isBuffer(back[2]) && back[2].every((byte) => byte === 3));
    assert.equal(bytes.length, 200_000, "it is still here");
  });

test("threads share memory", async (t) => {
  const pool = openPool<Echo>(t, "echo", { kind: "thread", size: 1 });
  const memory = new Int32Array(new SharedArrayBuffer(8));
  const back = await pool.run({ memory });
  memory[1] = 5;
  assert.equal((back as { memory: Int32Array }).memory[1], 5);
});

test("a numbered worker runs the task, whatever the others do", async (t) => {
  const pool = openPool<Tasks>(t, "tasks", { size: 3 });
  const answers = await Promise.all(
    Array.from({ length: 30 }, (_, n) => pool.run({ do: "who" }, { worker: n % 3 })),
  );
  assert.ok(answers.every(({ worker }, n) => worker === n % 3));
  await assert.rejects(pool.run({ do: "who" }, { worker: 3 }), (error) =>
    hasCode(error, "NEWEL_E_POOL_NO_WORKER"),
  );
});

test("tasks start by priority, then in the order they came", async (t) => {
  const pool = openPool<Tasks>(t, "tasks", { size: 1, concurrency: 1 });
  await pool.start();
  const order: string[] = [];
  const run = async (name: string, priority: number): Promise<void> => {
    await pool.run({ do: "who" }, { priority });
    order.push(name);
  };
  await Promise.all([
    run("first", 0),
    run("low", -1),
    run("a", 1),
    run("b", 1),
    run("normal", 0),
    run("urgent", 9),
  ]);
  assert.deepEqual(order, ["first", "urgent", "a", "b", "normal", "low"]);
});

test("queues have bounds: tryRun and putNowait refuse, put waits, drain follows", async (t) => {
  const received: number[] = [];
  const pool = openPool<Tasks>(t, "tasks", {
    size: 1,
    concurrency: 1,
    queueSize: 2,
    onResult: (answer) => received.push((answer as { begun: number }).begun),
  });
  await pool.start();
  let drains = 0;
  pool.on("drain", () => {
    drains += 1;
  });
  const first = pool.run({ do: "sleep", ms: 100 });
  pool.putNowait({ do: "who" });
  pool.putNowait({ do: "who" });
  assert.equal(pool.waiting, 2);
  assert.throws(
    () => pool.putNowait({ do: "who" }),
    (error) => hasCode(error, "NEWEL_E_POOL_FULL"),
  );
  assert.equal(pool.tryRun({ do: "who" }), undefined);
  const waited = pool.put({ do: "who" });
  assert.equal(pool.waiting, 2, "one that waits for its place is not in the queue");
  await waited;
  await first;
  await pool.stop();
  assert.equal(drains, 1);
  assert.deepEqual(received, [2, 3, 4]);
});

test("map gives the results in order, and takes from its source only what the queues hold", async (t) => {
  const pool = openPool<Tasks>(t, "tasks", { size: 2, queueSize: 5 });
  let taken = 0;
  function* numbers(): Generator<{ do: "add"; a: number; b: number }> {
    for (; taken < 100; taken += 1) yield { do: "add", a: taken, b: 0 };
  }
  const values: (number | undefined)[] = [];
  for await (const { value } of pool.map(numbers())) {
    values.push(value);
    assert.ok(taken <= values.length + 10);
  }
  assert.deepEqual(
    values,
    Array.from({ length: 100 }, (_, n) => n),
  );
  for await (const _ of pool.map([{ do: "who" }, { do: "sleep", ms: 60_000 }])) break;
  assert.equal(pool.stats().waiting, 0);
});

test("an option that cannot be meant is refused", (t) => {
  const worker = fixture("tasks");
  for (const options of [
    { size: 0 },
    { size: 1.5 },
    { queueSize: 0 },
    { size: { min: 3, max: 2 } },
  ])
    assert.throws(
      () => openPool<Tasks>(t, "tasks", options),
      (error) => hasCode(error, "NEWEL_E_POOL_OPTION"),
      `${worker} ${JSON.stringify(options)}`,
    );
  assert.throws(
    () => openPool(t, "echo", { data: { call: () => undefined } }),
    (error) => hasCode(error, "NEWEL_E_NOT_SENDABLE"),
  );
});

test("stats tell what happened and what the workers take", async (t) => {
  const pool = openPool<Tasks>(t, "tasks", { statsMs: 50, name: "shown" });
  await pool.start();
  const told = new Promise<number>((resolve) => {
    pool.on("stats", ({ workers }) => {
      if (workers.every(({ resources }) => resources !== undefined)) resolve(workers.length);
    });
  });
  await Promise.all(Array.from({ length: 20 }, () => pool.run({ do: "sleep", ms: 5 })));
  await assert.rejects(pool.run({ do: "throw" }));
  // The reporting itself does not keep a program going.
  const alive = setInterval(() => undefined, 1_000);
  assert.equal(await told, 2);
  clearInterval(alive);
  const titles = pool
    .stats()
    .workers.map(({ pid }) => readFileSync(`/proc/${pid}/cmdline`, "utf8"));
  assert.match(titles.join(), /^shown worker 0.*shown worker 1/);
  const { pool: name, done, failed, runTime, waitTime, workers } = pool.stats();
  assert.deepEqual([name, done, failed], ["shown", 20, 1]);
  assert.equal(runTime.count, 21);
  assert.ok(runTime.p50Ms >= 4 && runTime.p99Ms >= runTime.p50Ms, JSON.stringify(runTime));
  assert.equal(waitTime.count, 21);
  const [{ resources } = {}] = workers;
  assert.ok(resources !== undefined && resources.rssBytes > 20e6, JSON.stringify(resources));
});
