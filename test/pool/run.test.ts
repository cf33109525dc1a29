import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { hasCode } from "../../src/base/errors.ts";
import { eventually, temporaryDirectory } from "../helpers/resources.ts";
import type * as TasksModule from "./fixtures/tasks.ts";
import type * as EchoModule from "./fixtures/echo.ts";
import type * as BytesModule from "./fixtures/bytes.ts";
import { fixture, KINDS, openPool } from "./pools.ts";

type Tasks = typeof TasksModule;
type Echo = typeof EchoModule;
type Bytes = typeof BytesModule;

for (const kind of KINDS) {
  test(`${kind}: many tasks run at a time, evenly in all workers`, async (t) => {
    const directory = temporaryDirectory(t);
    const file = join(directory, "go on");
    const pool = openPool<Tasks>(t, "tasks", { kind, concurrency: 50 });
    await pool.start();
    assert.equal(pool.size, 2);
    assert.equal((await pool.run({ do: "add", a: 1, b: 2 })).value, 3);
    // None ends before all have begun, on a machine of any speed.
    const running = Array.from({ length: 100 }, () => pool.run({ do: "await", file }));
    await eventually(() => readdirSync(directory).length === 100, "all tasks have begun");
    writeFileSync(file, "");
    const answers = await Promise.all(running);
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
        ["name", "SpecialError"],
        ["code", "E_SPECIAL"],
        ["limit", 3],
      ]);
      assert.ok(error.cause instanceof TypeError);
      assert.match(error.stack ?? "", /fixtures\/tasks\.ts/);
      return true;
    });
    assert.equal((await pool.run({ do: "add", a: 1, b: 1 })).value, 2);
  });

  test(`${kind}: values that cannot be sent are refused on either side, and the pool continues`, async (t) => {
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

  test(`${kind}: memory is transferred in both directions`, async (t) => {
    const pool = openPool<Bytes>(t, "bytes", { kind, size: 1 });
    const bytes = new Uint8Array(1_000_000).fill(1);
    const back = await pool.run(bytes, { transfer: [bytes.buffer] });
    assert.equal(bytes.length, 0, "it is gone here");
    assert.equal(back.length, 1_000_000);
    assert.deepEqual([back[0], back[1]], [7, 1]);
  });
}

for (const kind of KINDS)
  test(`${kind}: large binary data is copied, in any container, and may be sent again`, async (t) => {
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

test("the worker with the given number runs the task, regardless of the others", async (t) => {
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

test("map gives the results in order, and reads from its source only as many items as the queues hold", async (t) => {
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

test("an invalid option is refused", (t) => {
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

test("stats report tasks and resources of the workers", async (t) => {
  const pool = openPool<Tasks>(t, "tasks", { statsMs: 50, name: "shown" });
  await pool.start();
  const told = new Promise<number>((resolve) => {
    pool.on("stats", ({ workers }) => {
      if (workers.every(({ resources }) => resources !== undefined)) resolve(workers.length);
    });
  });
  await Promise.all(Array.from({ length: 20 }, () => pool.run({ do: "sleep", ms: 5 })));
  await assert.rejects(pool.run({ do: "throw" }));
  // The reporting itself does not keep a program alive.
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

for (const kind of KINDS)
  test(`${kind}: large texts arrive unchanged, alone and inside objects, in both directions`, async (t) => {
    const pool = openPool<Echo>(t, "echo", { kind });
    const units = ["x", "é", "漢", "😀", "\ufeff", "\ud800", "\0", '"\\\n'];
    for (const text of units.map((each) => each.repeat(40_000)))
      for (const value of [
        text,
        { text },
        [1, { deep: [text] }],
        { first: 1, text, at: 1.5, no: null, deep: { deeper: { deepest: text } } },
        Array.from({ length: 20 }, (_, at) => (at % 2 === 0 ? text : at)),
        JSON.parse(`{"1":${JSON.stringify(text)},"__proto__":${JSON.stringify(text)}}`) as unknown,
      ]) {
        const echoed = await pool.run(value);
        assert.deepEqual(echoed, value);
        assert.equal(JSON.stringify(echoed), JSON.stringify(value), "the order of the keys");
      }
    const changed = { text: "x".repeat(40_000), n: 1 };
    const answer = pool.run(changed);
    changed.n = 2;
    assert.deepEqual(await answer, { text: changed.text, n: 1 });
  });
