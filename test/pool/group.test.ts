import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { hasCode, isNewelError } from "../../src/base/errors.ts";
import { eventually, temporaryDirectory, type Scope } from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";
import type { Pool } from "../../src/pool/pool.ts";
import type * as GroupModule from "./fixtures/group.ts";
import type { Answer, Order } from "./fixtures/group.ts";
import { isRunning, openPool } from "./pools.ts";

type Group = typeof GroupModule;

/** A pool with groups; `told` returns the processes that the next task reports. */
function openGroups(
  scope: Scope,
  options: Parameters<typeof openPool<Group>>[2] = {},
): { readonly pool: Pool<Group>; readonly told: () => Promise<readonly number[]> } {
  const answers: Answer[] = [];
  const pool = openPool<Group>(scope, "group", {
    size: 1,
    processGroup: true,
    killMs: 200,
    onResult: (answer) => void answers.push(answer),
    ...options,
  });
  const told = async (): Promise<readonly number[]> =>
    (await eventually(() => answers.shift(), "it tells of its processes")).pids;
  return { pool, told };
}

function allEnd(pids: readonly number[]): Promise<unknown> {
  return eventually(() => !pids.some(isRunning), `the end of ${pids.join(", ")}`);
}

const tasks: readonly [how: string, order: Order, signal?: NodeJS.Signals][] = [
  ["exits", { end: "exit" }],
  ["aborts", { end: "abort" }],
  ["is killed while it stands still", { end: "spin" }, "SIGKILL"],
];
for (const [how, order, signal] of tasks)
  test(`processes that a worker started end with it when it ${how}`, async (t) => {
    const { pool, told } = openGroups(t);
    const lost = assert.rejects(
      pool.run({ shell: true, detached: true, tell: true, ...order }),
      (error) => hasCode(error, "NEWEL_E_POOL_WORKER_LOST"),
    );
    const pids = await told();
    if (signal !== undefined) sendSignal(pids[0] ?? 0, signal);
    await lost;
    assert.equal(pids.length, 4);
    await allEnd(pids);
  });

test("processes that a worker started end when it is recycled, and when the pool closes", async (t) => {
  const { pool } = openGroups(t, { recycle: { tasks: 1 } });
  const first = await pool.run({ shell: true, detached: true, end: "return" });
  await allEnd(first.pids);
  const second = await pool.run({ shell: true, detached: true, end: "return" });
  await pool.close();
  // All were killed when close() resolved; dying may take a moment longer.
  await allEnd(second.pids);
});

test("each worker leads a separate session with the option, and only then", async (t) => {
  const statOf = (pid = 0): string => readFileSync(`/proc/${pid}/stat`, "utf8");
  for (const processGroup of [true, false]) {
    const pool = openPool<Group>(t, "group", { size: 1, processGroup });
    const { pids } = await pool.run({ end: "return" });
    const stat = statOf(pids[0]);
    const [, , group, session] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    assert.equal(group === String(pids[0]) && session === group, processGroup);
  }
});

test("a cancelled task with a grace settles with its own outcome, an error or a result", async (t) => {
  const { pool, told } = openGroups(t);
  for (const end of ["listen", "answer"] as const) {
    const controller = new AbortController();
    const run = pool.run(
      { end, shell: true, tell: true },
      { signal: controller.signal, graceMs: 5_000 },
    );
    const settled = run.then(
      (value) => value,
      (error: unknown) => error,
    );
    const pids = await told();
    controller.abort(Object.assign(new Error("enough"), { code: "E_ENOUGH" }));
    const ending = await settled;
    if (end === "answer") assert.deepEqual(ending, { pids });
    else assert.equal((ending as { code?: string }).code, "E_ENOUGH");
    // Its shell is left behind: it ends with the worker.
    await allEnd(pids);
  }
  assert.equal(pool.stats().restarts, 2);
  const { pids } = await pool.run({ end: "return" });
  assert.ok(pids.every(isRunning));
});

test("grace: a task that waits for its own process ends when SIGTERM ends that process", async (t) => {
  const { pool, told } = openGroups(t);
  await pool.start();
  const start = performance.now();
  const run = pool.run(
    { end: "children", shell: true, tell: true },
    { timeoutMs: 500, graceMs: 200 },
  );
  const rejected = assert.rejects(run, /its children have ended/);
  const pids = await told();
  await rejected;
  assert.ok(performance.now() - start >= 690);
  await allEnd(pids);
});

for (const end of ["deaf", "spin"] as const)
  test(`grace: a task that does not end is killed (${end}), and its sibling's error has the reason`, async (t) => {
    const { pool, told } = openGroups(t);
    const sibling = pool.run({ end: "deaf", tell: true });
    const siblingLost = assert.rejects(sibling, (error) => {
      assert.ok(isNewelError(error) && error.code === "NEWEL_E_POOL_WORKER_LOST");
      assert.equal(error.data["because"], "sibling");
      return true;
    });
    await told();
    const controller = new AbortController();
    const { signal } = controller;
    const run = pool.run(
      { end, shell: true, detached: true, tell: true },
      { signal, graceMs: 100 },
    );
    const rejected = assert.rejects(run, (error) => {
      assert.ok(isNewelError(error) && error.code === "NEWEL_E_CANCELLED");
      assert.match(String(error.data["how"]), /had not ended 300 ms after it was told/);
      return true;
    });
    const pids = await told();
    await sleep(100);
    const start = performance.now();
    controller.abort();
    const next = await pool.run({ end: "return" });
    assert.notEqual(next.pids[0], pids[0], "the worker takes no other task");
    await rejected;
    const tookMs = performance.now() - start;
    assert.ok(tookMs >= 290, `${tookMs} ms`);
    await siblingLost;
    await allEnd(pids);
  });

test("a worker that dies by itself is not attributed to a sibling, and a given-up task is not retried", async (t) => {
  const { pool, told } = openGroups(t, { retries: 1 });
  const controller = new AbortController();
  const run = pool.run({ end: "deaf", tell: true }, { signal: controller.signal, graceMs: 60_000 });
  const rejected = assert.rejects(run, (error) => {
    assert.ok(isNewelError(error) && error.code === "NEWEL_E_CANCELLED");
    assert.match(String(error.data["how"]), /killed by SIGKILL/);
    return true;
  });
  const other = assert.rejects(pool.run({ end: "deaf" }, { retries: 0 }), (error) => {
    assert.ok(isNewelError(error) && error.code === "NEWEL_E_POOL_WORKER_LOST");
    assert.equal(error.data["because"], "died");
    return true;
  });
  const [pid = 0] = await told();
  controller.abort();
  const next = await pool.run({ end: "return" });
  assert.ok(next.pids[0] !== pid && isRunning(pid), "another is in its seat at once");
  sendSignal(pid, "SIGKILL");
  await Promise.all([rejected, other]);
});

test("a sticky broadcast left unanswered by a leaving worker is answered by its successor", async (t) => {
  const { pool, told } = openGroups(t);
  const controller = new AbortController();
  const { signal } = controller;
  const ended = assert.rejects(pool.run({ end: "deaf", tell: true }, { signal, graceMs: 60_000 }));
  const [pid = 0] = await told();
  const file = join(temporaryDirectory(t), "seen");
  const broadcast = pool.broadcast({ end: "second time", file }, { sticky: true });
  await eventually(() => existsSync(file), "the first worker has it");
  controller.abort();
  const next = await pool.run({ end: "return" });
  assert.ok(next.pids[0] !== pid && isRunning(pid));
  sendSignal(pid, "SIGKILL");
  await ended;
  assert.deepEqual(await broadcast, [next]);
});

test("a waiting task that is cancelled rejects immediately, regardless of its grace", async (t) => {
  const { pool, told } = openGroups(t, { concurrency: 1 });
  const first = pool.run({ end: "deaf", tell: true });
  first.catch(() => undefined);
  await told();
  const waiting = pool.run({ end: "deaf" }, { timeoutMs: 50, graceMs: 10_000 });
  await assert.rejects(waiting, (error) => hasCode(error, "NEWEL_E_DEADLINE"));
  assert.equal(pool.stats().restarts, 0);
});

test("a task over its memory limit is killed, other workers continue", async (t) => {
  const { pool, told } = openGroups(t, { size: 2, concurrency: 1 });
  await pool.start();
  const other = pool.run({ end: "answer", tell: true }, { worker: 1, memoryBytes: 500_000_000 });
  await told();
  const limited = { worker: 0, memoryBytes: 200_000_000 };
  assert.equal((await pool.run({ end: "return", eatBytes: 1_000_000 }, limited)).pids.length, 1);
  const run = pool.run({ end: "deaf", eatBytes: 250_000_000 }, { ...limited, retries: 3 });
  await assert.rejects(run, (error) => {
    assert.ok(isNewelError(error) && error.code === "NEWEL_E_POOL_MEMORY");
    assert.equal(error.data["limitBytes"], 200_000_000);
    assert.ok(Number(error.data["usedBytes"]) > 200_000_000);
    return true;
  });
  other.catch(() => undefined);
  assert.equal(pool.stats().workers.find(({ number }) => number === 1)?.running, 1);
});

test("options for groups are refused by a pool without groups", async (t) => {
  const isRefused = (error: unknown): boolean => hasCode(error, "NEWEL_E_POOL_OPTION");
  assert.throws(
    () => openPool<Group>(t, "group", { kind: "thread", processGroup: true }),
    isRefused,
  );
  const pool = openPool<Group>(t, "group", { size: 1 });
  await assert.rejects(pool.run({ end: "return" }, { graceMs: 1 }), isRefused);
  await assert.rejects(pool.run({ end: "return" }, { memoryBytes: 1 }), isRefused);
});
