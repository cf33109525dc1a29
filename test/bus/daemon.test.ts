import assert from "node:assert/strict";
import { once } from "node:events";
import {
  chmodSync,
  closeSync,
  existsSync,
  readdirSync,
  readFileSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";

import { createExclusively } from "../../src/bus/plugins/pidfile.ts";
import {
  eventually,
  freePort,
  isAlive,
  startProcess,
  temporaryDirectory,
} from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";
import { later } from "./watched-bus.ts";

const FIXTURE = fileURLToPath(new URL("fixtures/daemon.ts", import.meta.url));
const IS_ROOT = process.getuid?.() === 0;

interface Run {
  readonly pid: number;
  readonly output: () => string;
  readonly kill: (signal: NodeJS.Signals) => void;
  readonly ended: Promise<number | string>;
}

/** The fixture with these settings. */
function run(t: TestContext, settings: Record<string, unknown>): Run {
  const child = startProcess(t, process.execPath, [FIXTURE, JSON.stringify(settings)], {
    cwd: "/",
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.on("data", (chunk) => (output += String(chunk)));
  const ended = once(child, "close").then(([code, signal]) => code ?? signal);
  const kill = (signal: NodeJS.Signals): void => void child.kill(signal);
  return { pid: child.pid ?? 0, output: () => output, kill, ended };
}

/** The response of the fixture. */
async function ask(port: number): Promise<{
  pid: number;
  generation: number;
  uid: number;
  groups: string;
}> {
  const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: "close" } });
  return (await response.json()) as Awaited<ReturnType<typeof ask>>;
}

/** A started daemon, killed after the test. */
async function daemon(
  t: TestContext,
  settings: Record<string, unknown> = {},
): Promise<{ pid: number; port: number; file: string; log: string }> {
  const directory = temporaryDirectory(t, 0o755);
  const [file, log] = [join(directory, "d.pid"), join(directory, "daemon.text")];
  writeFileSync(log, "");
  chmodSync(log, 0o666);
  const port = await freePort();
  const launcher = run(t, { daemon: true, port, pidfile: file, log, ...settings });
  assert.equal(await launcher.ended, 0, launcher.output());
  const { pid } = await ask(port);
  t.after(async () => {
    if (isAlive(pid)) sendSignal(pid, "SIGKILL");
    await eventually(() => !isAlive(pid), "the daemon is gone");
  });
  return { pid, port, file, log };
}

test("75. the launcher returns with 0 and the daemon answers", async (t) => {
  const { pid } = await daemon(t);
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const [, , , session, terminal] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  assert.equal(Number(session), pid, "a session of its own");
  assert.equal(terminal, "0", "no terminal");
});

test("76. the pid the daemon reports is the pid in the pidfile", async (t) => {
  const { pid, file } = await daemon(t);
  assert.equal(readFileSync(file, "utf8"), `${pid}\n`);
});

test("77. on exit of the daemon the pidfile disappears", async (t) => {
  const { pid, file } = await daemon(t);
  sendSignal(pid, "SIGTERM");
  await eventually(() => !isAlive(pid), "it ended");
  assert.ok(!existsSync(file));
});

test("a daemon killed with SIGKILL leaves its pidfile, and the next start takes it over", async (t) => {
  const first = await daemon(t);
  sendSignal(first.pid, "SIGKILL");
  await eventually(() => !isAlive(first.pid), "it is dead");
  assert.equal(readFileSync(first.file, "utf8"), `${first.pid}\n`, "nobody was left to remove it");
  const { port, file, log } = first;
  const launcher = run(t, { daemon: true, port, pidfile: file, log });
  assert.equal(await launcher.ended, 0, launcher.output());
  const { pid } = await ask(port);
  assert.notEqual(pid, first.pid);
  assert.equal(readFileSync(file, "utf8"), `${pid}\n`);
  sendSignal(pid, "SIGTERM");
  await eventually(() => !isAlive(pid), "it ended");
  assert.ok(!existsSync(file));
});

test("79. SIGHUP to a daemon restarts it: same pid, next generation", async (t) => {
  const { pid, port, file } = await daemon(t);
  sendSignal(pid, "SIGHUP");
  const answer = await eventually(async () => {
    const now = await ask(port);
    return now.generation === 1 && now;
  }, "the next generation answers");
  assert.equal(answer.pid, pid);
  assert.equal(readFileSync(file, "utf8"), `${pid}\n`, "the pidfile stayed");
  const second = run(t, { pidfile: file });
  assert.notEqual(await second.ended, 0, "its lock too");
  assert.match(second.output(), new RegExp(`NEWEL_E_BUS_PIDFILE|belongs to process ${pid}`));
});

test("81. SIGTERM ends a daemon", async (t) => {
  const { pid, log } = await daemon(t);
  sendSignal(pid, "SIGTERM");
  await eventually(() => !isAlive(pid), "it ended");
  assert.match(readFileSync(log, "utf8"), /info Daemon exited\n/);
});

test("84. the launcher exits non-zero with the daemon's message when it fails to start", async (t) => {
  const failing = run(t, { daemon: true, fail: "start" });
  assert.notEqual(await failing.ended, 0);
  assert.match(failing.output(), /before it was ready: the database is not there/);
  const broken = run(t, { daemon: true, fail: "import" });
  assert.notEqual(await broken.ended, 0);
  assert.match(broken.output(), /broken at import/);
  const port = await freePort();
  const first = run(t, { port });
  await eventually(() => first.output().includes("READY"), "the port is taken");
  const second = run(t, { daemon: true, port });
  assert.notEqual(await second.ended, 0);
  assert.match(second.output(), /EADDRINUSE/);
});

test("85. a live pidfile is refused, a dead one replaced, another's never removed", async (t) => {
  const directory = temporaryDirectory(t);
  const file = join(directory, "x.pid");
  const first = run(t, { pidfile: file });
  await eventually(() => first.output().includes("READY"), "it runs");
  const second = run(t, { pidfile: file });
  assert.notEqual(await second.ended, 0);
  assert.match(second.output(), new RegExp(`${file} belongs to process ${first.pid}`));
  assert.equal(readFileSync(file, "utf8"), `${first.pid}\n`);

  first.kill("SIGKILL");
  await first.ended;
  const third = run(t, { pidfile: file });
  await eventually(() => third.output().includes("READY"), "kill -9, then start works");
  assert.equal(readFileSync(file, "utf8"), `${third.pid}\n`);

  writeFileSync(file, "1\n");
  third.kill("SIGTERM");
  assert.equal(await third.ended, 0);
  assert.equal(readFileSync(file, "utf8"), "1\n", "it names another process");
});

test("85a. another program's live pidfile is refused, one with a reused pid replaced", async (t) => {
  const file = join(temporaryDirectory(t), "x.pid");
  const sleeper = startProcess(t, "sleep", ["60"]);
  await later(50);
  writeFileSync(file, `${sleeper.pid}\n`);
  const refused = run(t, { pidfile: file });
  assert.notEqual(await refused.ended, 0);
  assert.match(refused.output(), new RegExp(`belongs to process ${sleeper.pid}`));
  // Written long before the process that has this pid now was started.
  utimesSync(file, new Date("2020-01-01"), new Date("2020-01-01"));
  const replaced = run(t, { pidfile: file });
  await eventually(() => replaced.output().includes("READY"), "the pid is another's now");
  replaced.kill("SIGTERM");
  assert.equal(await replaced.ended, 0);
});

test("85b. without flock the file itself is the lock", (t) => {
  const file = join(temporaryDirectory(t), "x.pid");
  closeSync(createExclusively(file));
  assert.throws(() => createExclusively(file), { code: "NEWEL_E_BUS_PIDFILE" });
  writeFileSync(file, "1\n");
  assert.throws(() => createExclusively(file), /belongs to process 1/);
  writeFileSync(file, "4194304\n");
  closeSync(createExclusively(file));
});

test("20 simultaneous daemon starts on one pidfile have one winner", async (t) => {
  const directory = temporaryDirectory(t);
  const [file, log] = [join(directory, "x.pid"), join(directory, "daemon.text")];
  const launchers = Array.from({ length: 20 }, () => run(t, { daemon: true, pidfile: file, log }));
  const codes = await Promise.all(launchers.map(({ ended }) => ended));
  const pid = Number(readFileSync(file, "utf8"));
  t.after(() => isAlive(pid) && sendSignal(pid, "SIGKILL"));
  assert.equal(codes.filter((code) => code === 0).length, 1, String(codes));
  for (const { output } of launchers.filter((_, n) => codes[n] !== 0))
    assert.match(output(), /before it was ready: The pidfile .* belongs to/);
  assert.ok(isAlive(pid));
});

test(
  "86. dropped privileges are those of the user, for good, and again a no-op",
  {
    skip: IS_ROOT ? false : "needs root",
  },
  async (t) => {
    const { pid, port, file, log } = await daemon(t, { user: "www-data" });
    const before = await ask(port);
    assert.equal(before.uid, 33);
    assert.equal(before.groups, "33");
    for (const thread of threadsOf(pid)) {
      assert.match(thread, /^Uid:\t33\t33\t33\t33$/m);
      assert.match(thread, /^Gid:\t33\t33\t33\t33$/m);
      assert.match(thread, /^Groups:\t33 ?$/m);
      assert.match(thread, /^CapEff:\t0+$/m);
    }
    sendSignal(pid, "SIGHUP");
    await eventually(async () => (await ask(port)).generation === 1, "it restarts without root");
    assert.equal((await ask(port)).uid, 33);
    assert.match(readFileSync(log, "utf8"), /Running as uid 33 already/);
    sendSignal(pid, "SIGTERM");
    await eventually(() => !existsSync(file), "removed from a directory the user cannot write");
  },
);

test("86a. an unknown user, and dropping without root, make the start fail", async (t) => {
  const unknown = run(t, { user: "nobody-of-that-name" });
  assert.notEqual(await unknown.ended, 0);
  assert.match(unknown.output(), /nobody-of-that-name: there is no such user/);
  const root = run(t, { user: "root" });
  assert.notEqual(await root.ended, 0);
  assert.match(root.output(), /that user is root/);
});

/** The status of each thread of a process. */
function threadsOf(pid: number): string[] {
  const directory = `/proc/${pid}/task`;
  return readdirSync(directory).map((id) => readFileSync(`${directory}/${id}/status`, "utf8"));
}
