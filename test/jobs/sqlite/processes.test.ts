import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";

import { eventually, temporaryDirectory } from "../../helpers/resources.ts";
import { openQueue, said, startProgram } from "./many.ts";

test("a worker in another process takes a job at once, not when it looks next", async (scope) => {
  const path = join(temporaryDirectory(scope), "jobs.db");
  const queue = openQueue(scope, path);
  const worker = startProgram(scope, "worker", path, "q", "0", "1");
  await eventually(() => said(worker, "ready").length === 1, "the worker is ready");
  let soon = 0;
  for (let job = 1; job <= 20; job += 1) {
    await new Promise((resolve) => setTimeout(resolve, 20 + 11 * job));
    const before = Date.now();
    await queue.add("n", {});
    await eventually(() => said(worker, "end").length === job, "the job ran");
    const [, at] = said(worker, "begin").at(-1) ?? [];
    if (Number(at) - before < 100) soon += 1;
  }
  // It looks every 200 ms, which would be soon enough for every other job.
  assert.ok(soon >= 15, `${soon} of 20`);
});

test("producers in many processes, and each job once", async (scope) => {
  const path = join(temporaryDirectory(scope), "jobs.db");
  const queue = openQueue(scope, path);
  const producers = [1, 2, 3].map(() => startProgram(scope, "producer", path, "q", "100"));
  const workers = [1, 2].map(() => startProgram(scope, "worker", path, "q", "0", "4"));
  await eventually(
    async () => (await queue.getCompletedCount()) === 300,
    "300 jobs are done",
    60_000,
  );
  const ended = workers.flatMap((worker) => said(worker, "end").map(([id]) => id));
  assert.equal(ended.length, 300);
  assert.equal(new Set(ended).size, 300);
  for (const worker of workers) assert.deepEqual(said(worker, "error"), []);
  // In order for each producer: ids go up as they were added.
  for (const producer of producers) {
    const ids = said(producer, "added").map(([id]) => Number(id));
    assert.deepEqual(
      ids,
      ids.toSorted((a, b) => a - b),
    );
  }
});

test("the jobs of a killed worker start again at once", async (scope) => {
  const path = join(temporaryDirectory(scope), "jobs.db");
  const queue = openQueue(scope, path);
  await queue.addBulk(Array.from({ length: 5 }, (_, i) => ({ name: "n", data: i })));
  const first = startProgram(scope, "worker", path, "q", "60000", "5");
  await eventually(() => said(first, "begin").length === 5, "five jobs run");
  const second = startProgram(scope, "worker", path, "q", "10", "5");
  await eventually(() => said(second, "ready").length === 1, "the second worker is ready");
  assert.equal(said(second, "begin").length, 0);
  const killed = Date.now();
  first.child.kill("SIGKILL");
  await eventually(() => said(second, "end").length === 5, "all ran again");
  const began = said(second, "begin").map(([, at]) => Number(at) - killed);
  assert.ok(Math.max(...began) < 2_000, String(began));
  const job = await queue.getJob("1");
  assert.equal(job?.stalledCounter, 1);
  assert.equal(job?.attemptsStarted, 2);
});

test("when all processes were killed, the next one finds what they had", async (scope) => {
  const path = join(temporaryDirectory(scope), "jobs.db");
  const first = startProgram(scope, "worker", path, "q", "60000", "2");
  const producer = startProgram(scope, "producer", path, "q", "2");
  await eventually(() => said(first, "begin").length === 2, "two jobs run");
  await eventually(() => producer.child.exitCode === 0, "the producer ended");
  first.child.kill("SIGKILL");
  await eventually(() => first.child.signalCode !== null, "it is dead");
  const queue = openQueue(scope, path);
  await queue.waitUntilReady();
  assert.equal(await queue.getWaitingCount(), 2);
  assert.equal(await queue.getActiveCount(), 0);
});

test("a worker that is stopped, not dead, keeps its jobs until their locks end", async (scope) => {
  const path = join(temporaryDirectory(scope), "jobs.db");
  const queue = openQueue(scope, path);
  await queue.add("n", {});
  const options = JSON.stringify({ lockDuration: 1_000, stalledInterval: 300 });
  const first = startProgram(scope, "worker", path, "q", "60000", "1", options);
  await eventually(() => said(first, "begin").length === 1, "the job runs");
  const second = startProgram(scope, "worker", path, "q", "0", "1", options);
  await eventually(() => said(second, "ready").length === 1, "the second worker is ready");
  first.child.kill("SIGSTOP");
  await eventually(() => said(second, "end").length === 1, "it ran again", 20_000);
  first.child.kill("SIGCONT");
  assert.equal((await queue.getJob("1"))?.stalledCounter, 1);
});

test("a handler that keeps its loop busy beyond the lock runs once", async (scope) => {
  const path = join(temporaryDirectory(scope), "jobs.db");
  const queue = openQueue(scope, path);
  await queue.add("n", { ms: 5_000 });
  const options = JSON.stringify({ lockDuration: 1_500, stalledInterval: 300 });
  const workers = [1, 2].map(() => startProgram(scope, "worker", path, "q", "block", "1", options));
  await eventually(async () => (await queue.getCompletedCount()) === 1, "it is done", 20_000);
  const began = workers.flatMap((worker) => said(worker, "begin"));
  assert.equal(began.length, 1);
  assert.equal((await queue.getJob("1"))?.stalledCounter, 0);
});

test("a job that is offered to a busy process goes to another", async (scope) => {
  const path = join(temporaryDirectory(scope), "jobs.db");
  const queue = openQueue(scope, path);
  const busy = startProgram(scope, "worker", path, "q", "block", "2");
  await eventually(() => said(busy, "ready").length === 1, "the first is ready");
  // It waits for a second job while it rests, and then cannot hear of one.
  await queue.add("n", { restMs: 400, ms: 6_000 });
  await eventually(() => said(busy, "begin").length === 1, "it works");
  await new Promise((resolve) => setTimeout(resolve, 800));
  const { id } = await queue.add("n", { ms: 0 });
  const idle = startProgram(scope, "worker", path, "q", "block", "1");
  await eventually(() => said(idle, "end").length === 1, "the other did it", 5_000);
  assert.equal(said(busy, "end").length, 0);
  const job = await queue.getJob(id ?? "");
  assert.deepEqual([job?.attemptsStarted, job?.stalledCounter], [1, 0]);
  await eventually(async () => (await queue.getCompletedCount()) === 2, "both are done", 20_000);
  assert.equal(said(busy, "begin").length, 1);
});
