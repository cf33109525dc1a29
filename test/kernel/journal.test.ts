import assert from "node:assert/strict";
import fs, {
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { basename, dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { crc32 } from "node:zlib";

import { hasCode } from "../../src/base/errors.ts";
import { homeAt, type Home } from "../../src/base/home.ts";
import { Journal } from "../../src/kernel/journal.ts";
import { readJournal } from "../../src/kernel/journal-file.ts";
import type { JournalRecord } from "../../src/kernel/journal-records.ts";
import { type OpenKernel, openKernel } from "../../src/kernel/kernel.ts";
import { replay } from "../../src/kernel/recovery.ts";
import { eventOf, outputOf } from "../helpers/kernel.ts";
import { cleanUp, eventually, isAlive, temporaryDirectory } from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";

/** A kernel of this home; after the test its processes are ended unless it was closed before. */
function open(t: TestContext, home: Home): OpenKernel {
  const kernel = openKernel(home, { version: "test", notice: () => undefined });
  const close = kernel.close.bind(kernel);
  let closed = false;
  const closeOnce = async (): Promise<void> => {
    if (closed) return;
    closed = true;
    await close();
  };
  cleanUp(t, async () => {
    if (closed) return;
    for (const { name, running } of kernel.processes.list())
      if (running) kernel.processes.signal(name, "KILL", "tree");
    await closeOnce();
  });
  return Object.assign(kernel, { close: closeOnce });
}

function homeOf(t: TestContext): Home {
  return homeAt(temporaryDirectory(t));
}

/** The damaged journals of a home that were kept under another name. */
function keptAside({ journal }: Home): string[] {
  return readdirSync(dirname(journal)).filter((name) =>
    name.startsWith(`${basename(journal)}.damaged-`),
  );
}

/** A home whose kernel had ten values, a claim's number, a socket and a child that continues to run. */
async function usedHome(t: TestContext): Promise<{ home: Home; pid: number; port: number }> {
  const home = homeOf(t);
  const kernel = open(t, home);
  const { port = 0 } = kernel.sockets.make({ name: "web" });
  const { pid } = kernel.processes.make({ name: "child", args: ["/bin/sleep", "1000"] });
  // Also if no later kernel knows the process.
  cleanUp(t, () => void (isAlive(pid) && sendSignal(pid, "SIGKILL")));
  for (let number = 0; number < 10; number += 1) kernel.values.set(`value.${number}`, "kept");
  kernel.claims.ask("lock", { pid: process.pid }, () => undefined);
  await kernel.close();
  return { home, pid, port };
}

function expectReported(kernel: OpenKernel, home: Home, damaged: RegExp): void {
  const [kept, ...more] = keptAside(home);
  assert.ok(kept !== undefined && more.length === 0, `kept aside: ${[kept, ...more].join()}`);
  const { notices } = kernel.status();
  assert.equal(notices.filter((notice) => notice.includes(kept)).length, 1, notices.join("\n"));
  assert.match(notices.join("\n"), damaged);
}

function expectAdopted(kernel: OpenKernel, pid: number, port: number): void {
  const [child] = kernel.processes.list(["child"]);
  assert.deepEqual([child?.pid, child?.running], [pid, true]);
  assert.equal(kernel.sockets.list(["web"])[0]?.port, port);
  assert.equal(kernel.claims.list(["lock"])[0]?.epoch, 1);
}

test("a complete journal: the whole state is restored, and nothing is reported or kept aside", async (t) => {
  const { home, pid, port } = await usedHome(t);
  const kernel = open(t, home);
  expectAdopted(kernel, pid, port);
  assert.equal(kernel.values.list().length, 10);
  assert.deepEqual(kernel.status().notices, []);
  assert.deepEqual(keptAside(home), []);
});

test("a last record torn at any byte: all records before it are kept, the rest is reported", async (t) => {
  const home = homeOf(t);
  const text = Array.from({ length: 3 }, (_, number) =>
    line({ type: "value", name: `v${number}`, value: "ä€" }),
  ).join("");
  const bytes = Buffer.from(text);
  const last = bytes.lastIndexOf("\n", bytes.length - 2) + 1;
  for (let cut = last + 1; cut < bytes.length - 1; cut += 1) {
    writeFileSync(home.journal, bytes.subarray(0, cut));
    const { records, damaged, keptAs } = readJournal(home.journal);
    assert.deepEqual([...replay(records).values.keys()], ["v0", "v1"], `cut at ${cut}`);
    assert.equal(damaged, 1);
    assert.deepEqual(readFileSync(keptAs ?? ""), bytes.subarray(0, cut));
    rmSync(keptAs ?? "");
  }
});

test("a kernel with a torn journal continues with the readable rest, and writes a complete one", async (t) => {
  const { home, pid, port } = await usedHome(t);
  const before = readFileSync(home.journal);
  writeFileSync(home.journal, `${before.toString()}12345678 {"type":"value","na`);
  const kernel = open(t, home);
  expectAdopted(kernel, pid, port);
  assert.equal(kernel.values.list().length, 10);
  expectReported(kernel, home, /^1 line of the journal was damaged/m);
  assert.equal(readJournal(home.journal).damaged, 0, "the new file is whole");
  kernel.values.set("later", "1");
  await kernel.close();
  const next = open(t, home);
  assert.equal(next.values.get("later"), "1");
  assert.deepEqual(next.status().notices, []);
});

test("any flipped bit invalidates only its own line", async (t) => {
  const { home, pid, port } = await usedHome(t);
  const whole = readFileSync(home.journal);
  const at = whole.indexOf('"value.4"');
  assert.ok(at > 0);
  const flipped = Buffer.from(whole);
  flipped.writeUInt8((flipped[at + 3] ?? 0) ^ 0x10, at + 3);
  writeFileSync(home.journal, flipped);
  const kernel = open(t, home);
  expectAdopted(kernel, pid, port);
  assert.equal(kernel.values.get("value.4"), undefined);
  assert.equal(kernel.values.list().length, 9);
  expectReported(kernel, home, /^1 line of the journal was damaged/m);
});

test("bits flipped at random never give a record that was not written", (t) => {
  const home = homeOf(t);
  const records: JournalRecord[] = Array.from({ length: 20 }, (_, number) => ({
    type: "value",
    name: `v${number}`,
    value: `${number}`,
  }));
  const whole = Buffer.from(records.map(line).join(""));
  for (let bit = 0; bit < whole.length * 8; bit += 7) {
    const flipped = Buffer.from(whole);
    flipped.writeUInt8((flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7)), bit >> 3);
    writeFileSync(home.journal, flipped);
    const { values } = replay(readJournal(home.journal).records);
    assert.ok(values.size >= 18, `bit ${bit}: ${values.size} values are left`);
    for (const [name, value] of values) assert.equal(name, `v${value}`, `bit ${bit}`);
    for (const kept of keptAside(home)) rmSync(`${dirname(home.journal)}/${kept}`);
  }
});

test("an empty journal is not reported as damaged, a cut one is", async (t) => {
  const { home } = await usedHome(t);
  const { size } = statSync(home.journal);
  truncateSync(home.journal, Math.floor(size / 2));
  const kernel = open(t, home);
  expectReported(kernel, home, /^1 line of the journal was damaged/m);
  await kernel.close();
  truncateSync(home.journal, 0);
  const empty = open(t, home);
  assert.deepEqual(empty.values.list(), []);
  assert.equal(keptAside(home).length, 1, "none more");
});

test("without its journal a home is used again, and old output is not mistaken for new", async (t) => {
  const home = homeOf(t);
  const first = open(t, home);
  const args = ["/bin/sh", "-c", "echo old; echo old >&2"];
  first.processes.make({ name: "job", args });
  await eventOf(first, ({ type }) => type === "closed");
  await first.close();
  rmSync(home.journal);

  const kernel = open(t, home);
  assert.deepEqual(kernel.processes.list(), []);
  kernel.processes.make({ name: "job", args: ["/bin/echo", "new"] });
  await eventOf(kernel, ({ type }) => type === "closed");
  const chunks = await Array.fromAsync(outputOf(kernel, "job"));
  assert.deepEqual(
    chunks.map(({ offset, data }) => [offset, data.toString()]),
    [[0, "new\n"]],
  );
  const [, aside = ""] =
    /journal is missing.* kept in (.*)\.$/.exec(kernel.status().notices[0] ?? "") ?? [];
  const old = readdirSync(aside).filter((name) => statSync(join(aside, name)).isDirectory());
  assert.equal(old.length, 1, "the old output is put aside");
  const [out = ""] = readdirSync(join(aside, old[0] ?? "")).filter((name) =>
    name.startsWith("out."),
  );
  assert.equal(readFileSync(join(aside, old[0] ?? "", out), "utf8"), "old\n");
});

test("files that a complete journal does not know are removed: a kernel died while it made or forgot them", async (t) => {
  const { home, pid, port } = await usedHome(t);
  const directories = [home.spoolDirectory, home.fifoDirectory];
  const files = (): string[][] => directories.map((directory) => readdirSync(directory).sort());
  const before = files();
  mkdirSync(join(home.spoolDirectory, "gone~1"));
  writeFileSync(join(home.spoolDirectory, "gone~1", "out.0"), "old");
  writeFileSync(join(home.fifoDirectory, "gone~1.out"), "");
  const kernel = open(t, home);
  expectAdopted(kernel, pid, port);
  assert.deepEqual(files(), before);
  assert.deepEqual(kernel.status().notices, []);
});

for (const [what, bytes] of Object.entries({
  "random bytes": Buffer.from(Array.from({ length: 50_000 }, (_, at) => (at * 7_919) % 251)),
  "zeros, as after a loss of power": Buffer.alloc(20_000),
  "one endless line": Buffer.alloc(3_000_000, "x"),
  "lines with a good checksum and no record": Buffer.from(
    ["null", "7", "[]", "{}", '{"type":"later than this version"}', "no JSON"]
      .map((json) => `${crc32(json).toString(16).padStart(8, "0")} ${json}\n`)
      .join(""),
  ),
})) {
  test(`a journal of ${what} is kept aside and reported; the kernel serves`, async (t) => {
    const home = homeOf(t);
    writeFileSync(home.journal, bytes);
    const kernel = open(t, home);
    expectReported(kernel, home, /lines? of the journal (was|were) damaged/);
    assert.deepEqual(readFileSync(`${home.directory}/${keptAside(home)[0]}`), bytes);
    kernel.values.set("a", "1");
    assert.equal(kernel.values.get("a"), "1");
  });
}

test("after a reboot values and the numbers of claims and events stay, processes and sockets do not", async (t) => {
  const { home } = await usedHome(t);
  const text = readFileSync(home.journal, "utf8");
  const json = text.split("\n").map((one) => one.slice(9));
  const records = json.filter((one) => one !== "").map((one) => JSON.parse(one) as JournalRecord);
  const other = records.map((record) =>
    record.type === "boot" ? { ...record, bootId: "another" } : record,
  );
  writeFileSync(home.journal, other.map(line).join(""));
  const kernel = open(t, home);
  assert.deepEqual(kernel.processes.list(), []);
  assert.equal(kernel.values.list().length, 10);
  assert.ok(kernel.events.last >= replay(records).lastEvent);
  let epoch = 0;
  kernel.claims.ask("lock", { pid: process.pid }, (granted) => (epoch = granted));
  assert.equal(epoch, 2, "nobody holds it, and its number goes on");
  kernel.processes.make({ name: "child", args: ["/bin/sleep", "1000"] });
  assert.match(kernel.status().notices.join("\n"), /rebooted: 1 process and 1 socket of before/);
  assert.equal(readdirSync(home.spoolDirectory).length, 1, "only the new one's output is there");
});

test("a journal that was rewritten many times is compacted to its state", async (t) => {
  const home = homeOf(t);
  const { journal } = Journal.open(home.journal);
  for (let number = 0; number < 30_000; number += 1)
    journal.commit({ type: "value", name: "counter", value: String(number) });
  assert.ok(journal.stale);
  journal.rewrite([{ type: "value", name: "counter", value: "29999" }]);
  assert.equal(journal.stale, false);
  journal.commit({ type: "value", name: "more", value: "1" });
  journal.close();
  const { values } = replay(readJournal(home.journal).records);
  assert.deepEqual(
    [...values],
    [
      ["counter", "29999"],
      ["more", "1"],
    ],
  );
  await eventually(() => readdirSync(home.directory).length === 1, "nothing else is left");
});

/** A record as a line of the file. */
function line(record: JournalRecord): string {
  const json = JSON.stringify(record);
  return `${crc32(json).toString(16).padStart(8, "0")} ${json}\n`;
}

test("a change of a value is safe once its sync, or the next file, is on the disk", async (t) => {
  const { journal } = Journal.open(homeOf(t).journal);
  await journal.synced();
  for (let number = 0; number < 10; number += 1) {
    journal.commit({ type: "value", name: `n${number}`, value: "x" });
    if (number % 2 === 0) await journal.synced();
  }
  const many = Array.from({ length: 10 }, () => journal.synced());
  journal.rewrite([{ type: "value", name: "n", value: "x" }]);
  await Promise.all(many);
  journal.release({ type: "value removed", name: "n" });
  await journal.synced();
  journal.close();
});

test("a change of a value that the disk did not take is an error for each caller", async () => {
  // The file takes every write and fails each sync.
  const { journal } = Journal.open("/dev/null");
  journal.release({ type: "value removed", name: "a" });
  const callers = await Promise.allSettled([journal.synced(), journal.synced()]);
  for (const caller of callers) {
    assert.equal(caller.status, "rejected");
    assert.ok(hasCode(caller.reason, "NEWEL_E_NOT_KEPT"));
  }
  assert.ok(journal.lost > 0);
});

test("a failed sync refuses the changes that were written while it ran, too", async (t) => {
  // A disk that fails one sync, and then takes the pages that it lost for written (fsync(2)).
  const failing = t.mock.method(
    fs,
    "fdatasync",
    (_: number, done: (error: Error | null) => void) => {
      setTimeout(done, 20, Object.assign(new Error("EIO: i/o error, fdatasync"), { code: "EIO" }));
    },
  );
  syncBuiltinESMExports();
  cleanUp(t, () => {
    failing.mock.restore();
    syncBuiltinESMExports();
  });
  const { journal } = Journal.open(homeOf(t).journal);
  journal.commit({ type: "value", name: "before", value: "x" });
  const before = journal.synced();
  failing.mock.restore();
  syncBuiltinESMExports();
  journal.commit({ type: "value", name: "during", value: "x" });
  const callers = await Promise.allSettled([before, journal.synced()]);
  assert.deepEqual(
    callers.map(
      (caller) => caller.status === "rejected" && hasCode(caller.reason, "NEWEL_E_NOT_KEPT"),
    ),
    [true, true],
  );
  journal.commit({ type: "value", name: "after", value: "x" });
  await journal.synced();
  assert.ok(journal.stale, "all values are written again");
  journal.close();
});
