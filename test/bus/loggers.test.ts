import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { PassThrough, Writable } from "node:stream";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { Bus } from "../../src/bus/bus.ts";
import { logToFile, logToStream } from "../../src/bus/plugins/loggers.ts";
import { eventually, startProcess, temporaryDirectory } from "../helpers/resources.ts";

const FIXTURE = fileURLToPath(new URL("fixtures/logging.ts", import.meta.url));

for (const way of ["stream", "own", "unlistened"])
  for (const crash of ["", "crash"])
    for (const closed of ["stdout", "stderr", "both"]) {
      if (way === "own" && crash === "") continue;
      test(`a program whose ${closed} has lost its reader stops in order (${way} ${crash})`, async (t) => {
        const mark = join(temporaryDirectory(t), "mark");
        const child = startProcess(t, process.execPath, [FIXTURE, mark, way, crash]);
        const ended = once(child, "close");
        await eventually(() => existsSync(`${mark}.started`), "it has started", 30_000);
        if (closed !== "stderr") child.stdout?.destroy();
        else child.stdout?.resume();
        if (closed !== "stdout") child.stderr?.destroy();
        else child.stderr?.resume();
        // Some rounds of main, each of which logs.
        await eventually(() => existsSync(`${mark}.rounds`), "it continues", 30_000);
        child.kill("SIGTERM");
        assert.deepEqual(await ended, [0, null]);
        assert.ok(existsSync(`${mark}.saved`), "the stop listener ran");
      });
    }

test("a program whose terminal was closed stops in order", async (t) => {
  const mark = join(temporaryDirectory(t), "mark");
  const command = `'${process.execPath}' '${FIXTURE}' '${mark}' stream`;
  const terminal = startProcess(t, "script", ["-qec", command, "/dev/null"]);
  await eventually(() => existsSync(`${mark}.started`), "it has started", 30_000);
  // The terminal goes away with its program, and sends SIGHUP.
  terminal.kill("SIGKILL");
  await eventually(() => existsSync(`${mark}.saved`), "the stop listener ran", 30_000);
});

test("a stream that fails warns once, and one that ended costs nothing", async (t) => {
  const warnings = t.mock.method(process, "emitWarning", () => undefined);
  const bus = new Bus();
  const failing = new Writable({ write: (_chunk, _encoding, done) => done(new Error("no disk")) });
  const ended = new PassThrough().end();
  for (const stream of [failing, ended]) logToStream(bus, stream);
  for (let n = 0; n < 5; n += 1) {
    bus.log("x");
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(warnings.mock.callCount(), 2);
  assert.match(String(warnings.mock.calls[0]?.arguments[0]), /entries are lost/);
});

test("a reader that never reads costs 16 MB, and the entries that were dropped are counted", async () => {
  const bus = new Bus();
  const slow = new PassThrough();
  logToStream(bus, slow);
  const entry = "x".repeat(1_000_000);
  for (let n = 0; n < 40; n += 1) bus.log(entry);
  assert.ok(slow.writableLength < 18_000_000, `${slow.writableLength} bytes wait`);
  let text = "";
  slow.on("data", (chunk) => (text += String(chunk)));
  await eventually(() => slow.writableLength === 0, "all is read");
  bus.log("later");
  await eventually(() => text.includes("later"), "it continues");
  assert.match(text, /\(\d\d entries were dropped: the log is not read\)\n.*later\n$/);
});

test("a file that cannot be written warns once", (t) => {
  const warnings = t.mock.method(process, "emitWarning", () => undefined);
  const bus = new Bus();
  const off = logToFile(bus, "/dev/full");
  for (let n = 0; n < 5; n += 1) bus.log("x");
  off();
  assert.equal(warnings.mock.callCount(), 1);
});
