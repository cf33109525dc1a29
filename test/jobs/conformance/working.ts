import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

import { type Job, UnrecoverableError, type Worker } from "bullmq";

import { type Behaviour, once, wait } from "./world.ts";

const SANDBOXED = fileURLToPath(new URL("fixtures/sandboxed.mjs", import.meta.url));

export const WORKING: readonly Behaviour[] = [
  [
    "first in, first out",
    async (world) => {
      const queue = world.queue();
      for (let i = 0; i < 10; i += 1) await queue.add("n", i);
      assert.deepEqual(await world.process(10, (job) => job.data), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    },
  ],
  [
    "lifo jobs come first, the newest one before the others",
    async (world) => {
      const queue = world.queue();
      await queue.add("n", "a");
      await queue.add("n", "b", { lifo: true });
      await queue.add("n", "c", { lifo: true });
      assert.deepEqual(await world.process(3, (job) => job.data), ["c", "b", "a"]);
    },
  ],
  [
    "the handler's result is stored",
    async (world) => {
      const queue = world.queue();
      const values = [{ a: [1] }, 0, false, "", "text", null];
      for (const value of values) await queue.add("n", { value });
      const worker = world.worker(async (job) => job.data.value);
      await world.until(async () => (await queue.getCompletedCount()) === 6, "6 completed");
      await worker.close();
      const jobs = await queue.getCompleted();
      jobs.sort((a, b) => Number(a.id) - Number(b.id));
      assert.deepEqual(
        jobs.map(({ returnvalue }) => returnvalue),
        values,
      );
    },
  ],
  [
    "a handler without a result stores null",
    async (world) => {
      const queue = world.queue();
      const { id } = await queue.add("n", {});
      await world.process(1, () => undefined);
      assert.equal((await queue.getJob(id ?? ""))?.returnvalue, null);
    },
  ],
  [
    "a job has its times of adding, start and finish, and its attempts",
    async (world) => {
      const queue = world.queue();
      const { id } = await queue.add("n", {});
      await world.process(1, () => wait(20));
      const job = await queue.getJob(id ?? "");
      assert.ok(job !== undefined);
      const { timestamp, processedOn = 0, finishedOn = 0 } = job;
      assert.ok(timestamp <= processedOn && processedOn + 15 <= finishedOn);
      assert.equal(job.attemptsMade, 1);
      assert.equal(job.attemptsStarted, 1);
      assert.equal(await job.isCompleted(), true);
    },
  ],
  [
    "a job knows its worker's name",
    async (world) => {
      const queue = world.queue();
      const { id } = await queue.add("n", {});
      await world.process(1, () => 1, { name: "anna" });
      assert.equal((await queue.getJob(id ?? ""))?.processedBy, "anna");
    },
  ],
  [
    "a worker emits active, completed and drained",
    async (world) => {
      const queue = world.queue();
      const said: string[] = [];
      const worker = world.worker(async () => 5);
      worker.on("active", () => said.push("active"));
      worker.on("completed", (_job, value) => said.push(`completed ${value}`));
      await queue.add("n", {});
      const drained = new Promise((resolve) => worker.once("drained", () => resolve(true)));
      await world.until(() => said.length === 2, "two events");
      await drained;
      assert.deepEqual(said, ["active", "completed 5"]);
    },
  ],
  [
    "a handler that throws fails the job, with reason and stack",
    async (world) => {
      const queue = world.queue();
      const { id } = await queue.add("n", {});
      const worker = world.worker(async () => {
        throw new Error("no luck");
      });
      await new Promise((resolve) => worker.once("failed", resolve));
      const job = await queue.getJob(id ?? "");
      assert.equal(job?.failedReason, "no luck");
      assert.match(job?.stacktrace?.[0] ?? "", /no luck/);
      assert.equal(await job?.isFailed(), true);
      assert.ok((job?.finishedOn ?? 0) > 0);
    },
  ],
  [
    "stackTraceLimit bounds the stored stacks",
    async (world) => {
      const queue = world.queue();
      const { id } = await queue.add("n", {}, { attempts: 3, stackTraceLimit: 1 });
      world.worker(async () => {
        throw new Error("no luck");
      });
      await world.state(queue, id, "failed");
      assert.equal((await queue.getJob(id ?? ""))?.stacktrace?.length, 1);
    },
  ],
  [
    "as many jobs run at once as concurrency allows",
    async (world) => {
      const queue = world.queue();
      await queue.addBulk(Array.from({ length: 12 }, () => ({ name: "n", data: {} })));
      let now = 0;
      let most = 0;
      await world.process(
        12,
        async () => {
          now += 1;
          most = Math.max(most, now);
          await wait(40);
          now -= 1;
        },
        { concurrency: 4 },
      );
      assert.equal(most, 4);
    },
  ],
  [
    "two workers share a queue, each job once",
    async (world) => {
      const queue = world.queue();
      await queue.addBulk(Array.from({ length: 60 }, (_, i) => ({ name: "n", data: i })));
      const seen: number[] = [];
      const handler = async (job: Job): Promise<void> => {
        seen.push(job.data);
        await wait(2);
      };
      world.worker(handler, { concurrency: 3 });
      world.worker(handler, { concurrency: 3 });
      await world.until(async () => (await queue.getCompletedCount()) === 60, "60 done");
      assert.deepEqual(
        seen.sort((a, b) => a - b),
        Array.from({ length: 60 }, (_, i) => i),
      );
    },
  ],
  [
    "a worker without autorun starts with run()",
    async (world) => {
      const queue = world.queue();
      const { id } = await queue.add("n", {});
      const worker = world.worker(async () => 1, { autorun: false });
      await wait(100);
      assert.equal(await queue.getJobState(id ?? ""), "waiting");
      void worker.run();
      await world.state(queue, id, "completed");
    },
  ],
  [
    "close waits for the active job and stores its result",
    async (world) => {
      const queue = world.queue();
      const { id } = await queue.add("n", {});
      const worker = world.worker(async () => {
        await wait(150);
        return "done";
      });
      await once(worker, "active");
      await worker.close();
      assert.equal((await queue.getJob(id ?? ""))?.returnvalue, "done");
    },
  ],
  [
    "a paused worker takes no job until it is resumed",
    async (world) => {
      const queue = world.queue();
      const worker = world.worker(async () => 1);
      await worker.waitUntilReady();
      await worker.pause();
      const { id } = await queue.add("n", {});
      await wait(150);
      assert.equal(await queue.getJobState(id ?? ""), "waiting");
      assert.equal(worker.isPaused(), true);
      await worker.resume();
      await world.state(queue, id, "completed");
    },
  ],
  [
    "jobs by hand: take, complete, get the next",
    async (world) => {
      const queue = world.queue();
      await queue.add("n", 1);
      await queue.add("n", 2);
      const worker = world.worker(undefined);
      const first = await worker.getNextJob("token");
      assert.equal(first?.data, 1);
      assert.equal(await first?.getState(), "active");
      const next = (await first?.moveToCompleted("done", "token")) as unknown[];
      assert.equal(next[1], "2");
      assert.equal((await queue.getJob("1"))?.returnvalue, "done");
      assert.equal(await queue.getJobState("2"), "active");
      await (await queue.getJob("2"))?.moveToCompleted(null, "token", false);
    },
  ],
  [
    "an empty queue gives undefined at once without blocking",
    async (world) => {
      const worker = world.worker(undefined);
      assert.equal(await worker.getNextJob("token", { block: false }), undefined);
    },
  ],
  [
    "a job by hand can fail",
    async (world) => {
      const queue = world.queue();
      await queue.add("n", 1);
      const job = await world.worker(undefined).getNextJob("token");
      await job?.moveToFailed(new Error("by hand"), "token");
      assert.equal((await queue.getJob("1"))?.failedReason, "by hand");
      assert.equal(await queue.getFailedCount(), 1);
    },
  ],
  [
    "a foreign token completes no job",
    async (world) => {
      const queue = world.queue();
      await queue.add("n", 1);
      const job = await world.worker(undefined).getNextJob("mine");
      await assert.rejects(job?.moveToCompleted(1, "yours") ?? wait(0), { code: -6 });
      assert.equal(await queue.getJobState("1"), "active");
    },
  ],
  [
    "an expired lock completes no job",
    async (world) => {
      const queue = world.queue();
      await queue.add("n", 1);
      const job = await world.worker(undefined, { lockDuration: 60 }).getNextJob("mine");
      await wait(120);
      await assert.rejects(job?.moveToCompleted(1, "mine") ?? wait(0), { code: -2 });
    },
  ],
  [
    "a lock can be extended only by its holder",
    async (world) => {
      const queue = world.queue();
      await queue.add("n", 1);
      const job = await world.worker(undefined, { lockDuration: 150 }).getNextJob("mine");
      assert.equal(await job?.extendLock("mine", 5_000), 1);
      assert.equal(await job?.extendLock("yours", 5_000), 0);
      await wait(200);
      await job?.moveToCompleted(1, "mine", false);
      assert.equal(await queue.getJobState("1"), "completed");
    },
  ],
  [
    "a job that is not active cannot be completed",
    async (world) => {
      const job = await world.queue().add("n", 1);
      await assert.rejects(job.moveToCompleted(1, "0", false), { code: -3 });
    },
  ],
  [
    "an active job can be cancelled by its worker",
    async (world) => {
      const queue = world.queue();
      const { id } = await queue.add("n", {});
      const worker = world.worker(async (_job, _token, signal) => {
        await new Promise((_, reject) => {
          signal?.addEventListener("abort", () => reject(new UnrecoverableError("cancelled")));
        });
      });
      await once(worker, "active");
      await wait(20);
      assert.equal(worker.cancelJob(id ?? ""), true);
      await world.state(queue, id, "failed");
    },
  ],
  [
    "a handler in a separate process",
    async (world) => {
      const queue = world.queue();
      const { id } = await queue.add("n", { value: 20 });
      // Not as part of the test run, which this process is.
      const { NODE_TEST_CONTEXT: _, ...env } = process.env;
      const worker = world.worker(SANDBOXED, { workerForkOptions: { env, execArgv: [] } });
      await world.state(queue, id, "completed");
      const job = await queue.getJob(id ?? "");
      assert.equal(job?.returnvalue.twice, 40);
      assert.notEqual(job?.returnvalue.pid, process.pid);
      assert.equal(job?.progress, 50);
      assert.deepEqual((await queue.getJobLogs(id ?? "")).logs, ["from the sandbox"]);
      await worker.close();
    },
  ],
  [
    "an idle worker takes a job at once",
    async (world) => {
      const queue = world.queue();
      const worker = world.worker(async () => 1, { drainDelay: 30 });
      await worker.waitUntilReady();
      await wait(300);
      const began = performance.now();
      const { id } = await queue.add("n", {});
      await world.state(queue, id, "completed");
      assert.ok(performance.now() - began < 3_000, "it slept on");
    },
  ],
  [
    "concurrency can be changed while it works",
    async (world) => {
      const queue = world.queue();
      await queue.addBulk(Array.from({ length: 10 }, () => ({ name: "n", data: {} })));
      let now = 0;
      let most = 0;
      let done = 0;
      const worker: Worker = world.worker(async () => {
        now += 1;
        most = Math.max(most, now);
        await wait(30);
        now -= 1;
        done += 1;
      });
      worker.concurrency = 5;
      await world.until(() => done === 10, "ten done");
      assert.ok(most > 1 && most <= 5, `${most} at once`);
    },
  ],
  [
    "a job started more often than maxStartedAttempts fails",
    async (world) => {
      const queue = world.queue();
      const { id } = await queue.add("n", {}, { attempts: 5 });
      let runs = 0;
      world.worker(
        async () => {
          runs += 1;
          throw new Error("again");
        },
        { maxStartedAttempts: 2 },
      );
      await world.state(queue, id, "failed");
      assert.equal(runs, 2);
    },
  ],
];
