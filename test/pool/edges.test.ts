import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { hasCode } from "../../src/base/errors.ts";
import type { BlockedWorker } from "../../src/pool/blocked-watch.ts";
import type { PoolOptions, RunOptions } from "../../src/pool/options.ts";
import { Pool } from "../../src/pool/pool.ts";
import { cleanUp, eventually, temporaryDirectory, type Scope } from "../helpers/resources.ts";
import type * as TasksModule from "./fixtures/tasks.ts";
import { fixture, KINDS, openPool } from "./pools.ts";

type Tasks = typeof TasksModule;

/** A pool with a worker module of this source text. */
function poolOf(t: Scope, text: string, options: Partial<PoolOptions> = {}, name = "w.mjs"): Pool {
  const worker = join(temporaryDirectory(t), name);
  writeFileSync(worker, text);
  const pool = new Pool({ size: 1, ...options, worker });
  cleanUp(t, () => pool.close({ graceMs: 0 }));
  return pool;
}

const isOption = (error: unknown): boolean => hasCode(error, "NEWEL_E_POOL_OPTION");

test("every wrong option of the pool is refused by name, an unknown one with the nearest known name", () => {
  const worker = fixture("tasks");
  const wrong: readonly (readonly [Record<string, unknown>, RegExp])[] = [
    [{ concurency: 4 }, /concurency is 4: there is no such option; did you mean concurrency\?/],
    [{ maxThreads: 4 }, /maxThreads/],
    [{ worker: 5 }, /worker is 5/],
    [{ size: "2" }, /size is "2"/],
    [{ size: { min: 1 } }, /size\.max is undefined/],
    [{ size: { min: 1, max: 2, idle: 5 } }, /size\.idle is 5: there is no such option/],
    [{ concurrency: Number.NaN }, /concurrency is NaN/],
    [{ queueSize: "9" }, /queueSize/],
    [{ kind: "fork" }, /kind is "fork": it has to be "process" or "thread"/],
    [{ env: "A=1" }, /env/],
    [{ env: { A: 1 } }, /env/],
    [{ execArgv: "--expose-gc" }, /execArgv/],
    [{ title: "" }, /title/],
    [{ name: 5 }, /name/],
    [{ processGroup: "yes" }, /processGroup/],
    [{ resourceLimits: { maxOld: 5 } }, /resourceLimits\.maxOld/],
    [{ retries: -1 }, /retries/],
    [{ timeoutMs: "1h" }, /timeoutMs/],
    [{ killMs: -1 }, /killMs/],
    [{ stallMs: Number.NaN }, /stallMs/],
    [{ blockedMs: 0 }, /blockedMs/],
    [{ startMs: 0 }, /startMs/],
    [{ backoff: "soon" }, /backoff is "soon": it has to be an object/],
    [{ backoff: { minMs: 5, maxMs: 1 } }, /backoff\.maxMs/],
    [{ backoff: { minMs: 0, maxMs: 1 } }, /backoff\.minMs/],
    [{ recycle: { tasks: 0 } }, /recycle\.tasks is 0/],
    [{ recycle: { ageMs: "1h" } }, /recycle\.ageMs/],
    [{ recycle: { rssMb: 5 } }, /recycle\.rssMb/],
    [{ statsMs: 0 }, /statsMs/],
    [{ telemetry: 1 }, /telemetry/],
    [{ onResult: {} }, /onResult/],
    [{ onError: "log" }, /onError/],
  ];
  for (const [options, message] of wrong)
    assert.throws(
      () => new Pool({ worker, ...options }),
      (error) => isOption(error) && message.test((error as Error).message),
      JSON.stringify(options),
    );
  assert.throws(() => new Pool(null as never), isOption);
});

test("every wrong option of a call is refused, and the pool closes as before", async (t) => {
  const pool = openPool<Tasks>(t, "tasks", { size: 1 });
  const wrong: readonly Record<string, unknown>[] = [
    { timeoutMs: Number.NaN },
    { timeoutMs: -1 },
    { timeoutMs: "soon" },
    { timeoutMS: 300 },
    { worker: "0" },
    { priority: "hi" },
    { priority: Number.NaN },
    { signal: {} },
    { signal: "now" },
    { transfer: new ArrayBuffer(1) },
    { retries: 1.5 },
    { onAsk: "me" },
  ];
  for (const each of wrong) {
    const options = each as RunOptions;
    await assert.rejects(pool.run({ do: "who" }, options), isOption, JSON.stringify(each));
    assert.throws(() => pool.tryRun({ do: "who" }, options), isOption);
    assert.throws(() => pool.putNowait({ do: "who" }, options), isOption);
    await assert.rejects(pool.put({ do: "who" }, options), isOption);
    assert.throws(() => pool.map([], options), isOption);
  }
  await assert.rejects(pool.broadcast({ do: "who" }, { sticky: 5 } as never), isOption);
  await assert.rejects(pool.close({ graceMs: Number.NaN }), isOption);
  assert.equal((await pool.run({ do: "who" }, { signal: null })).worker, 0);
  await pool.close();
  assert.equal(pool.state, "closed");
});

test("a time of Infinity, or longer than the longest timer, means no limit", async (t) => {
  const warnings: Error[] = [];
  const onWarning = (warning: Error): number => warnings.push(warning);
  process.on("warning", onWarning);
  cleanUp(t, () => void process.off("warning", onWarning));
  const forever = Number.POSITIVE_INFINITY;
  const pool = openPool<Tasks>(t, "tasks", {
    size: { min: 1, max: 2, idleMs: forever },
    killMs: forever,
    stallMs: forever,
    startMs: forever,
    statsMs: forever,
    timeoutMs: 30 * 86_400_000,
  });
  for (const timeoutMs of [forever, 30 * 86_400_000, undefined])
    await pool.run({ do: "sleep", ms: 50 }, timeoutMs === undefined ? {} : { timeoutMs });
  await pool.close({ graceMs: forever });
  assert.deepEqual(warnings, []);
});

test("start() rejects when the pool is closed at the same time", async (t) => {
  const pool = openPool<Tasks>(t, "tasks");
  const started = assert.rejects(pool.start(), (error) => hasCode(error, "NEWEL_E_POOL_CLOSED"));
  await pool.close();
  await started;
});

test("close() resolves after its grace in spite of results, teardown and tasks", async (t) => {
  const stuck = new Promise<never>(() => undefined);
  for (const [text, task] of [
    ["export default { task: () => 1 }", "pending result"],
    ["export default { task: () => undefined, teardown: () => new Promise(() => {}) }", "teardown"],
    ["export default { task: () => new Promise(() => {}) }", "task"],
  ] as const) {
    let results = 0;
    const onResult = (): Promise<never> => {
      results += 1;
      return stuck;
    };
    const pool = poolOf(t, text, { onResult, onError: () => undefined });
    await pool.put(task);
    if (task === "pending result") await eventually(() => results > 0, "it came");
    await pool.close({ graceMs: 100 });
    assert.equal(pool.state, "closed", task);
  }
});

test('close({ queued: "drop" }) rejects tasks that wait, and finishes those that run', async (t) => {
  const pool = openPool<Tasks>(t, "tasks", { size: 1, concurrency: 1 });
  await pool.start();
  const running = pool.run({ do: "sleep", ms: 100 });
  const waiting = assert.rejects(pool.run({ do: "who" }), (error) =>
    hasCode(error, "NEWEL_E_POOL_CLOSED"),
  );
  await pool.close({ queued: "drop" });
  await waiting;
  assert.equal((await running).worker, 0);
});

test("unread results are reported once", async (t) => {
  const told: unknown[] = [];
  const pool = poolOf(t, "export default { task: () => 1 }", { resultQueueSize: 10 });
  pool.on("error", (error) => told.push(error));
  for (let n = 0; n < 15; n += 1) await pool.put(n);
  await eventually(() => told.length > 0, "it is reported");
  assert.ok(hasCode(told[0], "NEWEL_E_POOL_UNREAD"));
  let read = 0;
  for await (const _result of pool.results()) if (++read === 15) break;
  assert.equal(told.length, 1);
});

for (const kind of KINDS) {
  test(`${kind}: replaced timers, queues and clocks of the worker do not stop its messages`, async (t) => {
    const pool = poolOf(
      t,
      `export default { task(name) {
        const names = ["setTimeout", "setImmediate", "setInterval", "queueMicrotask", "clearTimeout"];
        for (const each of names) globalThis[each] = () => undefined;
        performance.now = () => 0;
        process.nextTick = () => undefined;
        return name;
      } }`,
      { kind },
    );
    for (const name of ["first", "second"]) assert.equal(await pool.run(name), name);
  });

  test(`${kind}: messages of libraries in a worker have no effect on the pool`, async (t) => {
    const pool = poolOf(
      t,
      `import { parentPort } from "node:worker_threads";
      export default { async task(message) {
        parentPort?.postMessage(message);
        process.send?.(message);
        await new Promise((resolve) => setImmediate(resolve));
        return "right";
      } }`,
      { kind },
    );
    for (const message of [null, "ready", { type: 4, id: 0, aux: 0, value: "wrong", json: "" }])
      assert.equal(await pool.run(message), "right");
  });

  test(`${kind}: workers compiled to CommonJS load in all shapes of a default export`, async (t) => {
    const worker = "{ task: (n) => n + 1 }";
    for (const text of [
      `Object.defineProperty(exports, "__esModule", { value: true }); exports.default = ${worker};`,
      `module.exports = { __esModule: true, default: ${worker} };`,
      `module.exports = ${worker};`,
      `exports.task = (n) => n + 1;`,
    ])
      assert.equal(await poolOf(t, text, { kind }, "w.cjs").run(1), 2, text);
  });

  test(`${kind}: an undefined variable of env is absent`, async (t) => {
    const pool = poolOf(t, "export default { task: () => process.env.PATH ?? 'absent' }", {
      kind,
      env: { PATH: undefined },
    });
    assert.equal(await pool.run(0), "absent");
  });

  test(`${kind}: callbacks of a call see its AsyncLocalStorage, callbacks of the pool that of its creator`, async (t) => {
    const storage = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    const pool = storage.run("maker", () =>
      poolOf(t, "export default { task: async (n, { ask }) => (n === 0 ? 1 : await ask(n)) }", {
        kind,
        onResult: () => seen.push(storage.getStore()),
      }),
    );
    const asked = await Promise.all(
      ["a", "b"].map((id) =>
        storage.run(id, () => pool.run(1, { onAsk: () => storage.getStore() })),
      ),
    );
    assert.deepEqual(asked, ["a", "b"]);
    await storage.run("caller", () => pool.put(0));
    await eventually(() => seen.length === 1, "the result came");
    assert.deepEqual(seen, ["maker"]);
  });

  test(`${kind}: a task begins in a clean context, even if the previous task entered one`, async (t) => {
    const pool = poolOf(
      t,
      `import { AsyncLocalStorage } from "node:async_hooks";
      const storage = new AsyncLocalStorage();
      export default { task(n) {
        const store = storage.getStore();
        storage.enterWith(n);
        return store ?? "clean";
      } }`,
      { kind },
    );
    const all = await Promise.all(Array.from({ length: 20 }, (_, n) => pool.run(n)));
    assert.deepEqual([...new Set(all)], ["clean"]);
  });
}

const FRAGILE = (flagFile: string): string =>
  `import { existsSync } from "node:fs";
  export default {
    setup({ workerNumber }) {
      if (workerNumber === 1 && existsSync(${JSON.stringify(flagFile)})) throw new Error("too many connections");
    },
    task: (what) => (what === "exit" ? process.exit(1) : "ran"),
  };`;

test("one worker that fails its first start does not close a pool whose others start", async (t) => {
  const broken = join(temporaryDirectory(t), "broken");
  writeFileSync(broken, "");
  const told: unknown[] = [];
  const pool = poolOf(t, FRAGILE(broken), { size: 2, backoff: { minMs: 10, maxMs: 50 } });
  pool.on("error", (error) => told.push(error));
  assert.equal(await pool.run(0), "ran");
  await eventually(() => told.length > 0, "the failure is reported");
  assert.match(String(told[0]), /too many connections/);
  await assert.rejects(pool.start(), (error) => hasCode(error, "NEWEL_E_POOL_WORKER_START"));
  assert.equal(await pool.run(0), "ran");
  assert.equal(told.length, 1, "the same reason is reported once");
});

test("a replacement that cannot start is reported with its reason", async (t) => {
  const broken = join(temporaryDirectory(t), "broken");
  const pool = poolOf(t, FRAGILE(broken), { size: 2, backoff: { minMs: 10, maxMs: 50 } });
  await pool.start();
  writeFileSync(broken, "");
  const ends: string[] = [];
  pool.on("workerEnd", ({ how }) => ends.push(how));
  const reported = once(pool, "error");
  await assert.rejects(pool.run("exit", { worker: 1 }));
  const [error] = (await reported) as [unknown];
  assert.match(String(error), /Worker 1 .* too many connections/);
  await eventually(() => ends.some((how) => /too many connections/.test(how)), "so does workerEnd");
});

for (const kind of KINDS)
  test(`${kind}: a blocked worker is reported with its tasks, once a minute`, async (t) => {
    const pool = openPool<Tasks>(t, "tasks", { kind, size: 1, blockedMs: 100 });
    const seen: BlockedWorker[] = [];
    pool.on("blocked", (blocked) => seen.push(blocked));
    await pool.start();
    const waiting = pool.run({ do: "sleep", ms: 1_000 });
    await pool.run({ do: "burn", ms: 1_500 }, { timeoutMs: 60_000 });
    await pool.run({ do: "burn", ms: 500 });
    await waiting;
    assert.equal(seen.length, 1, JSON.stringify(seen));
    const [{ worker, blockedMs, tasks, blocker } = assert.fail()] = seen;
    assert.ok(worker === 0 && blockedMs >= 100);
    assert.ok(tasks.length > 0);
    // A worker that was delayed by the machine earlier was not blocked in a task.
    assert.ok(blocker === undefined || tasks.some(({ task }) => task === blocker));
  });
