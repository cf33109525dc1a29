import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, readdirSync, rmSync, statSync } from "node:fs";
import { linkSync, symlinkSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { Worker } from "bullmq";

import { hasCode } from "../../../src/base/errors.ts";
import { parseConnection } from "../../../src/jobs/sqlite/connection.ts";
import { createSqliteBackend, openJobStore } from "../../../src/jobs/sqlite/index.ts";
import { networkType } from "../../../src/jobs/sqlite/network-file.ts";
import { assertSafeSqlite, hasWalResetBug } from "../../../src/jobs/sqlite/sqlite-version.ts";
import { cleanUp, type Scope, temporaryDirectory } from "../../helpers/resources.ts";
import { openQueue } from "./many.ts";

const INDEX = fileURLToPath(new URL("../../../src/jobs/sqlite/index.ts", import.meta.url));

function jobsFile(scope: Scope): string {
  return join(temporaryDirectory(scope), "jobs.db");
}

test("versions of SQLite with the WAL-reset bug are recognised", () => {
  const unsafe = ["3.7.0", "3.44.5", "3.45.0", "3.50.6", "3.51.0", "3.51.2"];
  const safe = ["3.6.23", "3.44.6", "3.44.9", "3.50.7", "3.51.3", "3.52.0", "3.100.0", "4.0.0"];
  assert.deepEqual(unsafe.filter(hasWalResetBug), unsafe);
  assert.deepEqual(safe.filter(hasWalResetBug), []);
});

test("an unsafe SQLite is refused with the version of Node.js to install, unless it is allowed", () => {
  const versions = { node: "24.13.1", sqlite: "3.51.2" };
  assert.throws(
    () => assertSafeSqlite(false, versions),
    (error: Error) => hasCode(error, "NEWEL_E_JOBS_SQLITE") && /24\.15/.test(JSON.stringify(error)),
  );
  const script = `import { assertSafeSqlite } from ${JSON.stringify(INDEX.replace("index.ts", "sqlite-version.ts"))};
    for (let n = 0; n < 3; n += 1) assertSafeSqlite(true, ${JSON.stringify(versions)});`;
  const allowed = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    encoding: "utf8",
  });
  assert.equal(allowed.status, 0, allowed.stderr);
  assert.equal(allowed.stderr.match(/NEWEL_E_JOBS_SQLITE/g)?.length, 1, allowed.stderr);
});

test("the store starts in a process with options that threads refuse", (scope) => {
  const script = `import { openJobStore } from ${JSON.stringify(INDEX)};
    const store = await openJobStore(${JSON.stringify(jobsFile(scope))});
    console.log(JSON.stringify(await store.counts()));
    await store.close();`;
  const given = [
    { args: ["--input-type=module", "-e", script], input: "" },
    { args: ["--input-type=module", "-"], input: script },
    { args: ["--title=jobs", "--input-type=module", "-e", script], input: "" },
  ];
  for (const { args, input } of given) {
    const { stdout, stderr } = spawnSync(process.execPath, args, { input, encoding: "utf8" });
    assert.equal(stdout, "{}\n", stderr);
  }
});

test("network file systems are recognised by their numbers", () => {
  assert.equal(networkType(0x69_69), "NFS");
  assert.equal(networkType(-11_317_950), "CIFS");
  // ext4, XFS, btrfs, tmpfs, overlayfs.
  const local = [0xef_53, 0x58_46_53_42, 0x91_23_68_3e, 0x01_02_19_94, 0x79_4c_76_30];
  assert.deepEqual(
    local.filter((type) => networkType(type) !== undefined),
    [],
  );
});

test("all files of the store are private", async (scope) => {
  const path = jobsFile(scope);
  const queue = openQueue(scope, path);
  await queue.add("n", {});
  const store = await openJobStore(path);
  await store.backup(`${path}.backup`);
  await store.close();
  const directory = dirname(path);
  const modes = readdirSync(directory, { recursive: true, encoding: "utf8" }).map((name) => {
    const stat = statSync(join(directory, name));
    return [name, (stat.mode & 0o777).toString(8), stat.isDirectory()] as const;
  });
  assert.ok(modes.length >= 5, JSON.stringify(modes));
  for (const [name, mode, isDirectory] of modes)
    assert.equal(mode, isDirectory ? "700" : "600", name);
});

test("a process that has the file open stops when a newer version changed the tables", async (scope) => {
  const path = jobsFile(scope);
  const queue = openQueue(scope, path);
  await queue.add("n", {});
  const newer = new DatabaseSync(path, { timeout: 10_000 });
  newer.exec("PRAGMA user_version = 1000");
  newer.close();
  const isNewer = (error: unknown): boolean => hasCode(error, "NEWEL_E_JOBS_NEWER");
  await assert.rejects(queue.add("n", {}), isNewer);
  await assert.rejects(queue.getJobCounts(), isNewer);
  await assert.rejects(queue.add("n", {}), isNewer);
});

for (const part of ["-wal", "-shm"])
  test(`no call is answered on a file whose ${part} was removed`, async (scope) => {
    const path = jobsFile(scope);
    const queue = openQueue(scope, path);
    await queue.add("before", {});
    rmSync(path + part);
    await assert.rejects(queue.add("refused", {}), (error) => hasCode(error, "NEWEL_E_JOBS_GONE"));
    await queue.add("after", {});
    const names = (await queue.getWaiting()).map(({ name }) => name);
    assert.ok(names.includes("after"), names.join());
    assert.ok(!names.includes("refused"), names.join());
  });

function damage(path: string): void {
  const fd = openSync(path, "r+");
  for (let page = 2; page < 20; page += 1)
    writeSync(fd, Buffer.alloc(2_000, 7), 0, 2_000, page * 4_096);
  closeSync(fd);
}

test("one damage is copied once, by all processes and after restarts", async (scope) => {
  const path = jobsFile(scope);
  const queue = openQueue(scope, path);
  await queue.addBulk(
    Array.from({ length: 400 }, () => ({ name: "n", data: { text: "x".repeat(300) } })),
  );
  await queue.close();
  damage(path);
  const isDamaged = (error: unknown): boolean => hasCode(error, "NEWEL_E_JOBS_DAMAGED");
  for (let n = 0; n < 3; n += 1) await assert.rejects(openJobStore(path), isDamaged);
  const retrying = openQueue(scope, path);
  for (let n = 0; n < 20; n += 1) await assert.rejects(retrying.add("n", {}), isDamaged);
  const script = `import { openJobStore } from ${JSON.stringify(INDEX)};
    await openJobStore(${JSON.stringify(path)}).catch((error) => console.log(error.message));`;
  const other = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    encoding: "utf8",
  });
  const copies = readdirSync(dirname(path)).filter((name) =>
    name.startsWith(`${basename(path)}.damaged-`),
  );
  assert.equal(copies.filter((name) => !name.endsWith("-wal")).length, 1, copies.join());
  assert.ok(other.stdout.includes(String(copies[0])), other.stdout);
  // Another damage of the same file is another copy.
  damage(path);
  await assert.rejects(openJobStore(path), isDamaged);
  const later = readdirSync(dirname(path)).filter((name) =>
    name.startsWith(`${basename(path)}.damaged-`),
  );
  assert.equal(later.filter((name) => !name.endsWith("-wal")).length, 2, later.join());
});

test("a symbolic link to the file, or to a file that is not there yet, names that file", async (scope) => {
  const path = jobsFile(scope);
  const directory = join(dirname(path), "release");
  mkdirSync(directory);
  const link = join(directory, "jobs.db");
  symlinkSync("../jobs.db", link);
  const linked = openQueue(scope, link);
  await linked.add("n", {});
  const queue = openQueue(scope, path);
  await queue.add("n", {});
  assert.deepEqual([await linked.count(), await queue.count()], [2, 2]);
  assert.deepEqual(readdirSync(directory), ["jobs.db"]);
  const endless = join(directory, "endless.db");
  symlinkSync("endless.db", endless);
  assert.throws(() => openQueue(scope, endless), { code: "NEWEL_E_JOBS_CONNECTION" });
});

test("a file with a second hard link is refused, not called damaged, and left as it is", async (scope) => {
  const path = jobsFile(scope);
  const queue = openQueue(scope, path);
  await queue.add("n", {});
  const elsewhere = join(dirname(path), "elsewhere");
  mkdirSync(elsewhere);
  for (const link of [`${path}.link`, join(elsewhere, "jobs.db")]) {
    linkSync(path, link);
    await assert.rejects(openJobStore(link), {
      code: "NEWEL_E_JOBS_LINKED",
      message: link.startsWith(elsewhere) ? /in another directory/ : /another name \(jobs\.db\)/,
    });
    // The process that has the file open continues.
    await queue.add("n", {});
    rmSync(link);
  }
  await queue.close();
  assert.deepEqual(
    readdirSync(dirname(path)).filter((name) => /damaged|link/.test(name)),
    [],
  );
  // The name that a killed process left when it made the file.
  linkSync(path, `${path}.new-0b5b5a3c-3c62-4a25-8d4e-0c4c3a7a9d11`);
  const store = await openJobStore(path);
  cleanUp(scope, () => store.close());
  assert.equal((await store.counts())["bull:q"]?.["waiting"], 3);
  assert.equal(statSync(path).nlink, 1);
});

test("a misspelt option of a connection is refused", (scope) => {
  const path = jobsFile(scope);
  for (const connection of [`sqlite:${path}?sync=normal`, { path, sync: "normal" }])
    assert.throws(() => parseConnection(connection), {
      code: "NEWEL_E_JOBS_CONNECTION",
      message: /"sync" is none of/,
    });
});

test("a queue whose rows another program deleted is counted again when a job is taken", async (scope) => {
  const path = jobsFile(scope);
  const queue = openQueue(scope, path);
  await queue.addBulk([1, 2, 3].map((data) => ({ name: "n", data, opts: { jobId: `j${data}` } })));
  const file = new DatabaseSync(path);
  file.exec("DELETE FROM job WHERE id IN ('j2', 'j3')");
  file.close();
  const worker = new Worker(queue.name, null, { connection: { path } }, createSqliteBackend);
  worker.on("error", () => undefined);
  cleanUp(scope, () => worker.close());
  const taken = [await worker.getNextJob("t"), await worker.getNextJob("t", { block: false })];
  assert.deepEqual(
    taken.map((job) => job?.id),
    ["j1", undefined],
  );
  assert.deepEqual(await queue.getJobCounts("wait", "active"), { wait: 0, active: 1 });
});
