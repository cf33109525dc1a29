import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";

import { type Job, type Queue, Worker } from "bullmq";

import { hasCode } from "../../../src/base/errors.ts";
import { parseConnection } from "../../../src/jobs/sqlite/connection.ts";
import { createSqliteBackend } from "../../../src/jobs/sqlite/index.ts";
import { StoreClient } from "../../../src/jobs/sqlite/store-client.ts";
import { cleanUp, eventually, temporaryDirectory } from "../../helpers/resources.ts";
import { openQueue } from "./many.ts";

/** Calls of a value that cannot be stored, as a program in plain JavaScript writes them. */
const REFUSED: readonly [what: string, call: (queue: Queue, job: Job) => unknown][] = [
  ["a function as a log line", (_, job) => job.log((() => 1) as never)],
  ["a symbol as a log line", (_, job) => job.log(Symbol("x") as never)],
  ["an object that has no text", (_, job) => job.log(Object.create(null) as never)],
  ["a function as an id", (queue) => queue.getJob((() => 1) as never)],
  ["half of a surrogate pair in an id", (queue) => queue.getJob("\ud800")],
  ["half of a surrogate pair in a name", (queue) => queue.add("\udc00", {})],
  ["no number as a delay", (_, job) => job.changeDelay("soon" as never)],
  ["NaN as a delay", (_, job) => job.changeDelay(Number.NaN)],
  ["NaN as a priority", (_, job) => job.changePriority({ priority: Number.NaN })],
  ["a text as a timestamp", (queue) => queue.add("n", {}, { timestamp: "today" as never })],
  [
    "a bigint in an option",
    (queue) => queue.add("n", {}, { telemetry: { metadata: 1n as never } }),
  ],
  ["an endless number of attempts", (queue) => queue.add("n", {}, { attempts: Infinity })],
  ["a text as attempts", (queue) => queue.add("n", {}, { attempts: "x" as never })],
  ["NaN as a delay of a new job", (queue) => queue.add("n", {}, { delay: Number.NaN })],
  ["a text as the jobs to keep", (queue) => queue.add("n", {}, { removeOnFail: "x" as never })],
  [
    "a text as an age",
    (queue) =>
      queue.addBulk([{ name: "n", data: {}, opts: { removeOnComplete: { age: "x" as never } } }]),
  ],
  [
    "a text as a backoff",
    (queue) => queue.add("n", {}, { backoff: { type: "fixed", delay: "soon" as never } }),
  ],
  [
    "endless attempts in a scheduler",
    (queue) => queue.upsertJobScheduler("s", { every: 1_000 }, { opts: { attempts: Infinity } }),
  ],
  ["a bigint as progress", (_, job) => job.updateProgress({ n: 1n })],
  ["a function as a state", (queue) => queue.clean(0, 1, (() => 1) as never)],
  ["NaN as a place", (queue) => queue.getRanges(["wait"], Number.NaN, 1)],
  ["NaN as a limit", (queue) => queue.rateLimit(Number.NaN)],
  ["a function as a deduplication id", (queue) => queue.removeDeduplicationKey((() => 1) as never)],
];

test("a value that cannot be stored rejects its call alone, with a code", async (scope) => {
  const path = join(temporaryDirectory(scope), "jobs.db");
  const queue = openQueue(scope, path);
  const other = openQueue(scope, path, "other");
  let ran = 0;
  const done = Promise.withResolvers<void>();
  const worker = new Worker(
    "other",
    async () => {
      ran += 1;
      await done.promise;
    },
    { connection: path },
    createSqliteBackend,
  );
  cleanUp(scope, () => worker.close());
  const running = await other.add("runs", {});
  await eventually(() => ran === 1, "the other job runs");
  const job = await queue.add("n", {}, { delay: 60_000 });
  for (const [what, call] of REFUSED) {
    // The refused call shares its transaction with a correct call.
    const [wrong, right] = await Promise.allSettled([
      Promise.resolve().then(() => call(queue, job)),
      queue.add("n", {}),
    ]);
    const reason: unknown = wrong.status === "rejected" ? wrong.reason : undefined;
    assert.ok(hasCode(reason, "NEWEL_E_STORE_ARGUMENT"), `${what}: ${String(reason)}`);
    assert.equal(right.status, "fulfilled", what);
  }
  done.resolve();
  await eventually(async () => (await running.getState()) === "completed", "it completed");
  assert.equal(ran, 1);
});

test("a failed job whose backoff is no number is tried again at once", async (scope) => {
  const path = join(temporaryDirectory(scope), "jobs.db");
  const queue = openQueue(scope, path);
  const job = await queue.add("n", {}, { attempts: 2, backoff: { type: "own" } });
  const worker = new Worker(
    queue.name,
    (): never => {
      throw new Error("it failed");
    },
    { connection: path, settings: { backoffStrategy: () => "soon" as never } },
    createSqliteBackend,
  );
  cleanUp(scope, () => worker.close());
  await eventually(async () => (await job.getState()) === "failed", "it failed twice");
});

test("a job ends although an earlier version stored options that cannot be read", async (scope) => {
  const path = join(temporaryDirectory(scope), "jobs.db");
  const queue = openQueue(scope, path);
  const jobs = [await queue.add("n", {}), await queue.add("fails", {})];
  const file = new DatabaseSync(path);
  const opts = JSON.stringify({
    attempts: true,
    removeOnComplete: "x",
    removeOnFail: { age: "x" },
  });
  file.prepare("UPDATE job SET opts = ?").run(opts);
  file.close();
  const run = ({ name }: Job): void => {
    if (name === "fails") throw new Error("it failed");
  };
  // oxlint-disable-next-line typescript/require-await -- a handler is asynchronous
  const worker = new Worker(
    queue.name,
    async (job) => run(job),
    { connection: path },
    createSqliteBackend,
  );
  cleanUp(scope, () => worker.close());
  await eventually(async () => {
    const states = await Promise.all(jobs.map((job) => job.getState()));
    return states.join(" ") === "completed failed";
  }, "both have ended");
});

test("a number of jobs below one does not repeat a call for ever", async (scope) => {
  const queue = openQueue(scope, join(temporaryDirectory(scope), "jobs.db"));
  await queue.addBulk([1, 2, 3].map((data) => ({ name: "n", data, opts: { delay: 60_000 } })));
  await queue.retryJobs({ count: 0.5 });
  await queue.promoteJobs({ count: -1 });
  assert.equal(await queue.getWaitingCount(), 3);
  await queue.pause();
  await queue.obliterate({ count: 0 });
  assert.equal(await queue.count(), 0);
});

test("no call of a backend throws outside its promise", async (scope) => {
  const backend = openQueue(scope, join(temporaryDirectory(scope), "jobs.db")).getBackend();
  const wrong = Symbol("x") as never;
  const calls: Promise<unknown>[] = [];
  const names =
    "getJobData getState remove promote addLog clearLogs changeDelay isFinished removeJobScheduler " +
    "getJobScheduler deleteDeduplicationKey getDeduplicationJobId setRateLimit trimEvents extendLock " +
    "retryJob getRanges setQueueMeta publishEvent updateData updateProgress getCountsPerPriority " +
    "updateJobSchedulerNextMillis addJobScheduler moveToDelayed cleanJobsByState";
  for (const name of names.split(" ")) {
    const method = backend[name as "remove"].bind(backend);
    calls.push(method(wrong, wrong));
  }
  const outcomes = await Promise.allSettled(calls);
  assert.ok(outcomes.every(({ status }) => status === "rejected" || status === "fulfilled"));
});

test("a message that cannot be sent to the thread rejects the call that caused it", async (scope) => {
  const path = join(temporaryDirectory(scope), "jobs.db");
  const queue = openQueue(scope, path);
  await queue.add("n", {});
  const client = StoreClient.acquire(parseConnection(path));
  cleanUp(scope, () => client.release());
  // A value that the argument check lets through by mistake: sending the message is the last check.
  const [wrong, right] = await Promise.allSettled([
    client.call("getJob", "bull:q", (() => 1) as never),
    client.call("getState", "bull:q", "1"),
  ]);
  assert.ok(
    hasCode(wrong.status === "rejected" ? wrong.reason : undefined, "NEWEL_E_STORE_ARGUMENT"),
  );
  assert.deepEqual(right, { status: "fulfilled", value: "waiting" });
});

test("a value that SQLite refuses rejects the call that brought it", async (scope) => {
  const path = join(temporaryDirectory(scope), "jobs.db");
  const queue = openQueue(scope, path);
  await queue.add("n", {});
  const client = StoreClient.acquire(parseConnection(path));
  cleanUp(scope, () => client.release());
  const outcomes = await Promise.allSettled([
    client.call("addLog", "bull:q", "1", {} as never, 0),
    client.call("getRanges", "bull:q", ["wait"], 0.5, 3, true),
    client.call("addLog", "bull:q", "1", "a line", 0),
  ]);
  for (const wrong of outcomes.slice(0, 2))
    assert.ok(
      hasCode(wrong.status === "rejected" ? wrong.reason : undefined, "NEWEL_E_STORE_ARGUMENT"),
      JSON.stringify(wrong),
    );
  assert.deepEqual(outcomes[2], { status: "fulfilled", value: 1 });
});

test("jobs due in the same millisecond far away stay in order", async (scope) => {
  const queue = openQueue(scope, join(temporaryDirectory(scope), "jobs.db"));
  const timestamp = Date.now();
  const delay = Date.UTC(9999, 0, 1) - timestamp;
  for (let index = 0; index < 20; index += 1) await queue.add("n", index, { delay, timestamp });
  const jobs = await queue.getJobs(["delayed"], 0, -1, true);
  assert.deepEqual(
    jobs.map(({ data }) => data),
    Array.from({ length: 20 }, (_, index) => index),
  );
});

for (const [kind, fails] of [
  ["removeOnComplete", false],
  ["removeOnFail", true],
] as const)
  test(`${kind} of a worker, given as true or a number`, async (scope) => {
    const path = join(temporaryDirectory(scope), "jobs.db");
    for (const [option, kept] of [
      [true, 0],
      [false, 5],
      [3, 3],
      [-1, 5],
    ] as const) {
      const queue = openQueue(scope, path, `q-${option}`);
      await queue.addBulk(Array.from({ length: 5 }, () => ({ name: "n", data: 0 })));
      let ended = 0;
      const handler = async (): Promise<void> => {
        if (fails) throw new Error("no");
      };
      const options = { connection: path, [kind]: option };
      const worker = new Worker(
        queue.name,
        handler,
        options as never,
        createSqliteBackend as never,
      );
      cleanUp(scope, () => worker.close());
      worker.on(fails ? "failed" : "completed", () => (ended += 1));
      await eventually(() => ended === 5, "five ended");
      const counts = await queue.getJobCounts(fails ? "failed" : "completed");
      assert.deepEqual(Object.values(counts), [kept], String(option));
    }
  });
