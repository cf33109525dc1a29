import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";

import { ErrorCode, Queue, Worker } from "bullmq";

import { hasCode } from "../../../src/base/errors.ts";
import { CODE } from "../../../src/jobs/sqlite/codes.ts";
import { parseConnection } from "../../../src/jobs/sqlite/connection.ts";
import { createSqliteBackend, openJobStore } from "../../../src/jobs/sqlite/index.ts";
import { cleanUp, eventually, type Scope, temporaryDirectory } from "../../helpers/resources.ts";
import { smallFileSystem } from "../../helpers/small-file-system.ts";
import { openQueue } from "./many.ts";

const isRoot = process.getuid?.() === 0;

function jobsFile(scope: Scope): string {
  return join(temporaryDirectory(scope), "jobs.db");
}

test("the codes are BullMQ's", () => {
  const ours = Object.values(CODE).toSorted((a, b) => a - b);
  const theirs = Object.values(ErrorCode).filter(
    (code): code is ErrorCode => typeof code === "number",
  );
  assert.deepEqual(
    ours,
    theirs.toSorted((a, b) => a - b),
  );
});

test("a connection is a URL, a path or options", () => {
  assert.equal(parseConnection("sqlite:./a.db").path, join(process.cwd(), "a.db"));
  assert.equal(parseConnection("sqlite:/var/a.db").path, "/var/a.db");
  assert.equal(parseConnection("sqlite:///var/a%20b.db").path, "/var/a b.db");
  assert.equal(parseConnection("/var/a.db").path, "/var/a.db");
  assert.equal(parseConnection("sqlite:a.db?synchronous=normal").synchronous, "normal");
  assert.equal(parseConnection({ path: "/var/a.db" }).synchronous, "full");
  for (const wrong of ["", "redis://localhost", "sqlite:", {}, null, 5, ":memory:"])
    assert.throws(
      () => parseConnection(wrong),
      (error) => hasCode(error, "NEWEL_E_JOBS_CONNECTION"),
      JSON.stringify(wrong),
    );
  assert.throws(() => parseConnection("sqlite:a.db?synchronous=off"));
});

test("a directory that is not there is a coded error, and works once it is", async (scope) => {
  const path = join(temporaryDirectory(scope), "later", "jobs.db");
  const queue = openQueue(scope, path);
  await assert.rejects(queue.add("n", {}), (error) => hasCode(error, "NEWEL_E_JOBS_FILE"));
  spawnSync("mkdir", [dirname(path)]);
  assert.equal((await queue.add("n", {})).id, "1");
});

test("a file that is something else is left as it is", async (scope) => {
  const path = jobsFile(scope);
  const strange = new DatabaseSync(path);
  strange.exec("CREATE TABLE mine (a)");
  strange.close();
  const queue = openQueue(scope, path);
  await assert.rejects(queue.add("n", {}), (error) => hasCode(error, "NEWEL_E_JOBS_FILE"));
  const again = new DatabaseSync(path);
  assert.deepEqual(
    again
      .prepare("SELECT name FROM sqlite_schema")
      .all()
      .map((row) => row["name"]),
    ["mine"],
  );
  again.close();
});

test("a file of a newer newel is refused", async (scope) => {
  const path = jobsFile(scope);
  await openQueue(scope, path).add("n", {});
  const file = new DatabaseSync(path, { timeout: 10_000 });
  file.exec("PRAGMA user_version = 99");
  file.close();
  await assert.rejects(openJobStore({ path, check: "off" }), (error) =>
    hasCode(error, "NEWEL_E_JOBS_NEWER"),
  );
});

test("a damaged file has its own error, and a copy is kept", async (scope) => {
  const path = jobsFile(scope);
  const store = await openJobStore(path);
  await openQueue(scope, path).addBulk(
    Array.from({ length: 500 }, (_, i) => ({ name: "n", data: { i, text: "x".repeat(200) } })),
  );
  await store.vacuum();
  await store.close();
  const copy = join(dirname(path), "broken.db");
  const clean = await openJobStore(path);
  await clean.backup(copy);
  await clean.close();
  const bytes = readFileSync(copy);
  bytes.fill(0x5a, 8_192, 60_000);
  writeFileSync(copy, bytes);
  await assert.rejects(openJobStore(copy), (error: Error) => {
    assert.ok(hasCode(error, "NEWEL_E_JOBS_DAMAGED"), error.message);
    assert.match(error.message, /a copy is kept as/);
    return true;
  });
  const kept = readdirSync(dirname(path)).filter(
    (name) =>
      /^broken\.db\.damaged-[^-]*-[^-]*-[^-]*$/.test(name) || name.startsWith("broken.db.damaged-"),
  );
  assert.ok(kept.length > 0);
  assert.deepEqual(readFileSync(join(dirname(path), kept[0] ?? "")), bytes);
  // With a backup in its place it works again.
  rmSync(copy);
  assert.equal((await openQueue(scope, copy).add("n", {})).id, "1");
});

test("a full disk is a coded error, nothing is half written, and it works again", async (scope) => {
  const directory = smallFileSystem(scope, 3_000_000);
  if (directory === undefined) {
    scope.skip("needs to mount: run as root");
    return;
  }
  const queue = openQueue(scope, join(directory, "jobs.db"));
  await queue.add("first", {});
  let added = 1;
  const full = async (): Promise<void> => {
    for (;;) {
      await queue.addBulk([1, 2].map(() => ({ name: "n", data: { text: "x".repeat(100_000) } })));
      added += 2;
    }
  };
  await assert.rejects(full(), (error) => hasCode(error, "NEWEL_E_JOBS_FULL"));
  assert.equal(await queue.getWaitingCount(), added);
  assert.equal((await queue.getWaiting()).length, added);
  spawnSync("mount", ["-o", "remount,size=30000000", directory]);
  await queue.add("n", { text: "x".repeat(100_000) });
  assert.equal(await queue.getWaitingCount(), added + 1);
});

test("a read-only file system can be read, writing is a coded error, and works again when it can be written", async (scope) => {
  const directory = smallFileSystem(scope, 30_000_000);
  if (directory === undefined) {
    scope.skip("needs to mount: run as root");
    return;
  }
  const remount = (mode: "ro" | "rw"): void =>
    assert.equal(spawnSync("mount", ["-o", `remount,${mode}`, directory]).status, 0);
  const path = join(directory, "jobs.db");
  const before = new Queue("q", { connection: path }, createSqliteBackend);
  await before.add("first", {});
  await before.close();
  remount("ro");
  const queue = openQueue(scope, path);
  await assert.rejects(queue.add("n", {}), (error) => hasCode(error, "NEWEL_E_JOBS_FILE"));
  assert.equal((await queue.getWaiting())[0]?.name, "first");
  const store = await openJobStore(path);
  assert.equal((await store.counts())["bull:q"]?.["waiting"], 1);
  await store.close();
  remount("rw");
  await queue.add("second", {});
  const names = (await queue.getWaiting()).map(({ name }) => name);
  assert.deepEqual(names.toSorted(), ["first", "second"]);
});

/** Adds a job after the file was deleted: the first call is refused, unless a poll of the store came before it. */
async function addToNewFile(queue: Queue, name: string): Promise<{ id?: string }> {
  try {
    return await queue.add(name, {});
  } catch (error) {
    assert.ok(hasCode(error, "NEWEL_E_JOBS_GONE"), String(error));
    return queue.add(name, {});
  }
}

test("a file that was deleted takes no more jobs, and the next call begins a new one", async (scope) => {
  const path = jobsFile(scope);
  const queue = openQueue(scope, path);
  await queue.add("n", {});
  rmSync(path);
  assert.equal((await addToNewFile(queue, "n")).id, "1");
  assert.ok(statSync(path).size >= 0);
  assert.equal(await queue.getWaitingCount(), 1);
});

test("a worker continues when its file was deleted and created again", async (scope) => {
  const path = jobsFile(scope);
  const queue = openQueue(scope, path);
  const done: string[] = [];
  const worker = new Worker(
    "q",
    async (job) => void done.push(job.name),
    { connection: path, drainDelay: 1 },
    createSqliteBackend,
  );
  worker.on("error", () => undefined);
  cleanUp(scope, () => worker.close());
  await queue.add("before", {});
  await eventually(() => done.length === 1, "the first job");
  rmSync(path);
  await addToNewFile(queue, "after");
  await eventually(() => done.length === 2, "the job after");
  assert.deepEqual(done, ["before", "after"]);
});

test(
  "a file that may not be written is a coded error",
  { skip: isRoot ? false : "needs root to become another user: run `sudo npm test`" },
  async (scope) => {
    const { nobodysDirectory, runAsNobody } = await import("../../helpers/as-nobody.ts");
    const path = join(nobodysDirectory(scope), "jobs.db");
    const queue = openQueue(scope, path);
    await queue.add("n", {});
    await queue.close();
    const output = runAsNobody(scope, "test/jobs/sqlite/fixtures/denied.ts", [path]);
    assert.match(output, /NEWEL_E_JOBS_FILE/);
    assert.equal(await openQueue(scope, path).getWaitingCount(), 1);
  },
);

test("one call that fails does not undo the others of its turn", async (scope) => {
  const queue = openQueue(scope, jobsFile(scope));
  const results = await Promise.allSettled([
    queue.add("a", {}),
    queue.add("b", {}, { parent: { id: "nobody", queue: queue.qualifiedName } }),
    queue.add("c", {}),
    queue.updateJobProgress("none", 1),
    queue.add("d", {}),
  ]);
  assert.deepEqual(
    results.map(({ status }) => status),
    ["fulfilled", "rejected", "fulfilled", "rejected", "fulfilled"],
  );
  assert.equal(await queue.getWaitingCount(), 3);
});

test("jobs are found by name, state, time, data and error", async (scope) => {
  const path = jobsFile(scope);
  const queue = openQueue(scope, path);
  const before = Date.now();
  await queue.add("mail", { to: { id: 7, city: "Wien" }, tags: ["a", "b"] });
  await queue.add("mail", { to: { id: "7" }, long: "y".repeat(5_000), ok: true });
  await queue.add("report", { to: { id: 8 } }, { delay: 60_000 });
  const worker = new Worker("q", undefined, { connection: path }, createSqliteBackend);
  cleanUp(scope, () => worker.close());
  const job = await worker.getNextJob("token");
  await job?.moveToFailed(new Error("The mail server said NO"), "token");
  const store = await openJobStore(path);
  cleanUp(scope, () => store.close());
  const ids = async (filter: Parameters<typeof store.search>[0]): Promise<string[]> =>
    (await store.search(filter)).jobs.map((found) => found.job.id);
  assert.deepEqual(await ids({}), ["3", "2", "1"]);
  assert.deepEqual(await ids({ name: "mail" }), ["2", "1"]);
  assert.deepEqual(await ids({ states: ["delayed"] }), ["3"]);
  assert.deepEqual(await ids({ states: ["failed", "waiting"] }), ["2", "1"]);
  assert.deepEqual(await ids({ data: { "to.id": 7 } }), ["1"]);
  assert.deepEqual(await ids({ data: { "to.id": "7" } }), ["2"]);
  assert.deepEqual(await ids({ data: { ok: true } }), ["2"]);
  assert.deepEqual(await ids({ data: { "tags.1": "b" } }), ["1"]);
  assert.deepEqual(await ids({ error: "server said no" }), ["1"]);
  assert.deepEqual(await ids({ addedFrom: before, addedBefore: Date.now() + 1 }), ["3", "2", "1"]);
  assert.deepEqual(await ids({ addedBefore: before }), []);
  assert.deepEqual(await ids({ queue: "bull:q", name: "report" }), ["3"]);
  assert.deepEqual(await ids({ queue: "bull:other" }), []);
  const first = await store.search({}, { limit: 2 });
  assert.equal(first.jobs[0]?.queue, "bull:q");
  assert.equal(first.jobs[0]?.state, "delayed");
  const second = await store.search({}, { limit: 2, cursor: first.cursor });
  assert.deepEqual(
    second.jobs.map((found) => found.job.id),
    ["1"],
  );
  assert.equal(second.cursor, undefined);
  assert.equal((await store.counts())["bull:q"]?.["failed"], 1);
});

test("prune removes finished jobs by age, and no others", async (scope) => {
  const path = jobsFile(scope);
  const queue = openQueue(scope, path);
  await queue.addBulk([1, 2, 3].map((i) => ({ name: "n", data: i })));
  const worker = new Worker("q", undefined, { connection: path }, createSqliteBackend);
  cleanUp(scope, () => worker.close());
  await (await worker.getNextJob("t"))?.moveToCompleted(1, "t", false);
  const store = await openJobStore(path);
  cleanUp(scope, () => store.close());
  assert.equal(await store.prune({ olderThan: "1h" }), 0);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(await store.prune({ olderThan: "10ms" }), 1);
  assert.equal(await queue.getCompletedCount(), 0);
  assert.equal(await queue.getWaitingCount(), 2);
});

test("a backup is made while jobs are added, and is whole", async (scope) => {
  const path = jobsFile(scope);
  const queue = openQueue(scope, path);
  await queue.addBulk(Array.from({ length: 2_000 }, (_, i) => ({ name: "n", data: { i } })));
  const store = await openJobStore(path);
  cleanUp(scope, () => store.close());
  const copy = `${path}.backup`;
  const copied = store.backup(copy);
  for (let i = 0; i < 50; i += 1) await queue.add("n", {});
  await copied;
  const other = await openJobStore(copy);
  cleanUp(scope, () => other.close());
  assert.deepEqual(await other.check("full"), []);
  const waiting = (await other.counts())["bull:q"]?.["waiting"] ?? 0;
  assert.ok(waiting >= 2_000, String(waiting));
  await store.vacuum();
  assert.deepEqual(await store.check("quick"), []);
});

test("counters agree with the tables after much of everything", async (scope) => {
  const path = jobsFile(scope);
  const queue = openQueue(scope, path);
  for (let i = 0; i < 60; i += 1)
    await queue.add("n", i, {
      ...(i % 3 === 0 ? { priority: i } : {}),
      ...(i % 5 === 0 ? { delay: 10 } : {}),
      ...(i % 7 === 0 ? { removeOnComplete: true } : {}),
      attempts: 2,
    });
  const worker = new Worker(
    "q",
    async (job) => {
      if (job.data % 4 === 0) throw new Error("no");
    },
    { connection: path, concurrency: 5 },
    createSqliteBackend,
  );
  cleanUp(scope, () => worker.close());
  await eventually(async () => (await queue.count()) === 0, "all are done");
  await queue.clean(0, 5, "failed");
  await queue.retryJobs();
  await eventually(async () => (await queue.count()) === 0, "all are done again");
  await worker.close();
  await queue.add("n", 1);
  await queue.drain();
  await queue.close();
  const file = new DatabaseSync(path);
  const rows = file.prepare("SELECT state, count(*) AS count FROM job GROUP BY state").all();
  const counts = JSON.parse(
    String(file.prepare("SELECT counts FROM queue").get()?.["counts"]),
  ) as number[];
  const expected = [0, 0, 0, 0, 0, 0, 0];
  for (const row of rows) expected[Number(row["state"])] = Number(row["count"]);
  assert.deepEqual(counts, expected);
  const events = file
    .prepare("SELECT sum(count) AS kept, (SELECT events FROM queue) AS counted FROM event")
    .get();
  assert.equal(events?.["kept"], events?.["counted"]);
  file.close();
});

test("events are bounded, and can be trimmed", async (scope) => {
  const path = jobsFile(scope);
  const queue = openQueue(scope, path, "q", { streams: { events: { maxLen: 20 } } });
  await queue.getVersion();
  for (let i = 0; i < 60; i += 1) await queue.add("n", {});
  assert.ok((await queue.trimEvents(10)) > 0);
  await queue.close();
  const file = new DatabaseSync(path);
  assert.equal(file.prepare("SELECT sum(count) AS kept FROM event").get()?.["kept"], 10);
  file.close();
});

test("a long WAL is checkpointed without another commit", async (scope) => {
  const path = jobsFile(scope);
  const queue = openQueue(scope, path);
  const data = { text: "x".repeat(1_500) };
  await queue.addBulk(Array.from({ length: 2_500 }, () => ({ name: "n", data })));
  await eventually(() => statSync(path).size > 3_000_000, "all is in the database file");
});

test("no WAL and no owner file is left when all users have closed", async (scope) => {
  const path = jobsFile(scope);
  const queue = openQueue(scope, path);
  await queue.add("n", {});
  await queue.close();
  assert.deepEqual(readdirSync(dirname(path)).toSorted(), ["jobs.db", "jobs.db-owners"]);
  assert.deepEqual(readdirSync(`${path}-owners`).toSorted(), ["pair.json", "pair.lock"]);
});
