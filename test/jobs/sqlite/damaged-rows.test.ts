import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";

import { FlowProducer, type Job, QueueEvents, Worker } from "bullmq";

import { Jobs } from "../../../src/jobs/index.ts";
import { createSqliteBackend, openJobStore } from "../../../src/jobs/sqlite/index.ts";
import { cleanUp, eventually, type Scope, temporaryDirectory } from "../../helpers/resources.ts";
import { openQueue } from "./many.ts";

const CODE = "NEWEL_E_JOB_UNREADABLE";

/** Text that is no JSON, and JSON of another shape, by the column of the job's row. */
const NO_JSON = [
  "",
  "{",
  "undefined",
  '{"a":',
  "\u0000",
  "[1,2",
  "'text'",
  '{"v":1,"input":',
  "NaN",
  "nul",
];
const DAMAGES: Readonly<Record<string, readonly string[]>> = {
  data: NO_JSON,
  opts: [...NO_JSON, "null", "5", '"text"', "[]", "[{}]", "true"],
  progress: NO_JSON.filter((text) => text !== ""),
  returnvalue: NO_JSON,
  stacktrace: [...NO_JSON, "null", "5", "{}", '"text"'],
  parent: [...NO_JSON, "null", "5", "[]", '"text"'],
};

/** Changes a file as another program does. */
function change(path: string, sql: string, ...values: (string | number)[]): void {
  const database = new DatabaseSync(path, { timeout: 10_000 });
  database.prepare(sql).run(...values);
  database.close();
}

function jobsFile(scope: Scope): string {
  return join(temporaryDirectory(scope), "jobs.db");
}

function openJobs(scope: Scope, path: string): Jobs {
  const jobs = new Jobs({ store: `sqlite:${path}` });
  cleanUp(scope, () => jobs.close());
  return jobs;
}

function startWorker(scope: Scope, path: string, handle: (job: Job) => Promise<unknown>): void {
  const options = { connection: { path }, metrics: { maxDataPoints: 10 } };
  const worker = new Worker("q", handle, options, createSqliteBackend);
  worker.on("error", () => undefined);
  cleanUp(scope, () => worker.close());
}

test("damaged rows are listed with their error, fail without an execution, and can be removed", async (scope) => {
  const path = jobsFile(scope);
  const queue = openQueue(scope, path);
  const all = Object.entries(DAMAGES).flatMap(([column, texts]) =>
    texts.map((text, at) => ({ id: `${column}-${at}`, column, text })),
  );
  await queue.pause();
  await queue.addBulk(all.map(({ id }) => ({ name: "n", data: {}, opts: { jobId: id } })));
  const sound = await queue.add("sound", { ok: true });
  for (const { id, column, text } of all)
    change(path, `UPDATE job SET ${column} = ? WHERE id = ?`, text, id);
  // The text of large data is in another table.
  const large = await queue.add("n", { text: "x".repeat(5_000) }, { jobId: "large" });
  change(path, "DELETE FROM payload");
  const ids = [...all.map(({ id }) => id), large.id];

  const jobs = openJobs(scope, path);
  const { runs } = await jobs.list({ queue: "q", limit: 1_000 });
  assert.equal(runs.length, ids.length + 1);
  for (const run of runs)
    assert.equal(run.error?.code, run.name === "sound" ? undefined : CODE, run.id);
  const one = await jobs.get("q~opts-0");
  assert.match(one?.error?.message ?? "", /opts-0 is damaged: its opts cannot be read/);
  assert.equal(one?.state, "waiting");
  assert.equal((await queue.getJobs()).length, ids.length + 1);
  const store = await openJobStore(path);
  cleanUp(scope, () => store.close());
  assert.equal((await store.search({}, { limit: 1_000 })).jobs.length, ids.length + 1);
  assert.equal((await store.search({ data: { ok: true } })).jobs.length, 1);

  const executed: (string | undefined)[] = [];
  startWorker(scope, path, async (job) => executed.push(job.id));
  await queue.resume();
  await eventually(async () => (await queue.getFailedCount()) === ids.length, "all have failed");
  await eventually(async () => (await queue.getCompletedCount()) === 1, "the sound job is done");
  assert.deepEqual(executed, [sound.id]);
  const failed = (await jobs.list({ queue: "q", states: ["failed"], limit: 1_000 })).runs;
  assert.deepEqual(
    failed.map(({ error }) => error?.code).filter((code) => code !== CODE),
    [],
  );
  assert.equal((await jobs.list({ error: CODE, limit: 1_000 })).runs.length, ids.length);

  // A retried one fails again.
  await jobs.retry("q~opts-0");
  await eventually(async () => (await jobs.get("q~opts-0"))?.state === "failed", "it failed again");
  for (const id of ids.slice(0, 5)) assert.equal(await queue.remove(id ?? ""), 1);
  assert.equal(await store.prune({ queue: "bull:q", states: ["failed"] }), ids.length - 5);
  assert.equal((await jobs.list({ queue: "q" })).runs.length, 1);
});

test("a damaged job or a damaged row of a scheduler ends no other series", async (scope) => {
  const path = jobsFile(scope);
  const queue = openQueue(scope, path);
  const opts = { attempts: 3 };
  await queue.pause();
  const repeat = { every: 200 };
  const first = await queue.upsertJobScheduler("damaged-job", repeat, { data: { n: 1 }, opts });
  await queue.upsertJobScheduler("damaged-row", { every: 300 }, { name: "row" });
  await queue.upsertJobScheduler("sound", { every: 250 }, { name: "sound" });
  change(path, "UPDATE job SET opts = '{' WHERE id = ?", first?.id ?? "");
  change(path, "UPDATE scheduler SET fields = '[1]' WHERE id = 'damaged-row'");
  const jobs = openJobs(scope, path);
  const listed = await jobs.schedules();
  const codes = listed.map(({ id, error }) => [id, error?.code] as const);
  assert.deepEqual(
    new Map(codes),
    new Map([
      ["damaged-job", undefined],
      ["damaged-row", CODE],
      ["sound", undefined],
    ]),
  );
  const done: Job[] = [];
  startWorker(scope, path, async (job) => done.push(job));
  await queue.resume();
  const many = (name: string): Job[] => done.filter((job) => job.repeatJobKey === name);
  await eventually(() => many("damaged-job").length >= 2 && many("sound").length >= 2, "series");
  const later = many("damaged-job")[0];
  assert.deepEqual([later?.data, later?.opts.attempts], [{ n: 1 }, 3]);
  const job = await queue.getJob(first?.id ?? "");
  assert.match(job?.failedReason ?? "", new RegExp(CODE));
  // The scheduler with the damaged row made one job; it continues when it is replaced.
  assert.ok(many("damaged-row").length <= 1);
  await queue.upsertJobScheduler("damaged-row", { every: 100 }, { name: "row" });
  const before = many("damaged-row").length;
  await eventually(() => many("damaged-row").length >= before + 2, "it continues");
});

test("damaged records of a flow fail the parent, and hide no other", async (scope) => {
  const path = jobsFile(scope);
  const queue = openQueue(scope, path);
  const flow = new FlowProducer({ connection: { path } }, createSqliteBackend);
  cleanUp(scope, () => flow.close());
  const child = (id: string) => ({ name: "child", queueName: "q", opts: { jobId: id } });
  await queue.pause();
  for (const parent of ["p1", "p2"])
    await flow.add({
      name: "parent",
      queueName: "q",
      opts: { jobId: parent },
      children: [child(`${parent}-a`), child(`${parent}-b`)],
    });
  change(path, "UPDATE job SET parent = 'x' WHERE id = 'p1-a'");
  const seen: unknown[] = [];
  startWorker(scope, path, async (job) => {
    if (job.name === "child") return { of: job.id };
    seen.push(job.id);
    return job.getChildrenValues();
  });
  await queue.resume();
  await eventually(async () => (await queue.getJobState("p1")) === "failed", "the parent fails");
  await eventually(
    async () => (await queue.getJobState("p2")) === "completed",
    "the other is done",
  );
  assert.deepEqual(seen, ["p2"]);
  change(path, "UPDATE dependency SET value = 'x' WHERE id = 'p2-a'");
  const parent = await queue.getJob("p2");
  const { processed = {} } = (await parent?.getDependencies()) ?? {};
  assert.deepEqual(Object.values(processed), ["x", { of: "p2-b" }]);
  await assert.rejects(parent?.getChildrenValues() ?? Promise.resolve(), { code: CODE });
});

test("a queue works with damaged counters, events, metrics and a damaged next job", async (scope) => {
  const path = jobsFile(scope);
  const queue = openQueue(scope, path);
  const deduplication = { id: "d", keepLastIfActive: true };
  startWorker(scope, path, async (job) => {
    if (job.name !== "holder") return undefined;
    await queue.add("next", {}, { deduplication });
    change(path, "UPDATE deduplication SET next = '{' WHERE id = 'd'");
    return undefined;
  });
  await queue.add("first", {});
  await eventually(async () => (await queue.getCompletedCount()) === 1, "the first is done");
  for (const damage of ["", "{", "[1,2]", '[1,2,3,4,5,6,"7"]', "[0,0,0,0,0,0,-1]"]) {
    change(path, "UPDATE queue SET counts = ?", damage);
    assert.deepEqual(await queue.getJobCounts("completed", "wait"), { completed: 1, wait: 0 });
  }
  change(path, "UPDATE event SET body = '[' WHERE number = (SELECT min(number) FROM event)");
  change(path, "UPDATE metric SET points = '{}'");
  const events = new QueueEvents(
    "q",
    { connection: { path }, lastEventId: "0-0" },
    createSqliteBackend,
  );
  cleanUp(scope, () => events.close());
  const completed: string[] = [];
  events.on("completed", ({ jobId }) => completed.push(jobId));
  const holder = await queue.add("holder", {}, { deduplication });
  await eventually(() => completed.includes(holder.id ?? ""), "its events come");
  // The next job cannot be read: it is kept as a job, and fails.
  await eventually(async () => (await queue.getFailedCount()) === 1, "the next job fails");
  const [failed] = await queue.getFailed();
  assert.match(failed?.failedReason ?? "", new RegExp(CODE));
  const row = new DatabaseSync(path)
    .prepare("SELECT data FROM job WHERE id = ?")
    .get(failed?.id ?? "");
  assert.equal(row?.["data"], "{");
  assert.equal((await queue.getMetrics("completed")).count, 0);
  await queue.trimEvents(0);
});

test("a queue with damaged settings is paused, with a warning, until it is resumed", async (scope) => {
  const path = jobsFile(scope);
  const queue = openQueue(scope, path);
  await queue.add("n", {});
  await queue.close();
  change(path, "UPDATE queue SET meta = '[]'");
  const script = `import { Jobs } from ${JSON.stringify(import.meta.resolve("../../../src/jobs/index.ts"))};
    const jobs = new Jobs({ store: ${JSON.stringify(`sqlite:${path}`)} });
    const [{ paused, counts }] = await jobs.stats();
    console.log(paused, counts.waiting);
    await jobs.resume("q");
    console.log((await jobs.stats())[0].paused);
    await jobs.close();`;
  const args = ["--input-type=module", "-e", script];
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  assert.equal(stdout, "true 1\nfalse\n", stderr);
  assert.equal(stderr.match(/NEWEL_E_STORE_SETTINGS/g)?.length, 1, stderr);
  const resumed = openQueue(scope, path);
  startWorker(scope, path, async () => undefined);
  await eventually(async () => (await resumed.getCompletedCount()) === 1, "it is done");
});

test("integers larger than JavaScript counts are repaired, and their jobs fail", async (scope) => {
  const path = jobsFile(scope);
  const queue = openQueue(scope, path);
  await queue.pause();
  const columns = [
    "added_at",
    "delay",
    "priority",
    "attempts_made",
    "attempts_started",
    "stalled",
    "blockers",
  ];
  const largest = ["9223372036854775807", "-9223372036854775808", "9007199254740992"];
  const ids = columns.flatMap((column) => largest.map((_, at) => `${column}-${at}`));
  const damage = (): void => {
    for (const column of columns)
      for (const [at, value] of largest.entries())
        change(path, `UPDATE job SET ${column} = ${value} WHERE id = ?`, `${column}-${at}`);
  };
  await queue.addBulk(ids.map((jobId) => ({ name: "n", data: {}, opts: { jobId } })));
  await queue.add("sound", {});
  damage();
  assert.equal((await queue.getJobs()).length, ids.length + 1);
  damage();
  change(
    path,
    "UPDATE queue SET last_id = 9223372036854775807, head = -9223372036854775808, tail = 9223372036854775807",
  );
  const executed: string[] = [];
  startWorker(scope, path, async (job) => executed.push(job.name));
  await queue.resume();
  await eventually(async () => (await queue.getFailedCount()) === ids.length, "all have failed");
  await eventually(() => executed.length === 1, "the sound job is done");
  assert.deepEqual(executed, ["sound"]);
  const added = [await queue.add("sound", {}), await queue.add("sound", {})];
  assert.notEqual(added[0]?.id, added[1]?.id);
  await eventually(() => executed.length === 3, "new jobs are done");
});
