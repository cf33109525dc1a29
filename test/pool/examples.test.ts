import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { cleanUp, startProcess } from "../helpers/resources.ts";

const example = (path: string): string =>
  fileURLToPath(new URL(`../../examples/${path}`, import.meta.url));

test("the fetch example asks its server for ten pages, on four workers", async (t) => {
  const child = startProcess(t, process.execPath, [example("fetch-pool/fetch.ts")]);
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout!),
    text(child.stderr!),
    once(child, "exit"),
  ]);
  assert.deepEqual([code, stderr], [0, ""]);
  const pages = stdout
    .trim()
    .split("\n")
    .map((line) => /\/(\d) newel-example$/.exec(line)?.[1] ?? line)
    .sort((a, b) => a.localeCompare(b));
  assert.deepEqual(pages, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
});

test("the instrumented worker has a title, sends gauges of every worker, and reports its errors", async (t) => {
  const sink = createSocket("udp4");
  sink.bind(0, "127.0.0.1");
  await once(sink, "listening");
  cleanUp(t, () => void sink.close());
  const gauges = new Set<string>();
  sink.on("message", (message) => {
    for (const line of String(message).split("\n")) {
      const [name = "", value = ""] = line.split(":");
      // A gauge of standstills is sent only where the machine was busy enough for one.
      const isExpected = !name.endsWith(".loop.blocked");
      if (isExpected && /^\d+(\.\d+)?\|g$/.test(value)) gauges.add(name);
    }
  });
  const child = startProcess(t, process.execPath, [
    example("instrumented-worker/main.ts"),
    String(sink.address().port),
  ]);
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout!),
    text(child.stderr!),
    once(child, "exit"),
  ]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /one by shop pool worker \d\ntwo by shop pool worker \d\n/);
  assert.match(stdout, /rejected: RangeError: a bad message/);
  assert.match(stderr, /shop pool worker \d\] captured: RangeError: a bad message/);
  const each = ["cpu", "memory.rss", "memory.heap", "loop.delay", "loop.utilization"];
  const wanted = [...each, "loop.handles", "loop.timers"].flatMap((name) =>
    [0, 1].map((worker) => `shop.worker.instrumented.process.${worker}.${name}`),
  );
  assert.deepEqual([...gauges].sort(), wanted.sort());
});
