import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";

import type { OutputInfo } from "../../src/pool/options.ts";
import { readLines } from "../../src/pool/output-lines.ts";
import { eventually } from "../helpers/resources.ts";
import type * as TalkingModule from "./fixtures/talking.ts";
import { KINDS, openPool } from "./pools.ts";

type Talking = typeof TalkingModule;

for (const kind of KINDS) {
  test(`${kind}: the lines of each worker arrive with its number, its pid and their stream`, async (t) => {
    const lines: (OutputInfo & { readonly line: string })[] = [];
    const pool = openPool<Talking>(t, "talking", {
      kind,
      size: 2,
      onOutput: (line, info) => lines.push({ line, ...info }),
    });
    await pool.run({ out: "one\ntwo\r\nthr", err: "wrong\n" }, { worker: 0 });
    await pool.run({ out: "ee\nlast without an end" }, { worker: 0 });
    await pool.run({ out: "of another\n" }, { worker: 1 });
    const pids = pool.stats().workers.map(({ pid }) => pid);
    await pool.close();
    const of = (worker: number, stream: string): string[] =>
      lines
        .filter((each) => each.worker === worker && each.stream === stream)
        .map(({ line }) => line);
    assert.deepEqual(of(0, "stdout"), ["one", "two", "three", "last without an end"]);
    assert.deepEqual(of(0, "stderr"), ["wrong"]);
    assert.deepEqual(of(1, "stdout"), ["of another"]);
    for (const { worker, pid } of lines) assert.equal(pid, pids[worker]);
  });

  test(`${kind}: an onOutput that throws is reported, and the lines continue`, async (t) => {
    const errors: unknown[] = [];
    const lines: string[] = [];
    const pool = openPool<Talking>(t, "talking", {
      kind,
      size: 1,
      onOutput(line) {
        lines.push(line);
        throw new RangeError(line);
      },
      onError: (error) => errors.push(error),
    });
    await pool.run({ out: "a\nb\n" });
    await eventually(() => errors.length === 2, "both are reported");
    assert.deepEqual(lines, ["a", "b"]);
    assert.ok(errors.every((error) => error instanceof RangeError));
  });
}

test("the output of processes that a worker starts is included", async (t) => {
  const lines: string[] = [];
  const pool = openPool<Talking>(t, "talking", { size: 1, onOutput: (line) => lines.push(line) });
  await pool.run({ child: "from the child" });
  await pool.close();
  assert.deepEqual(lines, ["from the child"]);
});

test("lines: characters and ends that are split between chunks, long lines, empty lines", async () => {
  const stream = new PassThrough();
  const lines: string[] = [];
  const ended = readLines(stream, (line) => lines.push(line));
  const text = Buffer.from("é\r\n\n\nlong ");
  for (const byte of text) stream.write(Buffer.of(byte));
  stream.write("x".repeat(200_000));
  stream.end("\nend");
  await ended;
  assert.deepEqual(lines.slice(0, 3), ["é", "", ""]);
  assert.equal(lines.at(-1), "end");
  const long = lines.slice(3, -1);
  assert.equal(long.join(""), `long ${"x".repeat(200_000)}`);
  assert.ok(long.every((piece) => piece.length <= 65_536));
});
