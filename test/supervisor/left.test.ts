import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import type { ServiceView } from "../../src/supervisor/api.ts";
import { eventually, isAlive } from "../helpers/resources.ts";
import { SupervisedApp } from "../helpers/supervised.ts";

/** Starts a program in another session, and ends when the file `end` is there. */
const DAEMON = `setsid sleep 1000 > /dev/null 2>&1 & echo $! > "$0.pid"
  while [ ! -e end ]; do sleep 0.1; done`;

function pidIn(app: SupervisedApp, file: string): Promise<number> {
  return eventually(() => {
    try {
      return Number(readFileSync(join(app.directory, file), "utf8")) || undefined;
    } catch {
      return undefined;
    }
  }, `a pid in ${file}`);
}

function leftOf({ processes }: ServiceView): (readonly number[] | undefined)[] {
  return processes.flatMap(({ state, pids }) => (state === "left" ? [pids] : []));
}

/** A service whose process has ended and left a daemon; its pid. */
async function leave(app: SupervisedApp, grace = "30s"): Promise<number> {
  app.write("start.sh", DAEMON);
  const daemon = { run: ["/bin/sh", "start.sh"], restart: "never", stop: { grace } };
  await app.up({ services: { daemon } });
  const pid = await pidIn(app, "start.sh.pid");
  // During a command, the process would end together with its descendants.
  app.write("end", "");
  await eventually(async () => (await app.service("daemon")).state === "completed", "it ends");
  return pid;
}

test("a process that an ended replica left is listed, and ended by stop", async (t) => {
  const app = new SupervisedApp(t);
  const pid = await leave(app);
  assert.deepEqual(leftOf(await app.service("daemon")), [[pid]]);
  const stop = await app.verb("stop", "daemon");
  assert.ok(stop.ok && stop.changed);
  assert.deepEqual(stop.killed, []);
  await eventually(() => !isAlive(pid), "the daemon is gone");
  assert.deepEqual(leftOf(await app.service("daemon")), []);
});

test("down ends the processes of an ended replica, also under another supervisor", async (t) => {
  const app = new SupervisedApp(t);
  const pid = await leave(app);
  await app.killSupervisor();
  assert.deepEqual(leftOf(await app.service("daemon")), [[pid]]);
  const progress = await Array.fromAsync((await app.supervisor()).down("app"));
  assert.equal(progress.at(-1)?.type, "end");
  await eventually(() => !isAlive(pid), "the daemon is gone");
});

for (const verb of ["start", "restart"] as const)
  test(`${verb} ends the processes of an ended replica`, async (t) => {
    const app = new SupervisedApp(t);
    const pid = await leave(app);
    assert.deepEqual(leftOf(await app.service("daemon")), [[pid]]);
    await app.verb(verb, "daemon");
    await eventually(() => !isAlive(pid), "the first daemon is gone");
  });

test("stop with now ends the grace of a stop under way", async (t) => {
  const app = new SupervisedApp(t);
  app.write("stubborn.mjs", "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000);");
  const stubborn = {
    run: [process.execPath, "stubborn.mjs"],
    ready: { after: "300ms" },
    stop: { grace: "1h" },
  };
  assert.ok((await app.up({ services: { stubborn } })).ok);
  const [pid = 0] = Object.values(await app.pids("stubborn"));
  const first = app.verb("stop", "stubborn");
  await eventually(
    async () => (await app.service("stubborn")).state === "stopping",
    "the first stop has begun",
  );
  const target = { names: ["stubborn"] };
  const progress = await Array.fromAsync((await app.supervisor()).stop(target, { now: true }));
  assert.deepEqual(progress.at(-1), { type: "end", ok: true, changed: true });
  assert.ok(!isAlive(pid));
  await first;
});

test("memory and CPU are those of the tree", async (t) => {
  const app = new SupervisedApp(t);
  app.write("big.mjs", "globalThis.kept = Buffer.alloc(100e6, 1); setInterval(() => {}, 1000);");
  const tree = { run: `${process.execPath} big.mjs; true`, ready: { after: "100ms" } };
  assert.ok((await app.up({ services: { tree } })).ok);
  const [process_] = await eventually(async () => {
    const { processes } = await app.service("tree");
    const [first] = processes;
    // CPU is a difference: the first look has none.
    return (first?.memoryBytes ?? 0) > 100e6 && first?.cpuPercent !== undefined && processes;
  }, "memory and CPU of the program count");
  assert.equal(process_?.pids?.length, 2);
});
