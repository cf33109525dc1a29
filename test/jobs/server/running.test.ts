import assert from "node:assert/strict";
import { test } from "node:test";

import { codeOf, ended, makeWorld } from "./world.ts";

test("a job that BullMQ's own Queue.add put into the store is run in a pool process", async (scope) => {
  const world = makeWorld(scope);
  const queue = world.queue("default");
  const added = await queue.add("plain", { to: "anna" });
  await world.serve();
  const { returnvalue } = await ended(queue, added);
  const { pid, ...rest } = returnvalue as { pid: number };
  assert.deepEqual(rest, { was: { to: "anna" }, attempt: 1 });
  assert.notEqual(pid, process.pid);
});

test("a run that cannot be executed fails with a code and does not disturb others", async (scope) => {
  const world = makeWorld(scope);
  const queue = world.queue("default");
  await world.serve();
  const once = { attempts: 1 };
  const jobs = {
    NEWEL_E_JOB_INPUT: await queue.add("checked", { count: "one" }, { attempts: 3 }),
    NEWEL_E_JOB_THROWN: await queue.add("throws", "a text", once),
    NEWEL_E_JOB_VALUE: await queue.add("bad-result", "bigint", once),
    NEWEL_E_JOB_PAYLOAD: await queue.add("bad-result", "large", once),
    E_MINE: await queue.add("throws", "error", once),
  };
  const good = await queue.add("checked", { count: 1 });
  for (const [code, job] of Object.entries(jobs)) {
    const failed = await ended(queue, job);
    assert.equal(codeOf(failed), code);
    assert.equal(failed.attemptsMade, 1, code);
  }
  assert.equal((await ended(queue, good)).returnvalue, 2);
  const [thrown] = await queue
    .getJobs(["failed"])
    .then((all) => all.filter((job) => codeOf(job) === "NEWEL_E_JOB_THROWN"));
  assert.match(thrown?.failedReason ?? "", /threw a text, which is not an Error/);
});

test("progress and log lines are stored: the last report always, and none that decreases", async (scope) => {
  const world = makeWorld(scope);
  const queue = world.queue("default");
  await world.serve();
  const job = await ended(queue, await queue.add("talking", {}));
  assert.deepEqual(job.progress, { done: 100, total: 100, note: "at 100", reports: 100 });
  const { logs } = await queue.getJobLogs(job.id ?? "");
  assert.equal(logs.length, 1);
  assert.match(logs[0] ?? "", /^\d{4}-\d\d-\d\dT[\d:.]+Z #1 hello$/);
});

test("a handler that blocks its event loop longer than its lock runs once", async (scope) => {
  const world = makeWorld(scope);
  const queue = world.queue("default");
  await world.serve({ lockMs: 1_000 });
  await world.serve({ lockMs: 1_000 });
  // 75 s in the soak.
  const blockedMs = Number(process.env["BLOCKED_MS"] ?? 3_500);
  const job = await ended(queue, await queue.add("blocking", blockedMs), blockedMs + 20_000);
  assert.equal(job.failedReason, undefined);
  assert.deepEqual(world.notes(), ["blocking"]);
  assert.equal(job.attemptsStarted, 1);
});
