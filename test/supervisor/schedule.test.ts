import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import type { SupervisorEvent } from "../../src/supervisor/api.ts";
import { eventually } from "../helpers/resources.ts";
import { SupervisedApp } from "../helpers/supervised.ts";

const EVERY_SECOND = "* * * * * *";
const NEVER_SOON = "0 0 29 2 *";

test("a schedule runs work at its times, leaves out overlapping ones, and survives its supervisor", async (t) => {
  const app = new SupervisedApp(t);
  const runs = (name: string): number => {
    const file = join(app.directory, name);
    return existsSync(file) ? readFileSync(file, "utf8").split("\n").length - 1 : 0;
  };
  const config = {
    services: {
      tick: { run: "echo run >> ticks", schedule: EVERY_SECOND },
      slow: { run: "echo run >> slow; exec sleep 1000", schedule: EVERY_SECOND },
      yearly: { run: "echo run >> yearly", schedule: { cron: NEVER_SOON, tz: "Europe/Berlin" } },
      web: { run: ["sleep", "1000"], restart: { cron: EVERY_SECOND } },
    },
  };
  const notes: SupervisorEvent[] = [];
  const events = (await app.supervisor()).events();
  void (async () => {
    for await (const event of events) if (event.note !== undefined) notes.push(event);
    // The supervisor is killed below.
  })().catch((error: unknown) => assert.match(String(error), /connection|ended/i));
  const { ok, failed } = await app.up(config);
  assert.ok(ok, JSON.stringify(failed));
  const first = (await app.service("web")).processes[0]?.kernelName;

  await eventually(() => runs("ticks") >= 2, "two runs at two times", 60_000);
  const left = (): boolean =>
    notes.some(({ service, note }) => service === "slow" && note?.includes("is not over") === true);
  await eventually(left, "the overlapping time is reported", 60_000);
  assert.equal(runs("slow"), 1);
  await eventually(
    async () => (await app.service("web")).processes[0]?.kernelName !== first,
    "restart.cron has reloaded the service",
    60_000,
  );
  const yearly = await app.service("yearly");
  assert.equal(yearly.state, "stopped");
  assert.equal(yearly.scheduled?.does, "run");
  assert.ok((yearly.scheduled?.nextMs ?? 0) > Date.now());

  // Verbs without a name are for the services that run always.
  assert.ok((await app.verb("start")).ok);
  assert.ok((await app.verb("restart", "web")).ok);
  assert.equal(runs("yearly"), 0);
  assert.ok((await app.verb("start", "yearly")).ok);
  await eventually(() => runs("yearly") === 1, "a start by name runs it at once", 60_000);

  await app.killSupervisor();
  const before = runs("ticks");
  await app.service("tick");
  await eventually(() => runs("ticks") > before + 1, "the next supervisor continues", 60_000);
  assert.equal(runs("yearly"), 1);
  assert.equal(runs("slow"), 1);

  // A stop ends the schedule until the next start.
  assert.ok((await app.verb("stop")).ok);
  const stopped = runs("ticks");
  assert.equal((await app.service("tick")).scheduled, undefined);
  assert.ok((await app.up({ services: { yearly: config.services.yearly } })).ok);
  assert.equal(runs("ticks"), stopped);
});
