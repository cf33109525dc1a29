import assert from "node:assert/strict";
import { rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { hasCode } from "../../src/base/errors.ts";
import { homeAt } from "../../src/base/home.ts";
import type { KernelClient } from "../../src/kernel/client-api.ts";
import { eventually } from "../helpers/resources.ts";
import { smallFileSystem } from "../helpers/small-file-system.ts";
import { connectScenario, killKernel } from "../load/kernel-scenario.ts";

const LINES = fileURLToPath(new URL("../fixtures/programs/lines.mjs", import.meta.url));
const LINE_BYTES = 100;
const COUNT = 200_000;
const SIZE_BYTES = 4 << 20;
const withoutMount = "mounting a small file system is not allowed here: run as root";

/** Reads all output, and checks that the kept output consists of whole parts of the written output. */
async function readKept(
  kernel: KernelClient,
  name: string,
): Promise<{ kept: number; gap: number }> {
  let kept = 0;
  let gap = 0;
  for await (const piece of kernel.processes.watch(name)) {
    if ("ended" in piece) {
      assert.equal(piece.exitCode, 0);
      return { kept, gap };
    }
    kept += piece.data.length;
    gap += piece.gap;
    const first = Math.ceil(piece.offset / LINE_BYTES);
    const at = first * LINE_BYTES - piece.offset;
    if (piece.data.length >= at + LINE_BYTES)
      assert.equal(Number(piece.data.toString("latin1", at, at + LINE_BYTES)), first);
  }
  return assert.fail("no end");
}

/** Fills the disk completely. */
function fillUp(path: string): void {
  for (let bytes = SIZE_BYTES; bytes > 0; bytes >>= 1) {
    try {
      writeFileSync(path, Buffer.alloc(bytes), { flag: "a" });
    } catch (error) {
      assert.match(String(error), /ENOSPC/);
    }
  }
}

const isRefusal = (error: unknown): boolean => hasCode(error, "NEWEL_E_NOT_KEPT");
const VALUE = "x".repeat(10_000);

/** Sets values until one is refused; returns the names of the answered ones. */
async function setUntilRefused(kernel: KernelClient): Promise<string[]> {
  const kept: string[] = [];
  for (;;) {
    try {
      await kernel.values.set(`full.${kept.length}`, VALUE);
    } catch (error) {
      assert.ok(isRefusal(error), String(error));
      assert.match(String(error), /the disk is full \(ENOSPC\)/);
      assert.equal(await kernel.values.get(`full.${kept.length}`), undefined);
      return kept;
    }
    kept.push(`full.${kept.length}`);
    assert.ok(kept.length < 10_000, "never refused");
  }
}

async function expectKept(kernel: KernelClient, names: readonly string[]): Promise<void> {
  const values = new Map(
    (await kernel.values.list("full.*")).map(({ name, value }) => [name, value]),
  );
  for (const name of names) assert.equal(values.get(name), VALUE, name);
  assert.equal(values.size, names.length);
}

test("a full disk: the kernel continues, the child ends, and lost output is counted", async (t) => {
  const directory = smallFileSystem(t, SIZE_BYTES);
  if (directory === undefined) return t.skip(withoutMount);
  const kernel = await connectScenario(t, homeAt(directory));
  const { pid } = await kernel.status();
  const args = [process.execPath, LINES, String(COUNT), "block"];
  await kernel.processes.make({ name: "talker", args, bufsize: 64 << 20 });
  const { kept, gap } = await readKept(kernel, "talker");
  assert.equal(kept + gap, COUNT * LINE_BYTES, "bytes read + gaps = bytes written");
  assert.ok(gap > COUNT * LINE_BYTES - SIZE_BYTES, `a gap of ${gap} bytes`);
  assert.ok(kept > SIZE_BYTES / 2, `${kept} bytes are kept`);

  const filler = join(directory, "filler");
  fillUp(filler);
  assert.equal(statfsSync(directory).bfree, 0);
  const names = await setUntilRefused(kernel);
  await assert.rejects(async () => {
    for (let index = 0; index < 10_000; index += 1) await kernel.values.set(`tiny.${index}`, "1");
  }, isRefusal);
  const full = await kernel.status();
  assert.equal(full.pid, pid, "the kernel goes on");
  assert.match(full.notices.join("\n"), /disk is full: output/);
  assert.match(full.notices.join("\n"), /journal cannot be written: the disk is full \(ENOSPC\)/);
  await assert.rejects(
    kernel.processes.make({ name: "more", args: ["/bin/sleep", "1"] }),
    isRefusal,
  );
  await assert.rejects(kernel.sockets.make({ name: "more" }), isRefusal);
  await assert.rejects(kernel.claim("more"), isRefusal);
  await assert.rejects(
    kernel.upgrade(),
    (error) => hasCode(error, "NEWEL_E_UPGRADE_REFUSED") && /ENOSPC/.test(String(error)),
  );
  assert.deepEqual((await kernel.status()).counts, full.counts, "nothing was made");
  // A change that removes something is always possible.
  await kernel.processes.remove("talker");
  await kernel.values.remove("full.0");

  rmSync(filler);
  // The kernel closes the files of the removed output later.
  await eventually(() => statfsSync(directory).bfree > 0, "the disk has room again");
  await kernel.values.set("after", "there is room again");
  assert.equal((await kernel.upgrade()).pid, pid);
  await eventually(
    async () => !(await kernel.status()).notices.some((notice) => notice.includes("journal")),
    "the journal can be written again",
    20_000,
  );
  assert.notEqual(await killKernel(kernel), pid);
  assert.equal(await kernel.values.get("after"), "there is room again");
  await expectKept(kernel, names.slice(1));
  assert.equal(await kernel.values.get("full.0"), undefined);
  const { notices } = await kernel.status();
  assert.deepEqual(notices, [], "and it was never damaged");
});

test("a kernel that is killed while the disk is full restores every answered change", async (t) => {
  const directory = smallFileSystem(t, SIZE_BYTES);
  if (directory === undefined) return t.skip(withoutMount);
  const kernel = await connectScenario(t, homeAt(directory));
  await kernel.values.set("before", "1");
  const child = await kernel.processes.make({ name: "child", args: ["/bin/sleep", "1000"] });
  const other = await kernel.processes.make({ name: "other", args: ["/bin/sleep", "1000"] });
  fillUp(join(directory, "filler"));
  const names = await setUntilRefused(kernel);
  for (let kills = 0; kills < 3; kills += 1) {
    // The end of a process is recorded for the next kernel in the reserved room.
    if (kills === 1) await kernel.processes.signal("other", "KILL");
    if (kills === 1)
      await eventually(async () => (await kernel.processes.list("other"))[0]?.closed, "other ends");
    await killKernel(kernel);
    assert.equal(await kernel.values.get("before"), "1");
    await expectKept(kernel, names);
    const [found] = await kernel.processes.list("child");
    assert.deepEqual([found?.pid, found?.running], [child.pid, true]);
    const [second] = await kernel.processes.list("other");
    assert.deepEqual([second?.pid, second?.running], [other.pid, kills === 0]);
    if (kills > 0) assert.equal(second?.exitCode, null);
    await assert.rejects(kernel.values.set("more", "x".repeat(200_000)), isRefusal);
    const { notices } = await kernel.status();
    assert.match(notices.join("\n"), /the disk is full/);
    assert.doesNotMatch(notices.join("\n"), /damaged/, "no half line was left in it");
  }
  rmSync(join(directory, "filler"));
  await kernel.values.set("later", "2");
  await killKernel(kernel);
  assert.equal(await kernel.values.get("later"), "2");
  await expectKept(kernel, names);
});
