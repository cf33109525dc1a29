import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { eventually, isAlive } from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";
import { SupervisedApp } from "../helpers/supervised.ts";

test("stop means stopped: no descendant survives, and the answer names those that were killed", async (t) => {
  const app = new SupervisedApp(t);
  app.write(
    "family.sh",
    `sleep 1000 & echo "pid $!"
     (trap '' TERM; while :; do sleep 1; done) & echo "pid $!"
     setsid sh -c 'echo "pid $$"; exec sleep 1000' &
     wait`,
  );
  const family = {
    run: ["/bin/sh", "family.sh"],
    ready: { after: "300ms" },
    stop: { grace: "2s" },
  };
  assert.ok((await app.up({ services: { family } })).ok);
  const kernel = await app.kernel();
  const [info] = await kernel.processes.list();
  const lines = await kernel.processes.tail(info?.name ?? "", 10);
  const pids = lines.map((line) => Number(/^pid (\d+)$/.exec(line)?.[1]));
  assert.equal(pids.length, 3);
  assert.ok(pids.every(isAlive));

  const stop = await app.verb("stop", "family");
  assert.ok(stop.ok);
  const killed = stop.killed.flatMap((item) => item.killed.map(({ pid }) => pid));
  for (const pid of pids) await eventually(() => !isAlive(pid), `pid ${pid} is gone`);
  // The others ended by the stop signal; only the one that ignores it had to be killed.
  assert.deepEqual(
    pids.map((pid) => killed.includes(pid)),
    [false, true, false],
    JSON.stringify(stop.killed),
  );
  assert.equal((await app.service("family")).state, "stopped");
});

test("a process that ignores the stop signal is killed after its grace, and named", async (t) => {
  const app = new SupervisedApp(t);
  app.write("stubborn.mjs", "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000);");
  const stubborn = {
    run: [process.execPath, "stubborn.mjs"],
    ready: { after: "300ms" },
    stop: { grace: "300ms" },
  };
  assert.ok((await app.up({ services: { stubborn } })).ok);
  const [pid] = Object.values(await app.pids("stubborn"));
  const stop = await app.verb("stop", "stubborn");
  assert.deepEqual(
    stop.killed.map(({ process, killed }) => [process, killed.map((each) => each.pid)]),
    [["stubborn.1", [pid]]],
  );
  assert.ok(pid !== undefined && !isAlive(pid));
});

test("a process that is stopped by SIGSTOP continues to end by the stop signal, not by SIGKILL", async (t) => {
  const app = new SupervisedApp(t);
  app.write(
    "frozen.mjs",
    `import { writeFileSync } from "node:fs";
     process.on("SIGTERM", () => { writeFileSync("asked", "yes"); process.exit(0); });
     setInterval(() => {}, 1000);
     process.send?.("ready");`,
  );
  const frozen = {
    run: [process.execPath, "frozen.mjs"],
    ready: { after: "500ms" },
    stop: { grace: "60s" },
  };
  assert.ok((await app.up({ services: { frozen } })).ok);
  const [pid = 0] = Object.values(await app.pids("frozen"));
  sendSignal(pid, "SIGSTOP");
  const stop = await app.verb("stop", "frozen");
  assert.ok(stop.ok, JSON.stringify(stop));
  assert.deepEqual(stop.killed, []);
  assert.equal(readFileSync(join(app.directory, "asked"), "utf8"), "yes");
});

test("a stop is carried out while a start waits for a process that never gets ready", async (t) => {
  const app = new SupervisedApp(t);
  const never = { run: "sleep 1000", ready: { log: "never said", timeout: "60s" } };
  const up = app.up({ services: { never } });
  await eventually(
    async () => (await app.service("never").catch(() => undefined))?.state === "starting",
    "it starts",
  );
  const started = performance.now();
  assert.ok((await app.verb("stop", "never")).ok);
  assert.ok(performance.now() - started < 50_000, "less than the time limit of the start");
  const outcome = await up;
  assert.equal(outcome.ok, false);
  assert.equal(outcome.failed[0]?.code, "NEWEL_E_CANCELLED");
  assert.deepEqual(await app.running(), []);
});
