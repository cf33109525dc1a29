// Locks of jobs count from the taking, by a clock that no step of the wall clock moves, and hold while
// another program keeps their owners from writing.
import assert from "node:assert/strict";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { Worker } from "bullmq";

import { createSqliteBackend } from "../../../src/jobs/sqlite/index.ts";
import {
  cleanUp,
  eventually,
  type Scope,
  startProcess,
  temporaryDirectory,
} from "../../helpers/resources.ts";
import { WallClock, withoutFaketime } from "../../helpers/wall-clock.ts";
import { openQueue, type Program, said, startProgram } from "./many.ts";

function jobsFile(scope: Scope): string {
  return join(temporaryDirectory(scope), "jobs.db");
}

/** Keeps other connections from writing until it is called. */
function holdWriteLock(scope: Scope, path: string): () => void {
  const holder = new DatabaseSync(path, { timeout: 10_000 });
  cleanUp(scope, () => holder.close());
  holder.exec("BEGIN IMMEDIATE");
  return () => holder.exec("COMMIT");
}

async function pass(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

test("a lock counts from the taking, not from the call that waited for it", async (scope) => {
  const path = jobsFile(scope);
  const queue = openQueue(scope, path);
  await queue.getVersion();
  const lockDuration = 2_000;
  const worker = new Worker(
    "q",
    undefined,
    { connection: path, lockDuration },
    createSqliteBackend,
  );
  cleanUp(scope, () => worker.close());
  await queue.add("n", {});
  const release = holdWriteLock(scope, path);
  const taking = worker.getNextJob("token", { block: false });
  await pass(lockDuration * 1.5);
  release();
  const job = await taking;
  assert.equal(await job?.extendLock("token", lockDuration), 1);
});

test("reads are answered while changes wait for a program that has the write lock", async (scope) => {
  const path = jobsFile(scope);
  const queue = openQueue(scope, path);
  const job = await queue.add("first", {});
  // BullMQ stores the version once for a queue object; reads of the same turn stay behind that.
  await eventually(async () => (await queue.getMeta()).version, "the version is stored", 60_000);
  // The store thread may be about to preallocate the WAL: that waits for the lock too.
  const release = holdWriteLock(scope, path);
  const outcomes: string[] = [];
  const changes = ["second", "third"].map(async (name) => {
    await queue.add(name, {});
    outcomes.push(name);
  });
  for (let reads = 0; reads < 5; reads += 1) {
    await pass(20);
    assert.equal((await queue.getJob(job.id ?? ""))?.name, "first");
    assert.equal(await queue.getWaitingCount(), 1);
    changes.push(queue.pause().then(() => void outcomes.push(`pause ${reads}`)));
  }
  assert.deepEqual(outcomes, []);
  release();
  await Promise.all(changes);
  assert.equal(outcomes.length, 7);
  assert.equal(await queue.getJobCountByTypes("wait"), 3);
});

test("jobs whose locks cannot be renewed for long run once", async (scope) => {
  const path = jobsFile(scope);
  const queue = openQueue(scope, path);
  const lockDuration = 1_500;
  const options = JSON.stringify({ lockDuration, stalledInterval: 300 });
  const workers = [1, 2, 3].map(() =>
    startProgram(scope, "worker", path, "q", "6000", "2", options),
  );
  const begun = (): string[][] => workers.flatMap((worker) => said(worker, "begin"));
  await eventually(
    () => workers.every((worker) => said(worker, "ready").length === 1),
    "ready",
    60_000,
  );
  await queue.addBulk([1, 2, 3, 4].map((n) => ({ name: "n", data: n })));
  await eventually(() => begun().length === 4, "all jobs run", 60_000);
  // Longer than the locks, and than the rest of the jobs: their ends wait too.
  const release = holdWriteLock(scope, path);
  await pass(lockDuration * 5);
  release();
  await eventually(async () => (await queue.getCompletedCount()) === 4, "all are done", 60_000);
  assert.equal(begun().length, 4);
  const jobs = await queue.getCompleted();
  assert.deepEqual(
    jobs.map(({ stalledCounter }) => stalledCounter),
    [0, 0, 0, 0],
  );
});

/** Starts a program of fixtures/ under a wall clock. */
function startUnderClock(scope: Scope, clock: WallClock, name: string, ...args: string[]): Program {
  const path = fileURLToPath(new URL(`fixtures/${name}.ts`, import.meta.url));
  const child = startProcess(scope, process.execPath, [path, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, ...clock.env },
  });
  const lines: string[] = [];
  if (child.stdout !== null) createInterface(child.stdout).on("line", (line) => lines.push(line));
  return { child, lines };
}

function startWorker(
  scope: Scope,
  path: string,
  clock: WallClock,
  workMs: number,
  extra: object = {},
): Program {
  const options = { lockDuration: 10_000, stalledInterval: 300, drainDelay: 1, ...extra };
  const args = [path, "q", String(workMs), "5", JSON.stringify(options)];
  return startUnderClock(scope, clock, "worker", ...args);
}

/** The times, by a clock that is not set, at which a program wrote lines with a word. */
function timesOf(program: Program, word: string): number[] {
  return said(program, word).map((words) => Number(words.at(-1)));
}

for (const step of [3_600, -3_600]) {
  test(
    `a rate limit lets no more and no fewer jobs start when the wall clock steps by ${step} s`,
    { skip: withoutFaketime },
    async (scope) => {
      const path = jobsFile(scope);
      const clock = new WallClock(join(temporaryDirectory(scope), "clock"));
      const queue = openQueue(scope, path);
      const limiter = { max: 1, duration: 4_000 };
      await queue.addBulk([1, 2, 3].map((data) => ({ name: "n", data })));
      // The worker asks for a job several times in a window, so only the store keeps it from starting one.
      const worker = startWorker(scope, path, clock, 0, { limiter, maximumRateLimitDelay: 100 });
      await eventually(() => timesOf(worker, "begin").length === 1, "the first job runs", 60_000);
      clock.step(step);
      await eventually(() => timesOf(worker, "begin").length === 3, "all jobs ran", 60_000);
      const [first = 0, second = 0, third = 0] = timesOf(worker, "begin");
      for (const gapMs of [second - first, third - second])
        assert.ok(gapMs > limiter.duration / 2, `${gapMs} ms between two jobs`);
    },
  );

  test(
    `a deduplication holds its time when the wall clock steps by ${step} s`,
    { skip: withoutFaketime },
    async (scope) => {
      const path = jobsFile(scope);
      const clock = new WallClock(join(temporaryDirectory(scope), "clock"));
      const ttlMs = 4_000;
      const program = startUnderClock(scope, clock, "deduplicating", path, String(ttlMs));
      await eventually(() => program.lines.length > 0, "the first job is added", 60_000);
      clock.step(step);
      const holders = (): string[] => [...new Set(said(program, "held").map(([id = ""]) => id))];
      await eventually(() => holders().length === 3, "two more jobs are added", 60_000);
      const added = holders().map((id) => {
        const line = said(program, "held").find(([held]) => held === id);
        return Number(line?.at(-1));
      });
      const [first = 0, second = 0, third = 0] = added;
      for (const gapMs of [second - first, third - second])
        assert.ok(gapMs > ttlMs / 2, `${gapMs} ms between two jobs`);
    },
  );
}

for (const step of [3_600, -3_600])
  test(
    `a job runs once when the wall clock steps by ${step} s`,
    { skip: withoutFaketime },
    async (scope) => {
      const path = jobsFile(scope);
      const clock = new WallClock(join(temporaryDirectory(scope), "clock"));
      const queue = openQueue(scope, path);
      const workers = [1, 2].map(() => startWorker(scope, path, clock, 3_000));
      const begun = (): string[][] => workers.flatMap((worker) => said(worker, "begin"));
      await eventually(
        () => workers.every((worker) => said(worker, "ready").length === 1),
        "ready",
        60_000,
      );
      await queue.add("n", {});
      await eventually(() => begun().length === 1, "the job runs", 60_000);
      clock.step(step);
      await eventually(async () => (await queue.getCompletedCount()) === 1, "it is done", 60_000);
      // After the step, jobs are taken and dead processes noticed as before.
      await queue.add("n", {});
      await eventually(() => begun().length === 2, "the second job runs", 60_000);
      const [first, second] = workers;
      const holder =
        said(first as Program, "end").length < said(first as Program, "begin").length
          ? first
          : second;
      holder?.child.kill("SIGKILL");
      await eventually(async () => (await queue.getCompletedCount()) === 2, "it is done", 60_000);
      assert.equal((await queue.getJob("1"))?.stalledCounter, 0);
    },
  );

test(
  "a delayed job runs when the wall clock steps over its time",
  { skip: withoutFaketime },
  async (scope) => {
    const path = jobsFile(scope);
    const clock = new WallClock(join(temporaryDirectory(scope), "clock"));
    const queue = openQueue(scope, path);
    const worker = startWorker(scope, path, clock, 0);
    await eventually(() => said(worker, "ready").length === 1, "ready", 60_000);
    await queue.add("n", {}, { delay: 1_800_000 });
    clock.step(3_600);
    await eventually(() => said(worker, "end").length === 1, "the job has run", 60_000);
  },
);
