import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";

import { crc32 } from "../../src/base/crc32.ts";
import { type Home, homeAt } from "../../src/base/home.ts";
import type {
  GapReason,
  OutputChunk,
  ProcessInfo,
  ProcessRequest,
} from "../../src/kernel/process-api.ts";
import { readJournal } from "../../src/kernel/journal-file.ts";
import { type OpenKernel, openKernel } from "../../src/kernel/kernel.ts";
import { openTestKernel, outputOf, runToEnd } from "../helpers/kernel.ts";
import { cleanUp, eventually, type Scope, temporaryDirectory } from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";

const PATH = process.env["PATH"] ?? "";
const GROUP = "shop/web";

/** Runs a shell command to its end as the next process of the group, and removes it from the list. */
async function live(
  kernel: OpenKernel,
  number: number,
  command: string,
  options: Partial<ProcessRequest> = {},
): Promise<string> {
  const name = `${GROUP}.1#${number}-ab`;
  const args = ["/bin/sh", "-c", command];
  await runToEnd(kernel, { name, group: GROUP, args, env: { PATH }, ...options });
  kernel.processes.remove([name]);
  return name;
}

interface Read {
  readonly text: string;
  readonly gaps: readonly (readonly [number, GapReason | undefined])[];
}

/** The readable output of a process, both streams together. */
async function readOf(kernel: OpenKernel, name: string): Promise<Read> {
  const chunks: OutputChunk[] = await Array.fromAsync(outputOf(kernel, name));
  return {
    text: Buffer.concat(chunks.map(({ data }) => data)).toString(),
    gaps: chunks.filter(({ gap }) => gap > 0).map(({ gap, reason }) => [gap, reason]),
  };
}

/** All archived output of the group, oldest first. */
async function readAll(kernel: OpenKernel): Promise<Read> {
  const all = await Promise.all(
    kernel.processes.archived([GROUP]).map(({ name }) => readOf(kernel, name)),
  );
  return { text: all.map(({ text }) => text).join(""), gaps: all.flatMap(({ gaps }) => gaps) };
}

function open(scope: Scope, home: Home): OpenKernel {
  const kernel = openKernel(home, { version: "test", notice: () => undefined });
  cleanUp(scope, () => kernel.close());
  return kernel;
}

function filesOf(home: Home): string[] {
  const directory = join(home.archiveDirectory, "shop%2Fweb");
  return existsSync(directory) ? readdirSync(directory).sort() : [];
}

describe("the archive of a group", () => {
  test("the output of a process that left the list stays readable, in its order of arrival", async (t) => {
    const { kernel, home } = openTestKernel(t);
    const first = `${GROUP}.1#1-ab`;
    const args = ["/bin/sh", "-c", "echo a; sleep 0.05; echo b >&2; sleep 0.05; echo c; exit 3"];
    await runToEnd(kernel, { name: first, group: GROUP, args, env: { PATH } });
    const before = await readOf(kernel, first);
    kernel.processes.remove([first]);
    const second = await live(kernel, 2, "printf 'no newline'");
    assert.deepEqual(kernel.processes.list(), []);
    const archived = kernel.processes.archived([GROUP]);
    assert.deepEqual(
      archived.map(({ name, exitCode, running, group, archived: is }) => [
        name,
        exitCode,
        running,
        group,
        is,
      ]),
      [
        [first, 3, false, GROUP, true],
        [second, 0, false, GROUP, true],
      ],
    );
    assert.deepEqual(kernel.processes.archived([first]), archived.slice(0, 1));
    assert.deepEqual(kernel.processes.archived(["shop/*"]), archived);
    assert.deepEqual(archived[0]?.output, { out: { start: 0, end: 4 }, err: { start: 0, end: 2 } });
    assert.deepEqual(before.text.split("\n").sort(), ["", "a", "b", "c"]);
    assert.deepEqual(await readOf(kernel, first), before);
    assert.deepEqual(await readOf(kernel, second), { text: "no newline", gaps: [] });
    await eventually(() => readdirSync(home.spoolDirectory).length === 0, "the spools are gone");
    await eventually(() => readdirSync(home.fifoDirectory).length === 0, "the FIFOs are gone");
  });

  test("a slow reader of a process that leaves the list reads the rest from the archive", async (t) => {
    const { kernel } = openTestKernel(t);
    const name = `${GROUP}.1#1-ab`;
    const args = ["/bin/sh", "-c", "echo one; echo two"];
    await runToEnd(kernel, { name, group: GROUP, args, env: { PATH } });
    const output = kernel.processes.output(name);
    const first = await output.next({ out: 0, err: 0 }, 4);
    assert.equal(first?.data.toString(), "one\n");
    kernel.processes.remove([name]);
    const second = await output.next({ out: 4, err: 0 }, 100);
    assert.equal(second?.data.toString(), "two\n");
    assert.equal(second?.gap, 0);
    assert.equal(await output.next({ out: 8, err: 0 }, 100), undefined);
  });

  test("the output of a process without a group is removed with it", async (t) => {
    const { kernel, home } = openTestKernel(t);
    await live(kernel, 1, "echo a", { group: undefined } as never);
    assert.deepEqual(kernel.processes.archived(), []);
    assert.equal(existsSync(home.archiveDirectory), false);
  });

  test("large output is moved, not copied, and is read back byte for byte", async (t) => {
    const { kernel } = openTestKernel(t);
    const options = { bufsize: 8 << 20 };
    await live(kernel, 1, "head -c 3000000 /dev/zero | tr '\\0' a", options);
    await live(kernel, 2, "echo small", options);
    await live(kernel, 3, "head -c 1000000 /dev/zero | tr '\\0' b", options);
    const { text, gaps } = await readAll(kernel);
    assert.equal(text, `${"a".repeat(3_000_000)}small\n${"b".repeat(1_000_000)}`);
    assert.deepEqual(gaps, []);
  });

  test("all processes together keep no more than the bound: the oldest output is dropped first, and the gap has its size", async (t) => {
    const { kernel, home } = openTestKernel(t);
    const bufsize = 1 << 20;
    let written = 0;
    for (let number = 1; number <= 12; number += 1) {
      await live(
        kernel,
        number,
        `head -c 300000 /dev/zero | tr '\\0' ${"abcdefghijkl"[number - 1]}`,
        {
          bufsize,
        },
      );
      written += 300_000;
    }
    const { text, gaps } = await readAll(kernel);
    const lost = gaps.reduce((sum, [gap]) => sum + gap, 0);
    assert.equal(text.length + lost, written);
    assert.ok(text.length <= bufsize && text.length > bufsize / 2, `${text.length} bytes`);
    assert.ok(text.endsWith("l".repeat(300_000)));
    assert.deepEqual(new Set(gaps.map(([, reason]) => reason)), new Set(["bufsize"]));
    assert.ok(kernel.processes.archived().length <= 6, "what is gone is one entry");
    const directory = join(home.archiveDirectory, "shop%2Fweb");
    const bytes = filesOf(home)
      .filter((file) => /^(out|err)\./.test(file))
      .reduce((sum, file) => sum + statSync(join(directory, file)).size, 0);
    assert.ok(bytes <= bufsize, `${bytes} bytes on the disk`);
  });

  test("running processes share the bound with earlier ones", async (t) => {
    const { kernel } = openTestKernel(t);
    const bufsize = 1 << 20;
    await live(kernel, 1, "head -c 900000 /dev/zero | tr '\\0' a", { bufsize });
    const name = `${GROUP}.1#2-ab`;
    const args = ["/bin/sh", "-c", "head -c 900000 /dev/zero | tr '\\0' b; exec sleep 60"];
    kernel.processes.make({ name, group: GROUP, bufsize, args, env: { PATH } });
    const kept = (): number =>
      [...kernel.processes.archived(), ...kernel.processes.list()].reduce(
        (sum, { output }) => sum + (output.out?.end ?? 0) - (output.out?.start ?? 0),
        0,
      );
    await eventually(
      () => kernel.processes.list()[0]?.output.out?.end === 900_000,
      "all is written",
    );
    await eventually(() => kept() <= bufsize, "the bound holds");
    assert.equal((await readOf(kernel, name)).text.length, 900_000, "the newest is whole");
    assert.ok(kept() > bufsize / 2);
  });

  test("hundreds of short-lived processes: the list stays short, no line is lost, files and descriptors do not grow", async (t) => {
    const { kernel, home } = openTestKernel(t);
    const descriptors = (): number => readdirSync("/proc/self/fd").length;
    const lives = 450;
    let before = 0;
    for (let number = 1; number <= lives; number += 1) {
      await live(kernel, number, `echo line ${number}`);
      if (number === 50) before = descriptors();
    }
    const listed = kernel.processes.archived();
    assert.ok(listed.length <= 200, `${listed.length} entries`);
    assert.equal(listed[0]?.name, GROUP, "old ones are joined under the name of the group");
    assert.equal(listed.at(-1)?.name, `${GROUP}.1#${lives}-ab`);
    const { text, gaps } = await readAll(kernel);
    assert.equal(text, Array.from({ length: lives }, (_, index) => `line ${index + 1}\n`).join(""));
    assert.deepEqual(gaps, []);
    assert.ok(filesOf(home).length <= 6, filesOf(home).join(" "));
    assert.ok(descriptors() <= before + 5, `${before} descriptors, then ${descriptors()}`);
    const journal = readJournal(home.journal).records;
    assert.ok(statSync(home.journal).size < 2 << 20, `${journal.length} records`);
  });

  test("output older than the age is dropped, also of running processes, and the gap has the reason", async (t) => {
    const { kernel, home } = openTestKernel(t);
    const options = { maxAgeMs: 3_600_000 };
    const old = await live(kernel, 1, "echo old", options);
    const directory = join(home.archiveDirectory, "shop%2Fweb");
    for (const file of filesOf(home)) utimesSync(join(directory, file), 1, 1);
    await live(kernel, 2, "echo kept", { maxAgeMs: 10 * 3_600_000 });
    // The bounds of the newest process apply to the group, and are enforced when a process is made.
    for (const file of filesOf(home)) utimesSync(join(directory, file), 1, 1);
    await live(kernel, 3, "echo new", options);
    const all = await readAll(kernel);
    assert.equal(all.text, "new\n");
    assert.deepEqual(all.gaps, [["old\nkept\n".length, "age"]]);
    assert.equal(kernel.processes.archived([old]).length, 0);
  });

  test("prune drops the kept output of the group, including running processes, and later output is kept", async (t) => {
    const { kernel } = openTestKernel(t);
    await live(kernel, 1, "echo first");
    const name = `${GROUP}.1#2-ab`;
    const args = ["/bin/sh", "-c", "echo before; read line; echo after"];
    const fifo = join(temporaryDirectory(t), "go");
    const command = `mkfifo ${fifo}; echo before; read line < ${fifo}; echo after`;
    kernel.processes.make({
      name,
      group: GROUP,
      args: [...args.slice(0, 2), command],
      env: { PATH },
    });
    await eventually(() => kernel.processes.list()[0]?.output.out?.end === 7, "it has printed");
    await eventually(() => existsSync(fifo), "it waits");
    assert.deepEqual(kernel.processes.prune([GROUP]), { bytes: "first\nbefore\n".length });
    assert.deepEqual(await readOf(kernel, name), { text: "", gaps: [[7, "pruned"]] });
    writeFileSync(fifo, "go\n");
    await eventually(() => kernel.processes.list()[0]?.closed === true, "it has ended");
    assert.deepEqual(await readOf(kernel, name), { text: "after\n", gaps: [[7, "pruned"]] });
    kernel.processes.remove([name]);
    assert.deepEqual(await readAll(kernel), {
      text: "after\n",
      gaps: [
        [6, "pruned"],
        [7, "pruned"],
      ],
    });
    assert.deepEqual(kernel.processes.prune(["none"]), { bytes: 0 });
  });
});

describe("the archive survives", () => {
  test("a new kernel: archived output is readable, and positions continue", async (t) => {
    const home = homeAt(temporaryDirectory(t));
    const first = openKernel(home, { version: "test", notice: () => undefined });
    await live(first, 1, "echo one");
    await first.close();
    const kernel = open(t, home);
    await live(kernel, 2, "echo two");
    assert.deepEqual(await readAll(kernel), { text: "one\ntwo\n", gaps: [] });
  });

  test("a kernel that died while it archived: every byte is there once", async (t) => {
    const home = homeAt(temporaryDirectory(t));
    const first = openKernel(home, { version: "test", notice: () => undefined });
    await live(first, 1, "echo one");
    const args = ["/bin/sh", "-c", "echo two; echo err >&2"];
    const name = `${GROUP}.1#2-ab`;
    await runToEnd(first, { name, group: GROUP, args, env: { PATH } });
    const journal = readFileSync(home.journal);
    const id = readdirSync(home.spoolDirectory)[0] ?? "";
    const spool = join(home.spoolDirectory, id);
    const files = readdirSync(spool).map(
      (file) => [file, readFileSync(join(spool, file))] as const,
    );
    first.processes.remove([name]);
    await first.close();
    // The state before the kernel recorded the removal of the process and removed its files.
    writeFileSync(home.journal, journal);
    for (const [file, bytes] of files)
      if (!existsSync(join(spool, file))) {
        mkdirSync(spool, { recursive: true });
        writeFileSync(join(spool, file), bytes);
      }
    const kernel = open(t, home);
    await eventually(() => kernel.processes.list()[0]?.closed === true, "its end is known");
    kernel.processes.remove([name]);
    assert.deepEqual(await readAll(kernel), { text: "one\ntwo\nerr\n", gaps: [] });
    assert.equal(kernel.processes.archived().length, 2);
  });

  test("a reboot: the output of all processes is kept, also of those without a group, under their own name", async (t) => {
    const home = homeAt(temporaryDirectory(t));
    const first = openKernel(home, { version: "test", notice: () => undefined });
    await live(first, 1, "echo archived");
    const run = async (name: string, group: object): Promise<void> => {
      const args = ["/bin/sh", "-c", `echo ${name}`];
      await runToEnd(first, { name, args, env: { PATH }, ...group });
    };
    await run(`${GROUP}.1#2-ab`, { group: GROUP });
    await run("alone", {});
    await first.close();
    for (let boot = 1; boot <= 2; boot += 1) {
      reboot(home, `boot-${boot}`);
      const notices: string[] = [];
      const kernel = openKernel(home, { version: "test", notice: (text) => notices.push(text) });
      assert.deepEqual(kernel.processes.list(), []);
      assert.deepEqual(await readAll(kernel), { text: `archived\n${GROUP}.1#2-ab\n`, gaps: [] });
      const [info]: readonly ProcessInfo[] = kernel.processes.archived(["alone"]);
      assert.deepEqual([info?.group, info?.exitCode], ["alone", 0]);
      assert.deepEqual(await readOf(kernel, "alone"), { text: "alone\n", gaps: [] });
      assert.deepEqual(readdirSync(home.spoolDirectory), []);
      await kernel.close();
      assert.deepEqual(
        notices.filter((text) => !text.startsWith("The machine was rebooted")),
        [],
      );
    }
  });
});

test("files that another program removes or cuts while they are read are a gap, not an error", async (t) => {
  const { kernel, home } = openTestKernel(t);
  const args = ["/bin/sh", "-c", "head -c 1000000 /dev/zero | tr '\\0' a; exec sleep 60"];
  const { pid } = kernel.processes.make({ name: "p", args, env: { PATH }, bufsize: 400_000 });
  await eventually(() => kernel.processes.list()[0]?.output.out?.end === 1_000_000, "all is there");
  const spool = join(home.spoolDirectory, readdirSync(home.spoolDirectory)[0] ?? "");
  const files = readdirSync(spool).filter((file) => file.startsWith("out."));
  assert.ok(files.length >= 4);
  rmSync(join(spool, files[1] ?? ""));
  truncateSync(join(spool, files[2] ?? ""), 10);
  const { text, gaps } = await readOf(kernel, "p");
  assert.equal(text.length + gaps.reduce((sum, [gap]) => sum + gap, 0), 1_000_000);
  assert.deepEqual(new Set(gaps.map(([, reason]) => reason)), new Set(["bufsize", "removed"]));
  rmSync(spool, { recursive: true });
  const rest = await readOf(kernel, "p");
  assert.equal(rest.text.length + rest.gaps.reduce((sum, [gap]) => sum + gap, 0), 1_000_000);
  sendSignal(pid, "SIGKILL");
  await eventually(() => kernel.processes.list()[0]?.closed === true, "its end");
});

/** The journal as another boot of the machine finds it. */
function reboot(home: Home, name: string): void {
  const next = readJournal(home.journal).records.map((record) => {
    const json = JSON.stringify(record.type === "boot" ? { ...record, bootId: name } : record);
    return `${crc32(json).toString(16).padStart(8, "0")} ${json}\n`;
  });
  writeFileSync(home.journal, next.join(""));
}
