import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { eventually, startProcess, temporaryDirectory } from "../../helpers/resources.ts";
import { linesOf, openQueue, said, startProgram } from "./many.ts";

test("a worker in another process takes a job at once, not at its next poll", async (scope) => {
  const path = join(temporaryDirectory(scope), "jobs.db");
  const queue = openQueue(scope, path);
  // The intervals of this worker, its poll among them, are 10 minutes, and so is its wait for a job.
  const options = JSON.stringify({ drainDelay: 600 });
  const [preload, program] = ["slow-intervals.cjs", "worker.ts"].map((name) =>
    fileURLToPath(new URL(`fixtures/${name}`, import.meta.url)),
  );
  const args = ["--require", String(preload), String(program), path, "q", "0", "1", options];
  const worker = linesOf(startProcess(scope, process.execPath, args));
  await eventually(() => said(worker, "ready").length === 1, "the worker is ready");
  for (let job = 1; job <= 10; job += 1) {
    await queue.add("n", {});
    await eventually(() => said(worker, "end").length === job, "the job ran");
  }
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

test("the jobs of a killed worker start again before their locks expire", async (scope) => {
  const path = join(temporaryDirectory(scope), "jobs.db");
  const queue = openQueue(scope, path);
  await queue.addBulk(Array.from({ length: 5 }, (_, i) => ({ name: "n", data: i })));
  // Neither an expired lock nor a check for stalled jobs can be the reason that they start.
  const options = JSON.stringify({ lockDuration: 600_000, stalledInterval: 600_000 });
  const first = startProgram(scope, "worker", path, "q", "600000", "5", options);
  await eventually(() => said(first, "begin").length === 5, "five jobs run", 60_000);
  const second = startProgram(scope, "worker", path, "q", "10", "5", options);
  await eventually(() => said(second, "ready").length === 1, "the second worker is ready", 60_000);
  assert.equal(said(second, "begin").length, 0);
  first.child.kill("SIGKILL");
  await eventually(() => said(second, "end").length === 5, "all ran again", 60_000);
  const job = await queue.getJob("1");
  assert.equal(job?.stalledCounter, 1);
  assert.equal(job?.attemptsStarted, 2);
});

test("when all processes were killed, the next one requeues their jobs", async (scope) => {
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

test("a suspended worker keeps its jobs until their locks expire", async (scope) => {
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

test("a handler that blocks its loop beyond the lock runs once", async (scope) => {
  const directory = temporaryDirectory(scope);
  const [path, until] = [join(directory, "jobs.db"), join(directory, "go on")];
  const queue = openQueue(scope, path);
  // The lock is renewed after half of its time: on a busy machine that takes a second or more.
  const lockDuration = 6_000;
  const options = JSON.stringify({ lockDuration, stalledInterval: 300 });
  const workers = [1, 2].map(() => startProgram(scope, "worker", path, "q", "block", "1", options));
  const all = (word: string): string[][] => workers.flatMap((worker) => said(worker, word));
  await eventually(() => all("ready").length === 2, "both workers are ready", 60_000);
  await queue.add("n", { until });
  await eventually(() => all("blocks").length === 1, "a handler blocks its loop", 60_000);
  await sleep(lockDuration * 1.3);
  writeFileSync(until, "");
  await eventually(async () => (await queue.getCompletedCount()) === 1, "it is done", 60_000);
  assert.equal(all("begin").length, 1);
  assert.equal((await queue.getJob("1"))?.stalledCounter, 0);
});

test("a job that is offered to a busy process goes to another", async (scope) => {
  const directory = temporaryDirectory(scope);
  const [path, until] = [join(directory, "jobs.db"), join(directory, "go on")];
  const queue = openQueue(scope, path);
  const busy = startProgram(scope, "worker", path, "q", "block", "2");
  await eventually(() => said(busy, "ready").length === 1, "the first is ready", 60_000);
  // The worker waits for a second job while its first one rests, and later its thread is blocked.
  await queue.add("n", { restMs: 400, until });
  await eventually(() => said(busy, "blocks").length === 1, "it blocks its loop", 60_000);
  const { id } = await queue.add("n", { ms: 0 });
  const idle = startProgram(scope, "worker", path, "q", "block", "1");
  await eventually(() => said(idle, "end").length === 1, "the other did it", 60_000);
  assert.equal(said(busy, "end").length, 0);
  const job = await queue.getJob(id ?? "");
  assert.deepEqual([job?.attemptsStarted, job?.stalledCounter], [1, 0]);
  writeFileSync(until, "");
  await eventually(async () => (await queue.getCompletedCount()) === 2, "both are done", 60_000);
  assert.equal(said(busy, "begin").length, 1);
});
