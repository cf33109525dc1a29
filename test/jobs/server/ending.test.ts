import assert from "node:assert/strict";
import { test } from "node:test";

import { Jobs } from "../../../src/jobs/jobs.ts";
import { cleanUp, eventually } from "../../helpers/resources.ts";
import { codeOf, ended, makeWorld, pidsNoted, runs } from "./world.ts";

test("cancel leaves nothing of a job that runs in a subshell", async (scope) => {
  const world = makeWorld(scope);
  const queue = world.queue("default");
  await world.serve();
  const jobs = new Jobs({ store: world.store });
  cleanUp(scope, () => jobs.close());
  const added = await queue.add("subshell", {}, { attempts: 3 });
  const pids = await pidsNoted(world, 3);
  assert.ok(pids.every(runs));
  await jobs.cancel(`default~${added.id}`);
  const job = await ended(queue, added);
  assert.equal(codeOf(job), "NEWEL_E_JOB_CANCELLED");
  assert.equal((await jobs.get(`default~${added.id}`))?.state, "cancelled");
  await eventually(() => !pids.some(runs), "all processes have ended");
  await eventually(
    async () => (await world.queue("newel-cancel").count()) === 0,
    "the wish is gone",
  );
});

test("a job that ignores its signal is killed, and a waiting one never starts", async (scope) => {
  const world = makeWorld(scope);
  const queue = world.queue("default");
  const jobs = new Jobs({ store: world.store });
  cleanUp(scope, () => jobs.close());
  const waiting = await queue.add("plain", {});
  const delayed = await queue.add("plain", {}, { delay: 3_600_000 });
  for (const { id } of [waiting, delayed]) await jobs.cancel(`default~${id}`);
  await world.serve();
  for (const added of [waiting, delayed])
    assert.equal(codeOf(await ended(queue, added)), "NEWEL_E_JOB_CANCELLED");
  const spinning = await queue.add("spinning", {});
  const pids = await pidsNoted(world, 2);
  await jobs.cancel(`default~${spinning.id}`);
  assert.equal(codeOf(await ended(queue, spinning)), "NEWEL_E_JOB_CANCELLED");
  await eventually(() => !pids.some(runs), "all processes have ended");
});

test("a job over its time limit fails, unless it succeeds within its grace", async (scope) => {
  const world = makeWorld(scope);
  const queue = world.queue("default");
  await world.serve();
  const late = await queue.add("late", {});
  const well = await queue.add("late-but-well", {});
  assert.equal(codeOf(await ended(queue, late)), "NEWEL_E_JOB_TIMEOUT");
  assert.equal((await ended(queue, well)).returnvalue, "NEWEL_E_JOB_TIMEOUT");
});

test("a job over its memory limit fails with that reason while others continue", async (scope) => {
  const world = makeWorld(scope);
  const queue = world.queue("default");
  await world.serve();
  const hungry = await queue.add("hungry", {});
  const other = await queue.add("waiting", 1_500);
  const failed = await ended(queue, hungry);
  assert.equal(codeOf(failed), "NEWEL_E_JOB_MEMORY");
  assert.match(failed.failedReason ?? "", /used [\d.]+[MG]B of memory, more than 300MB/);
  const { returnvalue, attemptsStarted } = await ended(queue, other);
  assert.deepEqual([returnvalue, attemptsStarted], ["slept", 1]);
});

test("process.abort() fails one attempt, and the next begins at once", async (scope) => {
  const world = makeWorld(scope);
  const queue = world.queue("default");
  await world.serve({ processes: 1 });
  const backoff = { type: "fixed", delay: 60_000 };
  const added = await queue.add("aborting", {}, { attempts: 2, backoff });
  await queue.addBulk([1, 2, 3].map(() => ({ name: "waiting", data: 300 })));
  const job = await ended(queue, added);
  assert.deepEqual([job.returnvalue, job.attemptsMade], [2, 2]);
  const [first = 0, second = 0] = world
    .notes()
    .filter((line) => line.startsWith("attempt"))
    .map((line) => Number(line.split(" ")[2]));
  assert.ok(second - first < backoff.delay, `${second - first} ms: it waited for its backoff`);
});

test("without attempts left, a job whose process died has failed", async (scope) => {
  const world = makeWorld(scope);
  const queue = world.queue("default");
  await world.serve();
  const job = await ended(queue, await queue.add("aborting", {}, { attempts: 1 }));
  assert.equal(codeOf(job), "NEWEL_E_JOB_WORKER_LOST");
});

test("jobs that share a process are requeued when it is killed because of a sibling", async (scope) => {
  const world = makeWorld(scope);
  const queue = world.queue("shared");
  await world.serve({ processes: 1 });
  const jobs = new Jobs({ store: world.store });
  cleanUp(scope, () => jobs.close());
  const hog = await queue.add("shared", "hog");
  const short = await queue.add("shared", 500);
  const long = await queue.add("shared", 2_500, { attempts: 1 });
  await eventually(() => world.notes().length === 3, "all three run");
  assert.equal(new Set(world.notes().map((line) => line.split(" ")[2])).size, 1, "in one process");
  await jobs.cancel(`shared~${hog.id}`);
  assert.equal((await ended(queue, short)).attemptsStarted, 1);
  const job = await ended(queue, long);
  // Killed with the hog, without its own fault: it began twice, and used up one attempt.
  assert.deepEqual([job.failedReason, job.attemptsMade, job.attemptsStarted], [undefined, 1, 2]);
  assert.equal(codeOf(await ended(queue, hog)), "NEWEL_E_JOB_CANCELLED");
});

test("a memory limit does not count what earlier runs left in the process", async (scope) => {
  const world = makeWorld(scope);
  const queue = world.queue("default");
  await world.serve({ processes: 1 });
  const added = await queue.addBulk(
    Array.from({ length: 9 }, () => ({ name: "leaving", data: {} })),
  );
  const pids = new Set<unknown>();
  for (const job of added) {
    const done = await ended(queue, job, 60_000);
    assert.equal(done.failedReason ?? "", "");
    pids.add(done.returnvalue);
  }
  // The process was used again, or nothing was tried.
  assert.ok(pids.size < added.length);
});
