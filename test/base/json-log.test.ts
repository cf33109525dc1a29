import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";

import { pino } from "pino";

import { JsonLog, type Log } from "../../src/base/json-log.ts";
import { cleanUp, eventually } from "../helpers/resources.ts";

const MODULE = new URL("../../src/base/json-log.ts", import.meta.url).href;

type Entry = Record<string, unknown>;

/** The entries that a log writes for `use`, without their times. */
function entriesOf(make: (write: (line: string) => void) => Log, use: (log: Log) => void): Entry[] {
  const lines: string[] = [];
  use(make((line) => void lines.push(line)));
  return lines.map((line) => {
    assert.match(line, /^[^\n]+\n$/);
    const { time, ...entry } = JSON.parse(line) as Entry;
    assert.equal(typeof time, "number");
    return entry;
  });
}

const ours = (use: (log: Log) => void): Entry[] => entriesOf((write) => new JsonLog(write), use);

test("entries have the fields, levels and error texts that pino writes", () => {
  const failed = Object.assign(new TypeError("no good"), { code: "E_NO_GOOD" });
  const use = (log: Log): void => {
    log.info("A message.");
    log.warn(
      { number: 1, text: 'with "quotes"\n', list: [1, null], nothing: undefined },
      "Fields.",
    );
    log.error({ err: failed }, "An error.");
    log.debug("not written at the level info");
    log.level = "warn";
    log.info("not written at the level warn");
    log.warn("written");
  };
  const theirs = entriesOf((write) => pino({ base: { pid: process.pid } }, { write }), use);
  assert.equal(theirs.length, 4);
  assert.deepEqual(ours(use), theirs);
});

test("the causes and the parts of an error are written", () => {
  const cause = new RangeError("the cause");
  const [entry] = ours((log) =>
    log.error({ err: new AggregateError([new Error("a part"), 7], "all", { cause }) }, "Failed."),
  );
  const { err } = entry as unknown as { err: { cause: Entry; errors: [Entry, number] } };
  assert.equal(err.cause["message"], "the cause");
  assert.equal(err.cause["type"], "RangeError");
  assert.equal(err.errors[0]["message"], "a part");
  assert.equal(err.errors[1], 7);
});

test("an entry is written even if a field has no JSON", () => {
  const cycle: { self?: object } = {};
  cycle.self = cycle;
  const own = new Error("its own cause");
  own.cause = own;
  const unreadable = { toJSON: () => assert.fail("unreadable") };
  const [entry] = ours((log) =>
    log.warn({ cycle, big: 1n, unreadable, err: own, after: "kept" }, "Written."),
  );
  assert.match(String(entry?.["cycle"]), /^\(not written: .*circular/);
  assert.match(String(entry?.["big"]), /BigInt/);
  assert.match(String(entry?.["unreadable"]), /unreadable/);
  const { err } = entry as unknown as { err: Entry };
  assert.equal(err["message"], "its own cause");
  assert.equal(entry?.["after"], "kept");
  assert.equal(entry?.["msg"], "Written.");
});

test("a slow reader gets whole lines in order, and their loss is an entry", async (t) => {
  // A pipe that does not block its writer: the system refuses the rest with EAGAIN.
  const program = `
    const { LineWriter } = await import(${JSON.stringify(MODULE)});
    process.stdout.write("");
    const writer = new LineWriter(1);
    for (let number = 0; number < 40; number += 1)
      writer.write(JSON.stringify({ number, text: "x".repeat(50_000) }) + "\\n");
    process.send("written");
    process.on("message", (message) => {
      if (message === "end") return process.disconnect();
      writer.write(JSON.stringify({ number: "last" }) + "\\n");
      process.send("written");
    });`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  cleanUp(t, () => void child.kill("SIGKILL"));
  await once(child, "message");
  const pieces: Buffer[] = [];
  child.stdout?.on("data", (piece: Buffer) => pieces.push(piece));
  const hasLast = (): boolean => Buffer.concat(pieces).includes('"last"}\n');
  // A last line is dropped too while the pipe is full: this process may have read nothing yet.
  let sent = 0;
  await eventually(async () => {
    child.send("write a last line");
    sent += 1;
    await once(child, "message");
    return hasLast();
  }, "a last line is read");
  child.send("end");
  await once(child, "close");
  const entries = Buffer.concat(pieces)
    .toString()
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as { number?: number | "last"; dropped?: number });
  const numbers = entries.flatMap(({ number }) => (typeof number === "number" ? [number] : []));
  assert.deepEqual(
    numbers,
    numbers.map((_, index) => index),
    "the first lines, without a gap",
  );
  const dropped = entries.flatMap((entry) => entry.dropped ?? []);
  const lasts = entries.filter(({ number }) => number === "last");
  assert.equal(
    dropped.reduce((sum, count) => sum + count, numbers.length + lasts.length),
    40 + sent,
  );
  assert.deepEqual(entries.at(-1), { number: "last" });
});
