// Output that cannot be written: every error is handled like a full disk.
import assert from "node:assert/strict";
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { Pump, type PumpTarget } from "../../src/kernel/pump.ts";
import { makeFifo, openFifoHolder, openFifoReader } from "../../src/posix/fifo.ts";
import { cleanUp, eventually, type Scope, temporaryDirectory } from "../helpers/resources.ts";

interface Bench {
  readonly target: PumpTarget & { fd: number; refusal: Error | undefined };
  readonly counts: { asked: number; grew: number; skipped: number; ended: number };
  readonly notices: string[];
  readonly file: string;
  readonly write: (text: string) => void;
  /** Closes the only writer. */
  readonly end: () => void;
}

/** A pump over one FIFO whose target is changed by the test. */
function makeBench(scope: Scope): Bench {
  const directory = temporaryDirectory(scope);
  const [fifo, file] = [join(directory, "fifo"), join(directory, "file")];
  makeFifo(fifo);
  const reader = openFifoReader(fifo);
  const writer = openFifoHolder(fifo);
  const notices: string[] = [];
  const counts = { asked: 0, grew: 0, skipped: 0, ended: 0 };
  const target = {
    fd: openSync(file, "w+"),
    refusal: undefined as Error | undefined,
    target: () => {
      counts.asked += 1;
      if (target.refusal !== undefined) throw target.refusal;
      return { fd: target.fd, offset: counts.grew, roomBytes: 1 << 20 };
    },
    grew: (bytes: number) => void (counts.grew += bytes),
    skipped: (bytes: number) => void (counts.skipped += bytes),
    ended: () => void (counts.ended += 1),
  };
  const pump = new Pump((text) => notices.push(text));
  pump.add(reader, target);
  cleanUp(scope, () => pump.close());
  const write = (text: string): void => void writeSync(writer, text);
  return { target, counts, notices, file, write, end: () => closeSync(writer) };
}

const systemError = (code: string): Error => Object.assign(new Error(`${code}: refused`), { code });

const FAULTS: Readonly<Record<string, (bench: Bench) => void>> = {
  // Not open for writing.
  EBADF: ({ target, file }) => (target.fd = openSync(file, "r")),
  // An offset that no file can have.
  EINVAL: ({ target }) => (target.fd = openSync("/", "r")),
  EROFS: ({ target }) => (target.refusal = systemError("EROFS")),
  EMFILE: ({ target }) => (target.refusal = systemError("EMFILE")),
  ENOSPC: ({ target }) => (target.refusal = systemError("ENOSPC")),
};

for (const [name, breakTarget] of Object.entries(FAULTS))
  test(`output that cannot be written (${name}) is counted and reported, and later kept again`, async (t) => {
    const bench = makeBench(t);
    const { target, counts, notices, write } = bench;
    const sound = target.fd;
    write("kept\n");
    await eventually(() => counts.grew === 5, "the first line is kept");
    breakTarget(bench);
    for (let lines = 1; lines <= 20; lines += 1) {
      write("lost\n");
      await eventually(() => counts.skipped === 5 * lines, `${lines} lines are counted`);
    }
    assert.ok(notices.length > 0, "it is reported");
    assert.match(
      notices[0] ?? "",
      name === "ENOSPC" ? /disk is full/ : /cannot be stored: E[A-Z]+ \(/,
    );
    // Without bytes to move, the pump makes no attempt: a busy loop would continue to ask.
    const { asked } = counts;
    for (let turn = 0; turn < 200; turn += 1) await new Promise((next) => setImmediate(next));
    assert.ok(counts.asked - asked <= 2, `asked ${counts.asked - asked} times for nothing`);

    target.fd = sound;
    target.refusal = undefined;
    await eventually(() => {
      write("back\n");
      return counts.grew > 5;
    }, "it is tried again after a pause");
    bench.end();
    await eventually(() => counts.ended === 1, "the end is reported");
    assert.match(readFileSync(bench.file, "utf8"), /^kept\n(back\n)+$/);
  });
