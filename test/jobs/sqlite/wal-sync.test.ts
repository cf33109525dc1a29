// A call that comes alone is synced on the thread of the store, if the disk is fast.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { WalSync } from "../../../src/jobs/sqlite/wal-sync.ts";
import { cleanUp, eventually, type Scope, temporaryDirectory } from "../../helpers/resources.ts";

const PAGE_BYTES = 4_096;

/** A file on a file system in memory, where a sync takes microseconds, with its WAL. */
function fileInMemory(scope: Scope): string {
  const directory = mkdtempSync("/dev/shm/nwl-");
  cleanUp(scope, () => rmSync(directory, { recursive: true, force: true }));
  const path = join(directory, "jobs.db");
  writeFileSync(`${path}-wal`, Buffer.alloc(PAGE_BYTES));
  return path;
}

/** A WAL whose last sync was fast, and the errors of its syncs. */
async function openFast(
  scope: Scope,
  path: string,
): Promise<{ readonly wal: WalSync; readonly errors: Error[] }> {
  const errors: Error[] = [];
  const wal = new WalSync(path, PAGE_BYTES, {
    failed(error) {
      errors.push(error);
      return error;
    },
    preallocate: () => undefined,
    checkpoint: () => true,
  });
  cleanUp(scope, () => wal.close());
  await eventually(async () => {
    await new Promise<void>((resolve) => wal.request(() => resolve()));
    return wal.isFast;
  }, "a sync was fast");
  return { wal, errors };
}

test("a sync of a call that came alone ends before the request returns", async (scope) => {
  const path = fileInMemory(scope);
  const { wal, errors } = await openFast(scope, path);
  const outcomes: (Error | null)[] = [];
  wal.requestNow((error) => outcomes.push(error));
  assert.deepEqual(outcomes, [null]);
  assert.deepEqual(errors, []);
});

test("a call that came alone waits for a sync that runs", async (scope) => {
  const path = fileInMemory(scope);
  const { wal } = await openFast(scope, path);
  const order: string[] = [];
  await new Promise<void>((resolve) => {
    wal.request(() => order.push("first"));
    wal.requestNow(() => {
      order.push("alone");
      resolve();
    });
    order.push("returned");
  });
  assert.deepEqual(order, ["returned", "first", "alone"]);
});

test("the error of such a sync is reported like that of each other sync", async (scope) => {
  const path = join(temporaryDirectory(scope), "jobs.db");
  // A device without a disk: fdatasync(2) fails with EINVAL.
  symlinkSync("/dev/null", `${path}-wal`);
  const { wal, errors } = await openFast(scope, path);
  const before = errors.length;
  const outcomes: (Error | null)[] = [];
  wal.requestNow((error) => outcomes.push(error));
  assert.equal(errors.length, before + 1);
  assert.deepEqual(outcomes, errors.slice(-1));
});

test("a request to a WAL that was closed is an error", async (scope) => {
  const path = fileInMemory(scope);
  const { wal } = await openFast(scope, path);
  wal.close();
  const outcomes: (Error | null)[] = [];
  wal.requestNow((error) => outcomes.push(error));
  wal.request((error) => outcomes.push(error));
  assert.deepEqual(
    outcomes.map((error) => error?.message),
    ["the file was closed after an error", "the file was closed after an error"],
  );
});
