// An upgrade in every state of processes and descriptors, and upgrades that are cut off.
import assert from "node:assert/strict";
import { closeSync, openSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { hasCode } from "../../src/base/errors.ts";
import type { Home } from "../../src/base/home.ts";
import type { ProcessInfo } from "../../src/kernel/process-api.ts";
import type { KernelClient } from "../../src/kernel/client-api.ts";
import { connectKernel } from "../../src/kernel/client/client.ts";
import { findMarked } from "../../src/kernel/descendants.ts";
import { look } from "../../src/kernel/proc.ts";
import { isFile, isSocket, soundReaders } from "../../src/kernel/handover.ts";
import { fifoPath } from "../../src/kernel/managed-process.ts";
import { makeFifo } from "../../src/posix/fifo.ts";
import { openTestKernel } from "../helpers/kernel.ts";
import { cleanUp, eventually, temporaryDirectory } from "../helpers/resources.ts";
import { ended, startDaemon } from "./client/daemon.ts";

const PATH = process.env["PATH"] ?? "";

/** Each program leaves its descriptors in another state; `go` lets it end with 7. */
const PROGRAMS: Readonly<Record<string, string>> = {
  plain: "wait_for_go; exit 7",
  // Its notify descriptor, which is 3 here: no socket is passed.
  "closes notify": "exec 3>&-; wait_for_go; exit 7",
  "closes output": "exec >&- 2>&-; wait_for_go; exit 7",
  "closes all": "exec >&- 2>&- 3>&-; wait_for_go; exit 7",
  "half a line": "printf READY >&3; wait_for_go; exit 7",
};

const ENDED: Readonly<Record<string, string>> = {
  "has ended": "exit 5",
  "was killed": "kill -KILL $$",
  "left a child": "sleep 1000 & exit 5",
};

function makeAll(kernel: KernelClient, go: string): Promise<ProcessInfo[]> {
  const wait = `wait_for_go() { while ! [ -e ${go} ]; do sleep 0.05; done; }`;
  const programs = Object.entries({ ...PROGRAMS, ...ENDED });
  return Promise.all(
    programs.map(([name, program]) =>
      kernel.processes.make({
        name: name.replaceAll(" ", "-"),
        args: ["/bin/sh", "-c", `${wait}; ${program}`],
        env: { PATH },
        notify: true,
      }),
    ),
  );
}

const named = async (kernel: KernelClient, name: string): Promise<ProcessInfo | undefined> =>
  (await kernel.processes.list(name.replaceAll(" ", "-")))[0];

test("an upgrade keeps pid, children and exit codes, whichever descriptors the processes have closed", async (t) => {
  const { home, child } = await startDaemon(t);
  const kernel = await connectKernel({ home, autostart: false });
  cleanUp(t, () => kernel.close());
  const go = join(temporaryDirectory(t), "go");
  const made = await makeAll(kernel, go);
  cleanUp(t, async () => {
    for (const { name } of await kernel.processes.list())
      await kernel.processes.signal(name, "KILL", "tree").catch(() => undefined);
  });
  for (const name of Object.keys(ENDED))
    await eventually(async () => (await named(kernel, name))?.closed, `${name} is over`);
  await kernel.sockets.make({ name: "web", port: 0 });
  // Removed while it runs: the process must leave the list after the upgrade too.
  await kernel.processes.remove("plain");
  for (let count = 0; count < 3; count += 1) {
    await kernel.upgrade();
    assert.equal((await kernel.status()).pid, child.pid);
    assert.deepEqual((await kernel.status()).notices, []);
  }
  assert.deepEqual((await kernel.status()).recovery.sockets, { web: "passed" });
  for (const { name, pid } of made) {
    const info = await named(kernel, name);
    assert.equal(info?.pid, pid, name);
    assert.equal(info.running, !(name.replaceAll("-", " ") in ENDED), name);
  }
  writeFileSync(go, "");
  for (const name of Object.keys(PROGRAMS).filter((each) => each !== "plain"))
    await eventually(
      async () => (await named(kernel, name))?.exitCode === 7,
      `${name} ends with 7`,
    );
  await eventually(async () => (await named(kernel, "plain")) === undefined, "plain left the list");
  assert.equal(child.exitCode, null);
});

test("a descriptor that belongs to another file is not taken", (t) => {
  const { kernel, home } = openTestKernel(t);
  const info = kernel.sockets.make({ name: "one", port: 0 });
  const others = [
    kernel.sockets.make({ name: "two", port: 0 }),
    kernel.sockets.make({ name: "three", port: 0, type: "dgram" }),
    kernel.sockets.make({ name: "four", family: "inet6", port: 0 }),
    kernel.sockets.make({ name: "five", path: join(temporaryDirectory(t), "s") }),
    // The same port on another address.
    kernel.sockets.make({ name: "six", host: "127.0.0.2", port: info.port ?? 0 }),
  ];
  assert.ok(isSocket(info.fileno ?? -1, info));
  for (const { fileno = -1, name } of others) assert.ok(!isSocket(fileno, info), name);
  const late = kernel.sockets.make({
    name: "late",
    port: ((info.port ?? 0) % 60_000) + 1_024,
    later: true,
  });
  const none = openSync("/dev/null", "r");
  for (const each of [info, late]) assert.ok(!isSocket(none, each));

  const fifo = fifoPath(home, "a", "out");
  makeFifo(fifo);
  makeFifo(fifoPath(home, "a", "err"));
  const reader = openSync(fifo, "r+");
  assert.deepEqual(soundReaders(home, "a", { out: reader, err: reader, notify: none }), {
    out: reader,
  });
  closeSync(none);
  closeSync(reader);
  for (const each of [info, late]) assert.ok(!isSocket(none, each));
  assert.ok(!isFile(reader, fifo));
  assert.deepEqual(soundReaders(home, "a", { out: reader }), {});
});

/** A build that never answers, with a child in its own session. */
function hangingBuild(directory: string): { node: string; program: string } {
  const node = join(directory, "node");
  writeFileSync(node, "#!/bin/sh\nsetsid sleep 1000 &\nsleep 1000\n", { mode: 0o700 });
  writeFileSync(join(directory, "main.ts"), "");
  return { node, program: join(directory, "main.ts") };
}

async function beginHanging(
  kernel: KernelClient,
  home: Home,
  directory: string,
): Promise<number[]> {
  kernel.upgrade(hangingBuild(directory)).catch(() => undefined);
  const trial = await eventually(() => trialsOf(home)[0], "the trial is under way");
  return eventually(() => {
    const pids = findMarked("NEWEL_TRIAL", trial).map(({ pid }) => pid);
    return pids.length >= 3 && pids;
  }, "its processes run");
}

/**
 * Whether a process runs; a zombie does not count, because only its parent can reap it, and init may be slow.
 */
function isRunning(pid: number): boolean {
  const seen = look(pid);
  return seen !== undefined && seen.state !== "Z";
}

function trialsOf(home: Home): string[] {
  return readdirSync(home.directory).filter((name) => name.startsWith("trial-"));
}

test("a kernel that is stopped during an upgrade leaves no file and no process of the trial", async (t) => {
  const { home, child } = await startDaemon(t);
  const kernel = await connectKernel({ home, autostart: false });
  const pids = await beginHanging(kernel, home, temporaryDirectory(t));
  child.kill("SIGTERM");
  assert.equal(await ended(child), 0);
  await eventually(() => !pids.some(isRunning), "the processes of the trial are gone");
  assert.deepEqual(trialsOf(home), []);
  await kernel.close();
});

test("the next kernel removes the rest of an upgrade that a kill cut off", async (t) => {
  const { home, child } = await startDaemon(t);
  const kernel = await connectKernel({ home, autostart: false });
  const pids = await beginHanging(kernel, home, temporaryDirectory(t));
  child.kill("SIGKILL");
  await ended(child);
  writeFileSync(join(home.directory, "handover.json"), "{}");
  writeFileSync(`${home.journal}.next`, "half a journal");
  await startDaemon(t, { home });
  await eventually(() => !pids.some(isRunning), "the processes of the trial are gone");
  const left = readdirSync(home.directory);
  assert.deepEqual(trialsOf(home), []);
  assert.ok(!left.includes("handover.json") && !left.includes("journal.next"), left.join(" "));
  await kernel.close();
});

test("an upgrade that cannot be done is refused with its reason, and the kernel continues", async (t) => {
  const { home, child } = await startDaemon(t);
  const kernel = await connectKernel({ home, autostart: false });
  cleanUp(t, () => kernel.close());
  const directory = temporaryDirectory(t);
  const program = join(directory, "older.ts");
  writeFileSync(program, 'console.log(JSON.stringify({ version: "0.0.1", processes: 0 }));\n');
  const refusal = (why: RegExp) => (error: unknown) =>
    hasCode(error, "NEWEL_E_UPGRADE_REFUSED") && why.test(String(error));
  await assert.rejects(kernel.upgrade({ program }), refusal(/version 0\.0\.1 takes descriptors/));
  await assert.rejects(kernel.upgrade({ node: join(directory, "none") }), refusal(/ENOENT/));
  await assert.rejects(kernel.upgrade({ node: program }), refusal(/EACCES/));
  assert.equal((await kernel.upgrade()).pid, child.pid);
  assert.deepEqual(trialsOf(home), []);
});
