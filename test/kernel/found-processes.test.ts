// Living processes that the journal does not know are found and adopted by the next kernel.
import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { crc32 } from "../../src/base/crc32.ts";
import { hasCode } from "../../src/base/errors.ts";
import { homeAt, type Home } from "../../src/base/home.ts";
import type { ProcessInfo, ProcessRequest } from "../../src/kernel/process-api.ts";
import { type OpenKernel, openKernel } from "../../src/kernel/kernel.ts";
import { isLiving, look } from "../../src/kernel/proc.ts";
import { eventOf, outputOf } from "../helpers/kernel.ts";
import { cleanUp, eventually, isAlive, temporaryDirectory } from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";

interface Trial {
  readonly home: Home;
  readonly request: ProcessRequest;
  /** As the first kernel reported it. */
  readonly made: ProcessInfo;
  readonly port: number;
  readonly go: string;
}

const NAME = "shop/web.1#17-ä";

/** A kernel made a process with a socket and ended while the process lives. */
async function begin(t: TestContext): Promise<Trial> {
  const home = homeAt(temporaryDirectory(t));
  const go = join(temporaryDirectory(t), "go");
  const kernel = openKernel(home, { version: "test", notice: () => undefined });
  const { port = 0 } = kernel.sockets.make({ name: "web" });
  const program = `echo before; while ! [ -e ${go} ]; do /bin/sleep 0.05; done; echo after; /bin/sleep 1000`;
  const request = {
    name: NAME,
    args: ["/bin/sh", "-c", program],
    sockets: ["web"],
    env: { NEWEL_MARK: "a-mark" },
    notify: true,
    bufsize: 4_096,
  };
  const made = kernel.processes.make(request);
  cleanUp(t, () => void (isAlive(made.pid) && sendSignal(-made.pid, "SIGKILL")));
  await eventually(() => kernel.processes.list()[0]?.output.out?.end === 7, "it has begun");
  await kernel.close();
  return { home, request, made, port, go };
}

function openNext(t: TestContext, home: Home): OpenKernel {
  const kernel = openKernel(home, { version: "test", notice: () => undefined });
  cleanUp(t, async () => {
    for (const { name, running } of kernel.processes.list())
      if (running) kernel.processes.signal(name, "KILL", "tree");
    await kernel.close();
  });
  return kernel;
}

/** Rewrites the lines of a journal, each with a new valid checksum. */
function editJournal(home: Home, edit: (record: Record<string, unknown>) => unknown): void {
  const lines = readFileSync(home.journal, "utf8").trimEnd().split("\n");
  const edited = lines.flatMap((line) => {
    const record: unknown = edit(JSON.parse(line.slice(9)) as Record<string, unknown>);
    if (record === undefined) return [];
    const json = JSON.stringify(record);
    return [`${crc32(json).toString(16).padStart(8, "0")} ${json}\n`];
  });
  writeFileSync(home.journal, edited.join(""));
}

async function expectAdopted(
  kernel: OpenKernel,
  { made, go }: Trial,
): Promise<ProcessInfo | undefined> {
  const [info] = kernel.processes.list();
  assert.equal(info?.name, NAME);
  assert.deepEqual([info.pid, info.running], [made.pid, true]);
  assert.match(kernel.status().notices.join("\n"), /found and adopted: shop\/web\.1#17-ä \(pid/);
  writeFileSync(go, "");
  await eventually(() => kernel.processes.list()[0]?.output.out?.end === 13, "its output is read");
  const chunks = await Array.fromAsync(outputOf(kernel, NAME));
  assert.equal(Buffer.concat(chunks.map(({ data }) => data)).toString(), "before\nafter\n");
  return info;
}

async function expectEnds(kernel: OpenKernel): Promise<void> {
  const { signalled } = kernel.processes.signal(NAME, "KILL", "tree");
  assert.ok(signalled.length >= 2, "its descendants too");
  await eventOf(kernel, ({ type }) => type === "closed");
}

test("a process whose kernel was killed before the pid was journalled is adopted", async (t) => {
  const trial = await begin(t);
  let edited = 0;
  editJournal(trial.home, (record) => {
    if (record["type"] === "event" && JSON.stringify(record).includes(NAME)) return undefined;
    if (record["type"] !== "process") return record;
    edited += 1;
    const info = { ...(record["info"] as object), pid: 0 };
    return { type: "process starting", record: { ...record, info, startTicks: 0 } };
  });
  assert.equal(edited, 1);
  const kernel = openNext(t, trial.home);
  await expectAdopted(kernel, trial);
  assert.equal(
    kernel.processes.make(trial.request).pid,
    trial.made.pid,
    "it is what was asked for",
  );
  assert.equal(kernel.status().recovery.sockets["web"], "taken");
  await expectEnds(kernel);
});

test("a process that was about to be started and never was leaves nothing", async (t) => {
  const trial = await begin(t);
  sendSignal(-trial.made.pid, "SIGKILL");
  await eventually(() => !isRunning(trial.made.pid), "it is gone");
  editJournal(trial.home, (record) =>
    record["type"] === "process" ? { type: "process starting", record } : record,
  );
  const kernel = openNext(t, trial.home);
  assert.deepEqual(kernel.processes.list(), []);
  assert.deepEqual(kernel.status().notices, []);
});

test("a process whose journal lines are damaged is adopted from its visible state", async (t) => {
  const trial = await begin(t);
  editJournal(trial.home, (record) => (JSON.stringify(record).includes(NAME) ? undefined : record));
  const kernel = openNext(t, trial.home);
  const info = await expectAdopted(kernel, trial);
  assert.deepEqual(info?.args, trial.request.args);
  assert.equal(info?.ready, true);
  assert.ok(Math.abs((info?.startedMs ?? 0) - trial.made.startedMs) < 2_000);
  assert.equal(kernel.sockets.list()[0]?.port, trial.port, "its socket is taken back from it");
  assert.equal(kernel.status().recovery.sockets["web"], "taken");
  assert.throws(
    () => kernel.processes.make(trial.request),
    (error) => hasCode(error, "NEWEL_E_EXISTS"),
  );
  await expectEnds(kernel);
});

test("a process whose home has lost its journal is adopted", async (t) => {
  const trial = await begin(t);
  rmSync(trial.home.journal);
  const kernel = openNext(t, trial.home);
  await expectAdopted(kernel, trial);
  await expectEnds(kernel);
});

function isRunning(pid: number): boolean {
  const seen = look(pid);
  return seen !== undefined && isLiving(seen);
}
