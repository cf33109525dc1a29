import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { eventOf, openTestKernel, outputOf, runToEnd } from "../helpers/kernel.ts";
import { eventually } from "../helpers/resources.ts";

const LINES = fileURLToPath(new URL("../fixtures/programs/lines.mjs", import.meta.url));
const LINE_BYTES = 100;
const COUNT = 2_000_000;

/** The hash of the output of lines.mjs. */
function expectedHash(count: number): string {
  const hash = createHash("sha256");
  let block = "";
  for (let number = 0; number < count; number += 1) {
    block += `${String(number).padStart(99, "0")}\n`;
    if (block.length > 1 << 20) {
      hash.update(block);
      block = "";
    }
  }
  return hash.update(block).digest("hex");
}

for (const mode of ["line", "block"]) {
  test(`200 MB in ${mode} writes come back byte for byte, and the kernel does not grow`, async (t) => {
    const { kernel } = openTestKernel(t);
    let peak = 0;
    const before = process.memoryUsage.rss();
    const meter = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 20);
    t.after(() => clearInterval(meter));
    const args = [process.execPath, LINES, String(COUNT), mode];
    assert.equal(await runToEnd(kernel, { name: "writer", args, bufsize: 512 << 20 }), 0);
    clearInterval(meter);
    assert.ok(peak - before < 32e6, `grew by ${Math.round((peak - before) / 1e6)} MB`);
    const hash = createHash("sha256");
    let bytes = 0;
    for await (const { data, gap } of outputOf(kernel, "writer")) {
      assert.equal(gap, 0);
      hash.update(data);
      bytes += data.length;
    }
    assert.equal(bytes, COUNT * LINE_BYTES);
    assert.equal(hash.digest("hex"), expectedHash(COUNT));
  });
}

test("output dropped by a full buffer is reported: bytes read + gap = bytes written", async (t) => {
  const { kernel, home } = openTestKernel(t);
  const args = [process.execPath, LINES, String(COUNT), "block"];
  await runToEnd(kernel, { name: "writer", args, bufsize: 1 << 20 });
  const chunks = await Array.fromAsync(outputOf(kernel, "writer"));
  const kept = Buffer.concat(chunks.map(({ data }) => data));
  const gap = chunks.reduce((sum, chunk) => sum + chunk.gap, 0);
  assert.equal(kept.length + gap, COUNT * LINE_BYTES);
  assert.equal(kept.length, 1 << 20, "exactly the bound is kept");
  assert.ok(kept.toString("latin1").endsWith(`${COUNT - 1}\n`), "the newest is kept");
  const directory = join(home.spoolDirectory, readdirSync(home.spoolDirectory)[0] ?? "");
  const onDisk = readdirSync(directory).reduce(
    (sum, name) => sum + statSync(join(directory, name)).size,
    0,
  );
  assert.ok(onDisk <= 1.6 * (1 << 20), `${onDisk} bytes on disk`);
});

test("40 processes that print 300 kB and exit at once lose nothing", async (t) => {
  const { kernel } = openTestKernel(t);
  const names = Array.from({ length: 40 }, (_, index) => `burst.${index}`);
  const args = ["/bin/sh", "-c", "head -c 300000 /dev/zero | tr '\\0' x"];
  await Promise.all(names.map((name) => runToEnd(kernel, { name, args })));
  for (const name of names) {
    const data = Buffer.concat(
      (await Array.fromAsync(outputOf(kernel, name))).map((chunk) => chunk.data),
    );
    assert.equal(data.length, 300_000, name);
    assert.ok(data.every((byte) => byte === 0x78));
  }
});

test("multi-byte text is read back as it was written", async (t) => {
  const { kernel } = openTestKernel(t);
  const program = `const text = "ä€😀".repeat(555_556); process.stdout._handle?.setBlocking?.(true); process.stdout.write(text)`;
  await runToEnd(kernel, {
    name: "text",
    args: [process.execPath, "-e", program],
    bufsize: 16 << 20,
  });
  const chunks = await Array.fromAsync(outputOf(kernel, "text"));
  const text = Buffer.concat(chunks.map(({ data }) => data));
  assert.ok(text.equals(Buffer.from("ä€😀".repeat(555_556))));
});

test("stdout and stderr keep their common order of arrival, each with its own offsets", async (t) => {
  const { kernel, home } = openTestKernel(t);
  // Each piece is written once the one before it is kept: then a file of its number is there.
  const script =
    'for i in 1 2 3; do until [ -e "$0.$i.out" ]; do sleep 0.02; done; echo out$i; until [ -e "$0.$i.err" ]; do sleep 0.02; done; echo err$i >&2; done';
  const mayWrite = join(home.directory, "may-write");
  const end = runToEnd(kernel, { name: "both", args: ["/bin/sh", "-c", script, mayWrite] });
  const kept = async (): Promise<number> =>
    (await Array.fromAsync(outputOf(kernel, "both"))).length;
  for (const [index, piece] of [1, 2, 3].flatMap((i) => [`${i}.out`, `${i}.err`]).entries()) {
    writeFileSync(`${mayWrite}.${piece}`, "");
    await eventually(async () => (await kept()) > index, `the piece ${piece} is kept`);
  }
  await end;
  const chunks = await Array.fromAsync(outputOf(kernel, "both"));
  assert.deepEqual(
    chunks.map(({ stream, offset, data }) => [stream, offset, data.toString()]),
    [1, 2, 3].flatMap((number) => [
      ["out", (number - 1) * 5, `out${number}\n`],
      ["err", (number - 1) * 5, `err${number}\n`],
    ]),
  );
});

test("stderr can be merged into stdout, and either be turned off", async (t) => {
  const { kernel } = openTestKernel(t);
  const args = ["/bin/sh", "-c", "echo out; echo err >&2"];
  const text = async (name: string): Promise<string> =>
    (await Array.fromAsync(outputOf(kernel, name)))
      .map(({ stream, data }) => `${stream}:${data.toString()}`)
      .join("");
  await runToEnd(kernel, { name: "merged", args, stderr: "stdout" });
  await runToEnd(kernel, { name: "quiet", args, stderr: false });
  await runToEnd(kernel, { name: "none", args, bufsize: 0 });
  assert.equal(await text("merged"), "out:out\nerr\n");
  assert.equal(await text("quiet"), "out:out\n");
  assert.equal(await text("none"), "");
});

test("a descendant that keeps stdout open delays no end, and its output is still kept", async (t) => {
  const { kernel } = openTestKernel(t);
  const script = "(sleep 0.3; echo late) & echo early";
  assert.equal(await runToEnd(kernel, { name: "parent", args: ["/bin/sh", "-c", script] }), 0);
  const text = async (): Promise<string> =>
    (await Array.fromAsync(outputOf(kernel, "parent"))).map(({ data }) => data.toString()).join("");
  assert.equal(await text(), "early\n");
  const output = kernel.processes.output("parent");
  await new Promise<void>((resolve) => output.onChange(resolve));
  assert.equal(await text(), "early\nlate\n");
});

test("a process reports READY=1 and STATUS= on its notify descriptor", async (t) => {
  const { kernel } = openTestKernel(t);
  const script =
    'eval "echo STATUS=warming up >&$NEWEL_NOTIFY_FD"; sleep 0.05; eval "echo READY=1 >&$NEWEL_NOTIFY_FD"; sleep 10';
  kernel.processes.make({
    name: "service",
    args: ["/bin/sh", "-c", script],
    notify: true,
    env: { PATH: "/bin:/usr/bin" },
  });
  const ready = await eventOf(kernel, ({ type }) => type === "ready");
  assert.equal(ready.name, "service");
  const [info] = kernel.processes.list(["service"]);
  assert.equal(info?.ready, true);
  assert.equal(info?.status, "warming up");
});
