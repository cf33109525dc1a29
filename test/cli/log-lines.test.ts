import assert from "node:assert/strict";
import { test } from "node:test";

import { LineCutter, type LogLine } from "../../src/cli/logs/line.ts";
import { lastLines } from "../../src/cli/logs/reader.ts";
import { mergeByTime } from "../../src/cli/logs/merge.ts";
import { LinePrinter } from "../../src/cli/logs/printer.ts";
import { covers, type Source, toSource, unknownWords } from "../../src/cli/select.ts";
import type { OutputChunk, ProcessInfo } from "../../src/kernel/process-api.ts";
import { captured } from "./capture.ts";

function source(name: string): Source {
  const info: ProcessInfo = {
    name,
    pid: 1,
    running: true,
    startedMs: 0,
    closed: false,
    args: [],
    workingDir: "/",
    ready: true,
    output: {},
    fifos: [],
  };
  return toSource(info);
}

const WEB = source("shop/web.1#1-00");

function chunk(data: string | Buffer, offset: number, gap = 0, timeMs = 5): OutputChunk {
  return { stream: "out", offset, gap, timeMs, data: Buffer.from(data) };
}

function line(text: string, timeMs: number, from = WEB): LogLine {
  return {
    source: from,
    stream: "out",
    timeMs,
    offset: 0,
    bytes: Buffer.from(text),
    gap: 0,
    isGap: false,
  };
}

test("lines are cut at newlines wherever the pieces end, with their offsets", () => {
  const text = Buffer.from("one\n\ntwö\nthree");
  for (let cut = 0; cut <= text.length; cut += 1) {
    const cutter = new LineCutter(WEB, "out");
    const lines = [
      ...cutter.push(chunk(text.subarray(0, cut), 100)),
      ...cutter.push(chunk(text.subarray(cut), 100 + cut)),
      ...cutter.flush(),
    ];
    assert.deepEqual(
      lines.map(({ bytes, offset, gap }) => [bytes.toString(), offset, gap]),
      [
        ["one", 100, 0],
        ["", 104, 0],
        ["twö", 105, 0],
        ["three", 110, 0],
      ],
      `cut at ${cut}`,
    );
    assert.deepEqual(cutter.flush(), []);
  }
});

test("a gap ends the line before it and is reported with the line after it", () => {
  const cutter = new LineCutter(WEB, "out");
  const lines = [
    ...cutter.push(chunk("a\nbeg", 0)),
    ...cutter.push(chunk("nd\nc\n", 1_005, 1_000)),
  ];
  assert.deepEqual(
    lines.map(({ bytes, offset, gap }) => [bytes.toString(), offset, gap]),
    [
      ["a", 0, 0],
      ["beg", 2, 0],
      ["nd", 1_005, 1_000],
      ["c", 1_008, 0],
    ],
  );
});

test("output without newlines does not use all memory: a line of 64 MiB is cut, none of it lost", () => {
  const cutter = new LineCutter(WEB, "out");
  const piece = Buffer.alloc(9_000_000, "x");
  let bytes = 0;
  let most = 0;
  for (let n = 0; n < 20; n += 1)
    for (const { bytes: cut } of cutter.push(chunk(piece, n * piece.length))) {
      bytes += cut.length;
      most = Math.max(most, cut.length);
    }
  for (const { bytes: cut } of cutter.flush()) bytes += cut.length;
  assert.equal(bytes, 20 * piece.length);
  assert.ok(most > 64_000_000 && most < 80_000_000);
});

test("the last lines are counted without the gaps between them, which stay", () => {
  const cutter = new LineCutter(WEB, "out");
  const lines = [
    ...cutter.push(chunk("a\nb\n", 0)),
    ...cutter.push({ ...chunk("", 104, 100), reason: "disk" }),
    ...cutter.push(chunk("c\n", 204, 100)),
    ...cutter.push(chunk("", 306, 100)),
    ...cutter.flush(),
  ];
  const last = lastLines(lines, 2);
  assert.deepEqual(
    last.map(({ bytes, gap, isGap }) => [bytes.toString(), gap, isGap]),
    [
      ["b", 0, false],
      ["", 100, true],
      ["c", 100, false],
      ["", 100, true],
    ],
  );
  assert.deepEqual(lastLines(lines, 100), lines);
});

test("processes are merged by time, each in its own order, and equal times by process", async () => {
  const lines: string[] = [];
  const sources = [
    [line("a1", 1), line("a2", 5), line("a3", 4)],
    [],
    [line("b1", 1), line("b2", 2), line("b3", 9)],
  ];
  for await (const { bytes } of mergeByTime(sources)) lines.push(bytes.toString());
  assert.deepEqual(lines, ["a1", "b1", "b2", "a2", "a3", "b3"]);
});

test("a line follows the name of its process, byte for byte", async () => {
  const { output, stdout } = captured();
  const printer = new LinePrinter(output, { raw: false, time: false });
  const worker = source("shop/worker.12#2-00");
  printer.expect([WEB, worker]);
  await printer.print({ ...line("", 1), bytes: Buffer.from([0xff, 0x00, 0x41]) });
  await printer.print({ ...line("oops", 2, worker), stream: "err" });
  assert.deepEqual(
    stdout.bytes,
    Buffer.concat([
      Buffer.from("web.1     | "),
      Buffer.from([0xff, 0x00, 0x41]),
      Buffer.from("\nworker.12 | oops\n"),
    ]),
  );
});

test("with several apps the app precedes the name; --time and --raw; a gap is reported on stderr", async () => {
  const blog = source("blog/web.1#1-00");
  const several = captured();
  const printer = new LinePrinter(several.output, { raw: false, time: true });
  printer.expect([WEB, blog]);
  await printer.print({ ...line("x", 0), gap: 5_000 });
  assert.equal(several.stdout.text, "1970-01-01T00:00:00.000Z shop/web.1 | x\n");
  assert.match(several.stderr.text, /^web\.1: 5000 bytes \(5kB\) of its output are lost here/);
  const raw = captured();
  await new LinePrinter(raw.output, { raw: true, time: false }).print(line("x", 0));
  assert.equal(raw.stdout.text, "x\n");
});

test("--json: one object a line", async () => {
  const { output, stdout } = captured({ json: true });
  await new LinePrinter(output, { raw: false, time: false }).print({ ...line("héy", 3), gap: 2 });
  assert.deepEqual(JSON.parse(stdout.text), {
    v: 1,
    app: "shop",
    service: "web",
    process: "web.1",
    kernelName: "shop/web.1#1-00",
    stream: "out",
    timeMs: 3,
    offset: 0,
    gap: 2,
    line: "héy",
  });
});

test("names: service, process, app/service, prefix, and the kernel's own", () => {
  const foreign = source("papa-made");
  for (const word of ["web", "web.1", "shop/web", "shop/web.1", "we*", "shop/*", WEB.info.name])
    assert.ok(covers([word], WEB), word);
  for (const word of ["we", "web.2", "blog/web", "eb*", ""]) assert.ok(!covers([word], WEB), word);
  assert.ok(covers([], foreign));
  assert.ok(covers(["papa-*"], foreign));
  assert.deepEqual(unknownWords(["web", "wob"], [WEB, foreign]), ["wob"]);
});
