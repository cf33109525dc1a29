import assert from "node:assert/strict";
import { describe, test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { eventually } from "../helpers/resources.ts";
import { NewelWeb } from "../load/newel-web.ts";
import { startLoadProcess } from "../load/process.ts";
import { type Phase, runScenario } from "../load/scenario.ts";
import { type AppName, Site } from "../load/web-tool.ts";

function checkPhase({ name, ...phase }: Phase, exitCode: number): void {
  const said = JSON.stringify({ name, ...phase });
  // How fast is a matter of the soak and the bench: this machine may be busy.
  assert.equal(phase.failed, 0, said);
  assert.ok(
    phase.exitCodes.every((code) => code === exitCode),
    said,
  );
}

// Driven by the command line alone: the next command restarts the supervisor.
async function endure(t: TestContext, app: AppName, rounds: number): Promise<void> {
  const tool = new NewelWeb(t, await Site.open(t, app), { stable: "100ms" });
  const plan = { reloads: rounds, restarts: rounds, scales: [1, 4, 2], killDaemon: true };
  let phases = 0;
  for await (const phase of runScenario(t, tool, { ...plan, breakCode: true })) {
    phases += 1;
    t.diagnostic(`${app}: ${phase.name}: ${phase.requests} requests, ${phase.slowestMs} ms`);
    const isBroken = phase.name === "reload to broken code";
    checkPhase(phase, isBroken ? 1 : 0);
    if (phase.name === "daemon killed" || isBroken) assert.ok(phase.samePids, phase.name);
    assert.ok(phase.serves, phase.name);
    if (isBroken) assert.match(phase.complaints.join(), /\| Error: broken build/);
  }
  assert.equal(phases, 5);
  assert.equal((await tool.command("down")).exitCode, 0);
}

describe("unmodified apps under load: no request fails", () => {
  // `npm run soak -- zero-downtime` does 20 of each with every app.
  test("http: 8 reloads, 8 restarts, scaling, the supervisor's death, broken code", async (t) => {
    await endure(t, "http", 8);
  });

  test("Fastify, Express and Hono: one of each", async (t) => {
    for (const app of ["fastify", "express", "hono"] as const) await endure(t, app, 1);
  });
});

test("newel run restarts its supervisor at once, and no request fails in between", async (t) => {
  const tool = new NewelWeb(t, await Site.open(t, "http"), { stable: "100ms" });
  const { end } = await tool.run();
  await eventually(() => tool.isSupervised(), "it is supervised");
  const before = await tool.pids();
  assert.equal(before.length, 2);
  const load = startLoadProcess(t, tool.site.port, {});
  const first = await tool.supervisorPid();
  await tool.killDaemon();
  const second = await eventually(() => tool.supervisorPid(), "the supervisor is back");
  assert.notEqual(second, first);
  await eventually(() => tool.isSupervised(), "its services are supervised again");
  await sleep(500);
  assert.deepEqual((await load.stop()).failed, []);
  assert.deepEqual(await tool.pids(), before);
  assert.equal(await end(), 0);
});
