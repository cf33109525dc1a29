import assert from "node:assert/strict";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";

import { eventually } from "../../helpers/resources.ts";
import { sendSignal } from "../../helpers/signals.ts";
import { ended, makeWorld, pidsNoted, runs, startServer } from "./world.ts";

test("a stop requeues unfinished runs without using up an attempt, and stores results within the grace", async (scope) => {
  const world = makeWorld(scope);
  const queue = world.queue("default");
  const server = await world.serve({ processes: 3 });
  const once = { attempts: 1 };
  const rejecting = await queue.add("waiting", 60_000, once);
  const finishing = await queue.add("finishing", {}, once);
  const deaf = await queue.add("deaf", {}, once);
  const behind = await queue.add("plain", "behind", once);
  await eventually(() => world.notes().length === 3, "three jobs run");
  const begun = performance.now();
  await server.stop();
  assert.ok(performance.now() - begun > 1_900, "the deaf one has the server's grace");
  assert.ok(world.notes().includes("told NEWEL_E_JOB_SERVER_STOPPING"));
  const finished = await queue.getJob(finishing.id ?? "");
  assert.equal(finished?.returnvalue, "finished");
  for (const { id } of [rejecting, deaf, behind]) {
    const job = await queue.getJob(id ?? "");
    assert.equal(await job?.getState(), "waiting");
    assert.equal(job?.attemptsMade, 0);
    assert.equal(job?.failedReason, undefined);
  }
  const pid = Number(
    world
      .notes()
      .find((line) => line.startsWith("deaf"))
      ?.split(" ")[1],
  );
  assert.equal(runs(pid), false);
});

test("a killed server leaves no process, and its jobs begin again at once", async (scope) => {
  const world = makeWorld(scope);
  const queue = world.queue("default");
  const first = await startServer(scope, world);
  const jobs = await queue.addBulk([
    { name: "spinning", data: {} },
    { name: "subshell", data: {} },
    { name: "waiting", data: 1_000 },
  ]);
  const pids = await pidsNoted(world, 5);
  await eventually(() => world.notes().some((line) => line.startsWith("begin")), "the third runs");
  first.kill("SIGKILL");
  await once(first, "exit");
  await eventually(() => !pids.some(runs), "handlers and what they started are gone", 1_000);
  const server = await world.serve({ processes: 3 });
  const job = await ended(queue, jobs[2] ?? {});
  assert.deepEqual([job.returnvalue, job.attemptsMade, job.stalledCounter], ["slept", 1, 1]);
  await server.stop();
});

test("a run survives the loss of many servers", async (scope) => {
  const world = makeWorld(scope);
  const queue = world.queue("default");
  const added = await queue.add("waiting", 600);
  for (let round = 0; round < 3; round += 1) {
    const server = await startServer(scope, world);
    await eventually(
      () => world.notes().filter((line) => line.startsWith("begin")).length > round,
      `it runs in round ${round}`,
    );
    server.kill("SIGKILL");
    await once(server, "exit");
  }
  await world.serve();
  const job = await ended(queue, added);
  assert.deepEqual([job.returnvalue, job.attemptsMade], ["slept", 1]);
});

test("a finished step is not run again, however often the process is killed", async (scope) => {
  const world = makeWorld(scope);
  const queue = world.queue("default");
  await world.serve();
  // The soak takes more and longer ones.
  const kills = Number(process.env["KILLS"] ?? 10);
  const stepMs = Number(process.env["STEP_MS"] ?? 20);
  const added = await queue.add("stepping", {}, { attempts: kills + 2 });
  let killed = 0;
  let seen = 0;
  // One that is about to die may still look alive.
  const dead = new Set<number>();
  // A process may be killed when it has handed over the result of its last step: that costs no attempt.
  let wasLast = false;
  let job = await queue.getJob(added.id ?? "");
  while (killed < kills && !job?.finishedOn) {
    await sleep(Math.random() * stepMs * 1.3);
    const lines = world.notes();
    const pid = Number(lines.at(-1)?.split(" ").at(-1));
    job = await queue.getJob(added.id ?? "");
    if (lines.length === seen || job?.finishedOn || dead.has(pid) || !runs(pid)) continue;
    seen = lines.length;
    dead.add(pid);
    sendSignal(pid, "SIGKILL");
    killed += 1;
    wasLast = / 9 /.test(lines.at(-1) ?? "");
  }
  const last = await ended(queue, added, 60_000);
  assert.equal(last.returnvalue, "all");
  assert.ok(killed >= kills / 2, `${killed} kills`);
  scope.diagnostic(`${killed} kills`);
  const uncounted = killed + 1 - last.attemptsMade;
  assert.ok(uncounted === 0 || (uncounted === 1 && wasLast), `${uncounted} kills do not count`);
  const notes = world.notes();
  for (let step = 0; step < 10; step += 1) {
    const stored = notes.findIndex((line) => line.startsWith(`after ${step} `));
    assert.ok(stored >= 0, `step ${step} was finished`);
    const again = notes.slice(stored).filter((line) => line.startsWith(`effect ${step} `));
    assert.deepEqual(again, [], `no effect of step ${step} once it was finished`);
    const by = notes
      .filter((line) => line.startsWith(`after ${step} `))
      .map((line) => line.split(" ")[2]);
    assert.equal(new Set(by).size, 1, "one result");
  }
});
