import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import { boundedRate } from "../load/capacity.ts";
import { startHogs } from "../load/hogs.ts";
import { NewelWeb } from "../load/newel-web.ts";
import { runScenario } from "../load/scenario.ts";
import { type AppName, Site } from "../load/web-tool.ts";
import { Random } from "../simulation/random.ts";

interface Part {
  readonly app: AppName;
  /** Decides on the order of the verbs. */
  readonly seed: number;
  /** Whether the daemons are killed and upgraded too, which leaves the processes of any app alone. */
  readonly daemons: boolean;
}

// A small part of test/soak/zero-downtime.ts --hogs 8.
async function endure(t: TestContext, { app, seed, daemons }: Part): Promise<void> {
  startHogs(t, 4);
  const tool = new NewelWeb(t, await Site.open(t, app), { stable: "100ms" });
  const up = await tool.up();
  assert.equal(up.exitCode, 0, up.stderr);
  const { capacity, rate } = await boundedRate(t, tool.site);
  t.diagnostic(`${app}: ${capacity.toFixed(1)} answers a second; load: ${rate} of each kind`);
  const calm = [
    { name: "kernel killed", action: () => tool.killKernel(), times: 1 },
    { name: "kernel upgrade", action: () => tool.upgradeKernel(), times: 1 },
    { name: "newel upgrade", action: () => tool.upgrade(), times: 1 },
  ];
  const verbs = { reloads: 1, restarts: 1, scales: [1, 2], killDaemon: daemons, breakCode: false };
  const random = new Random(seed);
  const plan = { ...verbs, ...(daemons && { more: calm }), ratePerSecond: rate, random };
  const names: string[] = [];
  for await (const phase of runScenario(t, tool, plan)) {
    const said = JSON.stringify(phase);
    names.push(phase.name);
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
  assert.equal(names.length, daemons ? 7 : 3, names.join());
  assert.equal((await tool.command("down")).exitCode, 0);
}

test("http with four CPU hogs: no request fails by reload, restart, scaling, kills and upgrades", async (t) => {
  await endure(t, { app: "http", seed: 1, daemons: true });
});

test("https with four CPU hogs: no request fails by reload, restart and scaling", async (t) => {
  await endure(t, { app: "https", seed: 2, daemons: false });
});
