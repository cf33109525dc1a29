import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import { startHogs } from "../load/hogs.ts";
import { NewelWeb } from "../load/newel-web.ts";
import { runScenario } from "../load/scenario.ts";
import { type AppName, Site } from "../load/web-tool.ts";

// A small part of test/soak/zero-downtime.ts --hogs 8.
async function endure(t: TestContext, app: AppName): Promise<void> {
  startHogs(t, 4);
  const tool = new NewelWeb(t, await Site.open(t, app), { stable: "100ms" });
  const calm = [
    { name: "kernel killed", action: () => tool.killKernel(), times: 1 },
    { name: "kernel upgrade", action: () => tool.upgradeKernel(), times: 1 },
  ];
  const plan = { reloads: 1, restarts: 1, scales: [1, 2], killDaemon: true, breakCode: false };
  // No more than the app can answer with its part of the processors.
  const busy = { ...plan, more: calm, ratePerSecond: 60 };
  for await (const phase of runScenario(t, tool, busy)) {
    const said = JSON.stringify(phase);
    t.diagnostic(`${app}: ${phase.name}: ${phase.requests} requests, ${phase.slowestMs} ms`);
    assert.equal(phase.failed, 0, said);
    assert.ok(phase.requests > 0 && phase.serves, said);
    assert.ok(
      phase.exitCodes.every((code) => code === 0),
      said,
    );
    const isCalm = phase.name === "daemon killed" || calm.some(({ name }) => name === phase.name);
    if (isCalm) assert.ok(phase.samePids, said);
  }
  assert.equal((await tool.command("down")).exitCode, 0);
}

for (const app of ["http"] as const)
  test(`${app} with four CPU hogs: no request fails by reload, restart, scaling, kills and upgrades`, async (t) => {
    await endure(t, app);
  });
