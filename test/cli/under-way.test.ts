import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { homeOfInstallations, Installation } from "../helpers/installation.ts";
import { eventually } from "../helpers/resources.ts";
import { World } from "./world.ts";

interface Listed {
  readonly ready: number;
}

const ready = { after: "50ms", stable: "50ms" };

/** A service that ends only when the file `go` is there, once it was asked to. */
const PATIENT = {
  run: "trap 'touch asked; until [ -e go ]; do sleep 0.05; done; exit 0' TERM; touch up; while :; do sleep 0.05; done",
  ready,
  stop: { grace: "5m" },
};

test("an `up` that comes while a `down` ends the last app keeps the daemons", async (t) => {
  const world = new World(t);
  world.configure({ name: "shop", services: { web: PATIENT } });
  await world.succeed("up");
  const down = world.newel("down");
  await eventually(() => existsSync(join(world.directory, "asked")), "the down is under way");
  const up = world.start("up");
  let said = "";
  up.stderr?.on("data", (data: Buffer) => (said += data.toString()));
  await eventually(() => said.includes("waits for the down"), "the up waits");
  const ended = once(up, "close");
  world.write("go", "");
  assert.equal((await down).code, 0);
  assert.deepEqual(await ended, [0, null], said);
  const [web] = await world.json<Listed[]>("ps");
  assert.equal(web?.ready, 1);
});

test("`up --no-wait` that fails later is reported by ps until the next up", async (t) => {
  const world = new World(t);
  const failing = { run: "sleep 1000", ready: { log: "never", timeout: "100ms" } };
  world.configure({ name: "shop", services: { web: failing } });
  const { stderr } = await world.succeed("up", "--no-wait");
  assert.match(stderr, /Begun: /);
  const report =
    /The last `newel up --no-wait` of shop failed at .*: .* was not ready within 100 ms/;
  await eventually(async () => report.test((await world.newel("ps")).stderr), "ps has the reason");
  world.configure({ name: "shop", services: { web: { run: "sleep 1000", ready } } });
  await world.succeed("up");
  assert.doesNotMatch((await world.newel("ps")).stderr, /no-wait/);
});

test("an upgrade replaces the supervisor only after the reload under way", async (t) => {
  const app = new Installation(t, { version: "1.0.0", home: homeOfInstallations(t) });
  const services = { web: PATIENT };
  app.write("newel.config.json", JSON.stringify({ name: "shop", services }));
  await app.succeed("up");
  const reload = app.succeed("reload");
  await eventually(() => existsSync(join(app.directory, "asked")), "the reload is under way");
  const upgrade = app.succeed("upgrade");
  let upgraded = false;
  void upgrade.then(() => (upgraded = true));
  await app.succeed("ps");
  assert.equal(upgraded, false);
  app.write("go", "");
  await reload;
  await upgrade;
  app.write("go", "");
  await app.succeed("down");
});
