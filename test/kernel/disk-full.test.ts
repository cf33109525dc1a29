import assert from "node:assert/strict";
import { rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

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

/** Reads all output, checking that what is kept are whole parts of what was written. */
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

/** Leaves no room at all. */
function fillUp(path: string): void {
  for (let bytes = SIZE_BYTES; bytes > 0; bytes >>= 1) {
    try {
      writeFileSync(path, Buffer.alloc(bytes), { flag: "a" });
    } catch (error) {
      assert.match(String(error), /ENOSPC/);
    }
  }
}

test("a full disk: the kernel goes on, the child ends, and what is lost is counted", async (t) => {
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
  for (let index = 0; index < 200; index += 1)
    await kernel.values.set(`full.${index}`, "x".repeat(100));
  const full = await kernel.status();
  assert.equal(full.pid, pid, "the kernel goes on");
  assert.match(full.notices.join("\n"), /no room to write output/);
  assert.match(full.notices.join("\n"), /\d+ changes could not be written to the journal/);
  assert.equal(await kernel.values.get("full.199"), "x".repeat(100));

  rmSync(filler);
  await kernel.processes.remove("talker");
  await kernel.values.set("after", "there is room again");
  await eventually(
    async () => !(await kernel.status()).notices.some((notice) => notice.includes("journal")),
    "the journal is complete again",
    20_000,
  );
  assert.notEqual(await killKernel(kernel), pid);
  assert.equal(await kernel.values.get("after"), "there is room again");
  assert.equal(await kernel.values.get("full.199"), "x".repeat(100));
  const { notices } = await kernel.status();
  assert.deepEqual(notices, [], "and it was never damaged");
});

test("a kernel that is killed while the disk is full comes back, and keeps what was there", async (t) => {
  const directory = smallFileSystem(t, SIZE_BYTES);
  if (directory === undefined) return t.skip(withoutMount);
  const kernel = await connectScenario(t, homeAt(directory));
  await kernel.values.set("before", "1");
  const child = await kernel.processes.make({ name: "child", args: ["/bin/sleep", "1000"] });
  fillUp(join(directory, "filler"));
  for (let index = 0; index < 100; index += 1) await kernel.values.set(`lost.${index}`, "x");
  await killKernel(kernel);
  assert.equal(await kernel.values.get("before"), "1");
  const [found] = await kernel.processes.list("child");
  assert.deepEqual([found?.pid, found?.running], [child.pid, true]);
  const { notices } = await kernel.status();
  assert.match(notices.join("\n"), /could not be written to the journal/);
  assert.doesNotMatch(notices.join("\n"), /damaged/, "no half line was left in it");
  rmSync(join(directory, "filler"));
  await kernel.values.set("later", "2");
  assert.equal(await kernel.values.get("later"), "2");
});
