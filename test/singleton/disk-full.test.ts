import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

import { hasCode } from "../../src/base/errors.ts";
import { singleton } from "../../src/singleton/index.ts";
import { cleanUp, eventually, type Scope } from "../helpers/resources.ts";
import { smallFileSystem } from "../helpers/small-file-system.ts";
import { Store } from "./fixtures/store.ts";
import { otherProcess } from "./world.ts";

const isNotKept = (error: unknown): boolean => hasCode(error, "NEWEL_E_NOT_KEPT");

/** Fills the file system to its last byte. */
function fill(path: string): void {
  try {
    writeFileSync(path, Buffer.alloc(1_048_576));
  } catch {
    // The last part of the file had no room.
  }
}

function directoryOf(t: Scope & { skip(why: string): void }): string | undefined {
  const directory = smallFileSystem(t, 65_536);
  if (directory === undefined) t.skip("needs root to mount a file system");
  return directory;
}

test("a singleton on a full disk is refused with a code, and made when there is room", async (t) => {
  const directory = directoryOf(t);
  if (directory === undefined) return;
  const options = { name: "store", home: join(directory, "home"), timeoutMs: 30_000 };
  const filler = join(directory, "filler");
  fill(filler);
  await assert.rejects(singleton(Store, options), isNotKept);
  await rm(filler);
  const store = await singleton(Store, options);
  cleanUp(t, () => store.leave());
  assert.equal(store.isOwner, true);
});

test("an owner that ends on a full disk gives the name back", async (t) => {
  const directory = directoryOf(t);
  if (directory === undefined) return;
  const options = { name: "store", home: join(directory, "home"), timeoutMs: 30_000 };
  const { child, said } = await otherProcess(t, "releasing", options);
  assert.equal(said.isOwner, true);
  const filler = join(directory, "filler");
  fill(filler);
  const left = new Promise((resolve) => child.once("message", resolve));
  child.send("leave");
  assert.equal(await left, "left");
  // The former owner still runs.
  assert.equal(child.exitCode, null);
  await assert.rejects(singleton(Store, options), isNotKept);
  await rm(filler);
  const store = await singleton(Store, options);
  cleanUp(t, () => store.leave());
  await eventually(() => store.isOwner, "another process owns it");
  assert.ok(store.epoch > 1);
});
