import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { eventually } from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";
import type { Ran } from "./capture.ts";
import { collect, World } from "./world.ts";

interface Listed {
  readonly app: string;
  readonly name: string;
  readonly processes: readonly { readonly pid: number }[];
}

/** Two apps in one home, each with a service `web`; the caller stands in neither. */
async function twoApps(world: World): Promise<{ file: (app: string) => string }> {
  const file = (app: string): string => join(world.directory, app, "newel.config.json");
  for (const app of ["shop", "blog"]) {
    mkdirSync(join(world.directory, app));
    const services = { web: { run: "exec sleep 1000", ready: { after: "50ms" } } };
    writeFileSync(file(app), JSON.stringify({ name: app, services }));
    await world.succeed("up", "-c", file(app));
  }
  return { file };
}

async function pidsByApp(world: World): Promise<Record<string, number[]>> {
  const services = await world.json<Listed[]>("ps");
  return Object.fromEntries(
    services.map(({ app, processes }) => [app, processes.map(({ pid }) => pid)]),
  );
}

test("several apps: grouped in ps; a name of two services is refused without its app", async (t) => {
  const world = new World(t);
  await twoApps(world);
  const { stdout } = await world.succeed("ps");
  assert.deepEqual(
    stdout.split("\n").map((line) => line.split(" ")[0]),
    ["SERVICE", "", "shop", "web", "", "blog", "web", ""],
  );
  const before = await pidsByApp(world);
  const refused = (ran: Ran): void => {
    assert.equal(ran.code, 2);
    assert.match(ran.stderr, /web matches more than one service: shop\/web, blog\/web\./);
  };
  refused(await world.newel("restart", "web"));
  assert.deepEqual(await pidsByApp(world), before);
  await world.succeed("restart", "web", "--app", "shop");
  const after = await pidsByApp(world);
  assert.notDeepEqual(after["shop"], before["shop"]);
  assert.deepEqual(after["blog"], before["blog"]);
  await world.succeed("restart", "blog/web");
  assert.notDeepEqual((await pidsByApp(world))["blog"], before["blog"]);
});

test("several apps: the configuration here selects the app", async (t) => {
  const world = new World(t);
  const { file } = await twoApps(world);
  const unclear = await world.newel("down");
  assert.equal(unclear.code, 2);
  assert.match(unclear.stderr, /name an app with --app NAME, or take --all\. Up: shop, blog\./);
  const before = await pidsByApp(world);
  world.moveTo("blog");
  await world.succeed("reload", "web");
  const after = await pidsByApp(world);
  assert.deepEqual(after["shop"], before["shop"]);
  assert.notDeepEqual(after["blog"], before["blog"]);
  await world.succeed("down");
  assert.deepEqual(Object.keys(await pidsByApp(world)), ["shop"]);
  await world.succeed("up", "-c", file("blog"));
  await world.succeed("down", "--all");
  assert.deepEqual(await pidsByApp(world), {});
});

test("ps --watch prints repeatedly, also without a supervisor; --json prints one line each time", async (t) => {
  const world = new World(t);
  await twoApps(world);
  const table = world.start("ps", "--watch", "shop/web");
  const json = world.start("ps", "--watch", "--json");
  const [text, lines] = [collect(table.stdout), collect(json.stdout)];
  await eventually(() => text().split("SERVICE").length > 2, "two tables");
  await eventually(() => lines().split("\n").length > 2, "two lines");
  sendSignal(await world.supervisorPid(), "SIGKILL");
  await eventually(() => text().includes("PROCESS"), "a table without a supervisor");
  table.kill();
  json.kill();
  for (const line of lines().trimEnd().split("\n")) {
    const { v, timeMs, services } = JSON.parse(line) as Record<string, unknown>;
    assert.deepEqual([v, typeof timeMs, Array.isArray(services)], [1, "number", true]);
  }
  assert.ok(!text().includes("\u001B"));
});

test("a home that cannot be used: exit code 5, for ps too", async (t) => {
  const world = new World(t);
  world.write("file", "");
  for (const args of [["ps"], ["reload", "web"], ["logs"], ["kernel", "status"]]) {
    const ran = await world.newelAt(join(world.directory, "file"), ...args);
    assert.equal(ran.code, 5, `${args.join(" ")}: ${ran.stderr}`);
  }
  const long = await world.newelAt(join(world.directory, "x".repeat(120)), "ps");
  assert.equal(long.code, 5);
  assert.match(long.stderr, /\(NEWEL_E_HOME_PATH\)/);
});
