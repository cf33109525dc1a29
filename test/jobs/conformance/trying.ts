import assert from "node:assert/strict";

import {
  type BackoffOptions,
  DelayedError,
  type Job,
  UnrecoverableError,
  WaitingError,
  Worker,
} from "bullmq";

import { type Behaviour, once, wait, type World } from "./world.ts";

/** A worker whose handler fails `times` times, then succeeds; the times of its starts. */
function failing(world: World, times: number, options = {}): number[] {
  const began: number[] = [];
  world.worker(async () => {
    began.push(Date.now());
    if (began.length <= times) throw new Error(`failure ${began.length}`);
    return "at last";
  }, options);
  return began;
}

/** The start times of the three attempts of a job: the first two fail, and `backoff` separates them. */
async function beginnings(
  world: World,
  backoff: BackoffOptions,
): Promise<[first: number, second: number, third: number]> {
  const queue = world.queue();
  const { id } = await queue.add("n", {}, { attempts: 3, backoff });
  const began = failing(world, 2);
  await world.until(() => began.length === 1, "first run");
  await world.state(queue, id, "delayed");
  await world.state(queue, id, "completed");
  const [first = 0, second = 0, third = 0] = began;
  return [first, second, third];
}

export const TRYING: readonly Behaviour[] = [
  [
    "attempts: a job runs again until it succeeds",
    async (world) => {
      const queue = world.queue();
      const { id } = await queue.add("n", {}, { attempts: 3 });
      failing(world, 2);
      await world.state(queue, id, "completed");
      const job = await queue.getJob(id ?? "");
      assert.equal(job?.attemptsMade, 3);
      assert.equal(job?.attemptsStarted, 3);
      assert.equal(job?.returnvalue, "at last");
    },
  ],
  [
    "attempts used up: the job fails with the last reason and all stacks",
    async (world) => {
      const queue = world.queue();
      const events = await world.events();
      const exhausted = once(events, "retries-exhausted");
      const { id } = await queue.add("n", {}, { attempts: 2 });
      failing(world, 9);
      assert.deepEqual(await exhausted, { jobId: id, attemptsMade: "2" });
      const job = await queue.getJob(id ?? "");
      assert.equal(job?.failedReason, "failure 2");
      assert.equal(job?.stacktrace?.length, 2);
      assert.equal(job?.attemptsMade, 2);
    },
  ],
  [
    "one attempt by default",
    async (world) => {
      const queue = world.queue();
      const { id } = await queue.add("n", {});
      const began = failing(world, 9);
      await world.state(queue, id, "failed");
      assert.equal(began.length, 1);
    },
  ],
  [
    "a job that runs again goes to the end of the line",
    async (world) => {
      const queue = world.queue();
      await queue.add("n", "fails", { attempts: 2 });
      await queue.add("n", "other");
      const order: string[] = [];
      world.worker(async (job) => {
        order.push(job.data);
        if (order.length === 1) throw new Error("first time");
      });
      await world.until(() => order.length === 3, "three runs");
      assert.deepEqual(order, ["fails", "other", "fails"]);
    },
  ],
  [
    "fixed backoff",
    async (world) => {
      const [first, second, third] = await beginnings(world, { type: "fixed", delay: 120 });
      assert.ok(second - first >= 119 && third - second >= 119);
    },
  ],
  [
    "exponential backoff",
    async (world) => {
      const [first, second, third] = await beginnings(world, { type: "exponential", delay: 80 });
      assert.ok(second - first >= 79 && third - second >= 159);
    },
  ],
  [
    "a custom backoff, and -1 to give up",
    async (world) => {
      const queue = world.queue();
      const options = { attempts: 5, backoff: { type: "own" } };
      const { id } = await queue.add("n", {}, options);
      const asked: number[] = [];
      const settings = {
        backoffStrategy: (made: number) => {
          asked.push(made);
          return made < 2 ? 10 : -1;
        },
      };
      failing(world, 9, { settings });
      await world.state(queue, id, "failed");
      assert.deepEqual(asked, [1, 2]);
    },
  ],
  [
    "an unrecoverable error is not tried again",
    async (world) => {
      const queue = world.queue();
      const { id } = await queue.add("n", {}, { attempts: 5 });
      world.worker(async () => {
        throw new UnrecoverableError("never");
      });
      await world.state(queue, id, "failed");
      assert.equal((await queue.getJob(id ?? ""))?.attemptsMade, 1);
    },
  ],
  [
    "a failed job can be tried again by hand",
    async (world) => {
      const queue = world.queue();
      const { id } = await queue.add("n", {});
      failing(world, 1);
      await world.state(queue, id, "failed");
      const job = await queue.getJob(id ?? "");
      await job?.retry();
      await world.state(queue, id, "completed");
      const after = await queue.getJob(id ?? "");
      assert.equal(after?.failedReason, undefined);
      assert.equal(after?.attemptsMade, 2);
    },
  ],
  [
    "a completed job can be run again with its attempts reset",
    async (world) => {
      const queue = world.queue();
      const { id } = await queue.add("n", {});
      await world.process(1, () => "once");
      const job = await queue.getJob(id ?? "");
      await job?.retry("completed", { resetAttemptsMade: true, resetAttemptsStarted: true });
      assert.equal(await job?.getState(), "waiting");
      const waiting = await queue.getJob(id ?? "");
      assert.equal(waiting?.attemptsMade, 0);
      assert.equal(waiting?.attemptsStarted, 0);
      assert.equal(waiting?.finishedOn, undefined);
      await world.process(1, () => "twice");
    },
  ],
  [
    "a job in another state cannot be retried",
    async (world) => {
      const job = await world.queue().add("n", {});
      await assert.rejects(job.retry("failed"), { code: -3 });
      await job.remove();
      await assert.rejects(job.retry("failed"), { code: -1 });
    },
  ],
  [
    "all failed jobs can be tried again",
    async (world) => {
      const queue = world.queue();
      await queue.addBulk([1, 2, 3, 4, 5].map((i) => ({ name: "n", data: i })));
      let fail = true;
      const seen: number[] = [];
      world.worker(async (job) => {
        if (fail) throw new Error("no");
        seen.push(job.data);
      });
      await world.until(async () => (await queue.getFailedCount()) === 5, "five failed");
      fail = false;
      await queue.retryJobs({ count: 2 });
      await world.until(() => seen.length === 5, "all again");
      assert.equal(await queue.getFailedCount(), 0);
    },
  ],
  [
    "all completed jobs can be run again",
    async (world) => {
      const queue = world.queue();
      await queue.addBulk([1, 2].map((i) => ({ name: "n", data: i })));
      await world.process(2, () => 1);
      await queue.retryJobs({ state: "completed" });
      assert.equal(await queue.getCompletedCount(), 0);
      assert.equal(await queue.getWaitingCount(), 2);
    },
  ],
  [
    "only jobs that failed before a time are retried",
    async (world) => {
      const queue = world.queue();
      await queue.add("n", {});
      const worker = world.worker(async () => {
        throw new Error("no");
      });
      await world.until(async () => (await queue.getFailedCount()) === 1, "one failed");
      await worker.close();
      const between = Date.now() + 5;
      await wait(20);
      await queue.retryJobs({ timestamp: between - 60_000 });
      assert.equal(await queue.getFailedCount(), 1);
      await queue.retryJobs({ timestamp: between });
      assert.equal(await queue.getFailedCount(), 0);
    },
  ],
  [
    "a handler can delay its job",
    async (world) => {
      const queue = world.queue();
      const { id } = await queue.add("n", {});
      let runs = 0;
      world.worker(async (job: Job, token) => {
        runs += 1;
        if (runs > 1) return;
        await job.moveToDelayed(Date.now() + 150, token);
        throw new DelayedError();
      });
      await world.until(() => runs === 1, "first run");
      await world.state(queue, id, "delayed");
      await world.state(queue, id, "completed");
      assert.equal((await queue.getJob(id ?? ""))?.attemptsMade, 1);
    },
  ],
  [
    "a handler can requeue its job",
    async (world) => {
      const queue = world.queue();
      const { id } = await queue.add("n", {});
      let runs = 0;
      world.worker(async (job: Job, token) => {
        runs += 1;
        if (runs > 1) return;
        await job.moveToWait(token);
        throw new WaitingError();
      });
      await world.state(queue, id, "completed");
      assert.equal(runs, 2);
    },
  ],
  [
    "a handler can rate-limit its queue",
    async (world) => {
      const queue = world.queue();
      const { id } = await queue.add("n", {});
      const began: number[] = [];
      const worker: Worker = world.worker(async () => {
        began.push(Date.now());
        if (began.length > 1) return;
        await queue.rateLimit(200);
        throw Worker.RateLimitError();
      });
      worker.on("failed", () => assert.fail("a limit is no failure"));
      await world.state(queue, id, "completed");
      assert.ok((began[1] ?? 0) - (began[0] ?? 0) >= 190, String(began));
      assert.equal((await queue.getJob(id ?? ""))?.attemptsMade, 1);
    },
  ],
  [
    "a job with a priority keeps it when it runs again",
    async (world) => {
      const queue = world.queue();
      const { id } = await queue.add("n", {}, { attempts: 2, priority: 4 });
      const job = await world.worker(undefined).getNextJob("token");
      await job?.moveToFailed(new Error("no"), "token");
      assert.equal(await queue.getJobState(id ?? ""), "prioritized");
    },
  ],
  [
    "a call without a token does not check the lock",
    async (world) => {
      const queue = world.queue();
      await queue.add("n", {}, { attempts: 2 });
      const job = await world.worker(undefined).getNextJob("token");
      await assert.rejects(
        job?.moveToFailed(new Error("no"), "another") ?? wait(0),
        (error: Error & { code: number }) => error.code === -6 || error.code === -2,
      );
    },
  ],
];

export const STALLING: readonly Behaviour[] = [
  [
    "a job with an expired lock is requeued and emits an event",
    async (world) => {
      const queue = world.queue();
      const events = await world.events();
      const told = once(events, "stalled");
      const { id } = await queue.add("n", {});
      await world.worker(undefined, { lockDuration: 100 }).getNextJob("token");
      const worker = world.worker(async () => "recovered", { stalledInterval: 100 });
      const stalled = new Promise((resolve) => worker.once("stalled", resolve));
      assert.equal((await told)["jobId"], id);
      assert.equal(await stalled, id);
      await world.state(queue, id, "completed");
      assert.equal((await queue.getJob(id ?? ""))?.stalledCounter, 1);
    },
  ],
  [
    "a job that stalls more often than allowed fails",
    async (world) => {
      const queue = world.queue();
      const { id } = await queue.add("n", {});
      await world.worker(undefined, { lockDuration: 100 }).getNextJob("token");
      world.worker(async () => assert.fail("it must not run again"), {
        stalledInterval: 100,
        maxStalledCount: 0,
      });
      await world.state(queue, id, "failed");
      assert.match(
        (await queue.getJob(id ?? ""))?.failedReason ?? "",
        /stalled more than allowable/,
      );
    },
  ],
  [
    "a job whose lock is renewed does not stall",
    async (world) => {
      const queue = world.queue();
      const { id } = await queue.add("n", {});
      let runs = 0;
      const options = { lockDuration: 600, stalledInterval: 100 };
      const handler = async (): Promise<void> => {
        runs += 1;
        await wait(1_500);
      };
      world.worker(handler, options);
      world.worker(handler, options);
      await world.state(queue, id, "completed");
      assert.equal(runs, 1);
    },
  ],
  [
    "a worker that skips the check does not requeue stalled jobs",
    async (world) => {
      const queue = world.queue();
      const { id } = await queue.add("n", {});
      await world.worker(undefined, { lockDuration: 60 }).getNextJob("token");
      world.worker(async () => 1, { stalledInterval: 50, skipStalledCheck: true });
      await wait(400);
      assert.equal(await queue.getJobState(id ?? ""), "active");
    },
  ],
  [
    "a stalled job comes before waiting jobs",
    async (world) => {
      const queue = world.queue();
      await queue.add("n", "stalled");
      await queue.add("n", "waits");
      const lost = world.worker(undefined, { lockDuration: 80, stalledInterval: 80 });
      await lost.getNextJob("token");
      await lost.startStalledCheckTimer();
      await world.state(queue, "1", "waiting");
      await lost.close();
      assert.deepEqual(await world.process(2, (job) => job.data), ["stalled", "waits"]);
    },
  ],
  [
    "the first owner cannot complete a job that stalled",
    async (world) => {
      const queue = world.queue();
      const { id } = await queue.add("n", {});
      const worker = world.worker(undefined, { lockDuration: 80, stalledInterval: 80 });
      const job = await worker.getNextJob("token");
      await worker.startStalledCheckTimer();
      await world.state(queue, id, "waiting");
      await assert.rejects(
        job?.moveToCompleted(1, "token") ?? wait(0),
        (error: Error & { code: number }) => error.code === -2 || error.code === -3,
      );
    },
  ],
];
