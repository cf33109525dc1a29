import assert from "node:assert/strict";
import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { inspect } from "node:util";

import { Worker } from "bullmq";

import { createSqliteBackend, openJobStore } from "../../../src/jobs/sqlite/index.ts";
import { cleanUp, eventually, temporaryDirectory } from "../../helpers/resources.ts";
import { openQueue } from "./many.ts";

test("a filter with an unknown name or value is refused, and removes nothing", async (scope) => {
  const path = join(temporaryDirectory(scope), "jobs.db");
  const queue = openQueue(scope, path);
  const worker = new Worker("q", async () => undefined, { connection: path }, createSqliteBackend);
  cleanUp(scope, () => worker.close());
  await queue.add("n", {});
  await eventually(async () => (await queue.getCompletedCount()) === 1, "it is done");
  const store = await openJobStore(path);
  cleanUp(scope, () => store.close());
  const fields = Object.fromEntries(Array.from({ length: 500 }, (_, at) => [`f${at}`, 1]));
  const wrong: unknown[] = [
    [null, 5, "all", [], [{}], { olderThen: "7d" }, { Queue: "bull:q" }, { state: ["failed"] }],
    [{ queue: 5 }, { name: ["n"] }, { id: "a\0b" }, { error: {} }, { whose: 1n }, { data: 5 }],
    [{ states: "failed" }, { states: ["done"] }, { states: [Symbol("failed")] }, { states: null }],
    [{ addedFrom: "1" }, { finishedBefore: Number.NaN }, { addedBefore: new Date() }],
    [{ data: { n: 1n } }, { data: { n: {} } }, { data: { "a\0": 1 } }, { data: [1] }],
    [{ data: fields }],
  ].flat();
  const isRefused = { code: "NEWEL_E_STORE_ARGUMENT" };
  for (const filter of wrong) {
    await assert.rejects(store.prune(filter as never), isRefused, inspect(filter));
    await assert.rejects(store.search(filter as never), isRefused, inspect(filter));
    await assert.rejects(store.count(filter as never), isRefused, inspect(filter));
  }
  for (const filter of [
    { queue: undefined },
    { olderThan: undefined },
    { olderThan: "soon" },
    { olderThan: 5n },
  ])
    await assert.rejects(store.prune(filter as never), isRefused, inspect(filter));
  for (const page of [{ limit: "5" }, { limit: Number.NaN }, { cursor: {} }, { cursor: "1" }])
    await assert.rejects(store.search({}, page as never), isRefused, inspect(page));
  await assert.rejects(store.check("all" as never), isRefused);
  assert.equal(await queue.getCompletedCount(), 1);
  assert.equal(await store.prune({ queue: "bull:q", olderThan: "0s" }), 1);
});

test("a backup overwrites no store and no other file", async (scope) => {
  const directory = temporaryDirectory(scope);
  const [path, other] = [join(directory, "jobs.db"), join(directory, "other.db")];
  const [queue, used] = [openQueue(scope, path), openQueue(scope, other)];
  await queue.add("n", {});
  await used.add("n", {});
  writeFileSync(join(directory, "notes.txt"), "text");
  symlinkSync("jobs.db", join(directory, "link.db"));
  const store = await openJobStore(path);
  cleanUp(scope, () => store.close());
  const targets = [
    "jobs.db",
    "link.db",
    "jobs.db-wal",
    "jobs.db-shm",
    "jobs.db-owners",
    "other.db",
    "notes.txt",
    ".",
  ];
  for (const target of targets)
    await assert.rejects(
      store.backup(join(directory, target)),
      { code: "NEWEL_E_JOBS_BACKUP" },
      target,
    );
  assert.deepEqual([await queue.count(), await used.count()], [1, 1]);
  // A former backup is overwritten, and a store that was closed.
  for (const target of ["jobs.backup.db", "jobs.backup.db"])
    await store.backup(join(directory, target));
  await used.close();
  await store.backup(other);
});
