import assert from "node:assert/strict";
import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { homeAt } from "../../src/base/home.ts";

import { World } from "./world.ts";
import { sendSignal } from "../helpers/signals.ts";

interface Listed {
  readonly app: string;
  readonly name: string;
  readonly replicas: number;
  readonly processes: readonly { readonly pid: number }[];
}

const SLEEPER = { run: "exec sleep 1000", ready: { after: "50ms" } };

/** A directory with a configuration of sleeping services. */
function configure(
  world: World,
  directory: string,
  services: readonly string[],
  more: object = {},
): void {
  mkdirSync(join(world.directory, directory), { recursive: true });
  const config = { services: Object.fromEntries(services.map((name) => [name, SLEEPER])), ...more };
  writeFileSync(join(world.directory, directory, "newel.config.json"), JSON.stringify(config));
}

async function pids(world: World): Promise<Record<string, number[]>> {
  const services = await world.json<Listed[]>("ps");
  return Object.fromEntries(
    services.map(({ app, name, processes }) => [`${app}/${name}`, processes.map(({ pid }) => pid)]),
  );
}

test("outside an app's directory a verb asks for a name, an app or --all", async (t) => {
  const world = new World(t);
  configure(world, "shop", ["web"]);
  mkdirSync(join(world.directory, "elsewhere"));
  world.moveTo("shop");
  await world.succeed("up");
  const before = await pids(world);
  world.moveTo("elsewhere");
  for (const words of [["stop"], ["restart"], ["reload"], ["start"], ["down"], ["down", "--now"]]) {
    const { code, stderr } = await world.newel(...words);
    assert.equal(code, 2, stderr);
    assert.match(stderr, /name .*an app with --app NAME, or take --all\. Up: shop\./);
  }
  for (const verb of ["stop", "down"]) {
    const { code, stderr } = await world.newel(verb, "--all", "--app", "shop");
    assert.equal(code, 2, stderr);
    assert.match(stderr, /--app means one app, and --all every app/);
  }
  assert.deepEqual(await pids(world), before);
  await world.succeed("restart", "web");
  await world.succeed("restart", "--app", "shop");
  await world.succeed("stop", "--all");
  assert.deepEqual(await pids(world), { "shop/web": [] });
  const { code } = await world.newel("start", "web", "--all");
  assert.equal(code, 2);
  await world.succeed("down", "--app", "shop");
  assert.deepEqual(await pids(world), {});
});

test("with an app, given or configured here, a name means a service of that app alone", async (t) => {
  const world = new World(t);
  configure(world, "shop", ["web", "tail"]);
  configure(world, "blog", ["web", "worker"]);
  mkdirSync(join(world.directory, "elsewhere"));
  for (const directory of ["shop", "blog"]) {
    world.moveTo(directory);
    await world.succeed("up");
  }
  const before = await pids(world);
  const refused = async (expected: RegExp, code: number, ...words: string[]): Promise<void> => {
    const ran = await world.newel(...words);
    assert.equal(ran.code, code, ran.stderr);
    assert.match(ran.stderr, expected);
  };
  world.moveTo("shop");
  for (const words of [
    ["stop", "worker"],
    ["signal", "KILL", "worker"],
    ["scale", "worker=2"],
    ["show", "worker"],
    ["logs", "--prune", "worker"],
  ])
    await refused(
      /There is no service worker in the app shop; there is blog\/worker\./,
      4,
      ...words,
    );
  await refused(/There is no service wo\* in the app shop/, 4, "stop", "wo*");
  world.moveTo("elsewhere");
  await refused(/There is no service tail in the app blog/, 4, "stop", "tail", "--app", "blog");
  await refused(/--app blog and shop\/web mean different/, 2, "stop", "shop/web", "--app", "blog");
  for (const words of [
    ["stop", "w*"],
    ["stop", "*"],
    ["signal", "KILL", "web"],
    ["scale", "w*=2"],
    ["logs", "--prune", "web"],
  ])
    await refused(/matches more than one service: .*\/web, .*\/web/, 2, ...words);
  await refused(/No app is configured here or above: name services/, 2, "logs", "--prune");
  assert.deepEqual(await pids(world), before);
  world.moveTo("blog");
  await world.succeed("scale", "w*=2");
  await world.succeed("stop", "w*", "shop/tail");
  const running = Object.entries(await pids(world)).filter(([, each]) => each.length > 0);
  assert.deepEqual(running, [["shop/web", before["shop/web"]]]);
  interface Pruned {
    readonly pruned: readonly string[];
  }
  assert.deepEqual((await world.json<Pruned>("logs", "--prune")).pruned.toSorted(), [
    "blog/web",
    "blog/worker",
  ]);
});

test("in the directory of an app that is not up no other app is meant", async (t) => {
  const world = new World(t);
  configure(world, "shop", ["web"]);
  configure(world, "blog", ["web"]);
  world.moveTo("shop");
  await world.succeed("up");
  const before = await pids(world);
  world.moveTo("blog");
  for (const words of [
    ["stop"],
    ["stop", "web"],
    ["restart", "web"],
    ["scale", "web=2"],
    ["down"],
  ]) {
    const { code, stderr } = await world.newel(...words);
    assert.equal(code, 3, stderr);
    assert.match(stderr, /The app blog of .* is not up; up: shop/);
  }
  assert.deepEqual(await pids(world), before);
  await world.succeed("stop", "shop/web");
  const { stderr } = await world.succeed("ps");
  assert.match(stderr, /The configuration here, .*blog\/newel\.config\.json, is not one that runs/);
});

test("two directories of one name are two apps; a written name moves with its file", async (t) => {
  const world = new World(t);
  configure(world, "x/api", ["web"]);
  configure(world, "y/api", ["web"]);
  world.moveTo("x/api");
  await world.succeed("up");
  const before = await pids(world);
  world.moveTo("y/api");
  for (const words of [["up"], ["up", "--plan"], ["up", "--move"]]) {
    const { code, stderr } = await world.newel(...words);
    assert.equal(code, 1, stderr);
    assert.match(stderr, /The app name api is in use by .*x\/api\/newel\.config\.json/);
  }
  assert.deepEqual(await pids(world), before);
  configure(world, "y/api", ["shop"], { name: "api" });
  const { code, stderr } = await world.newel("up");
  assert.equal(code, 1);
  assert.match(stderr, /\(NEWEL_E_APP_UNRELATED\)/);
  assert.deepEqual(await pids(world), before);
  const plan = await world.succeed("up", "--plan", "--move");
  assert.match(plan.stdout, /^api moves from .*x\/api\/\S+ to .*y\/api\/\S+$/m);
  const moved = await world.succeed("up", "--move");
  assert.match(moved.stderr, /api moves from /);
  assert.deepEqual(Object.keys(await pids(world)), ["api/shop"]);
});

test("after a switch of `current` a verb that starts processes names the running file, and up applies the new one", async (t) => {
  const world = new World(t);
  const link = join(world.directory, "current");
  for (const release of ["releases/1", "releases/2"])
    configure(world, release, ["web"], { name: "site" });
  symlinkSync("releases/1", link);
  world.moveTo("current");
  await world.succeed("up");
  rmSync(link);
  symlinkSync("releases/2", link);
  const before = await pids(world);
  for (const verb of ["reload", "restart", "start"]) {
    const { code, stderr } = await world.newel(verb, "web");
    assert.equal(code, 1, stderr);
    assert.match(stderr, /site runs from .*releases\/1\/.*, not from .*releases\/2\//);
  }
  assert.deepEqual(await pids(world), before);
  const scaled = await world.succeed("scale", "web=2");
  assert.match(scaled.stderr, /site runs from .*releases\/1\/.*releases\/2\//);
  await world.succeed("reload", "web", "--app", "site");
  const { stderr } = await world.succeed("up");
  assert.match(stderr, /site moves from .*releases\/1\/\S+ to .*releases\/2\//);
  await world.succeed("reload", "web");
});

test("a verb that does not apply a changed configuration prints a note", async (t) => {
  const world = new World(t);
  configure(world, ".", ["web"], { name: "app" });
  await world.succeed("up");
  assert.doesNotMatch((await world.succeed("restart", "web")).stderr, /changes/);
  configure(world, ".", ["web", "more"], { name: "app", env: { A: "hush" } });
  for (const words of [["reload"], ["restart", "web"], ["scale", "web=1"]]) {
    const { stderr } = await world.succeed(...words);
    assert.match(stderr, /has changes that do not run yet \(web: env\.A changed, more: new\)/);
    assert.doesNotMatch(stderr, /hush/);
  }
  const started = await world.newel("start", "more");
  assert.equal(started.code, 3);
  assert.match(started.stderr, /The service more of .* is not up yet/);
  world.write("newel.config.json", "{");
  assert.match((await world.succeed("restart", "web")).stderr, /cannot be read/);
});

test("start of a service without replicas, or of an unknown one, fails and starts nothing", async (t) => {
  const world = new World(t);
  configure(world, ".", ["web", "worker"], { name: "app" });
  const locks = [homeAt(world.home).kernelLock, homeAt(world.home).supervisorLock];
  for (const [words, expected] of [
    [["start", "web"], 3],
    [["stop", "web"], 3],
    [["show", "web"], 3],
    [["ps"], 0],
    [["down"], 0],
    [["up", "--plan"], 0],
  ] as const) {
    const { code, stderr } = await world.newel(...words);
    assert.equal(code, expected, stderr);
    assert.deepEqual(
      locks.filter((lock) => existsSync(lock)),
      [],
      words.join(" "),
    );
  }
  await world.succeed("up");
  await world.succeed("scale", "web=0");
  for (const verb of ["start", "restart"]) {
    const { code, stderr } = await world.newel(verb, "web");
    assert.equal(code, 3);
    assert.match(stderr, /web is configured with 0 replicas.*\n.*newel scale web=1/);
  }
  await world.succeed("stop", "worker");
  await world.succeed("start");
  assert.equal((await pids(world))["app/worker"]?.length, 1);
});

test("up --plan without a supervisor compares with the stored state, and starts none", async (t) => {
  const world = new World(t);
  configure(world, ".", ["web", "worker"], { name: "app" });
  await world.succeed("up");
  const supervisor = await world.supervisorPid();
  sendSignal(supervisor, "SIGKILL");
  configure(world, ".", ["web", "more"], { name: "app" });
  const { stdout } = await world.succeed("up", "--plan");
  assert.match(stdout, /^web +unchanged$/m);
  assert.match(stdout, /^more +start/m);
  assert.match(stdout, /^worker +stop/m);
  const version = await world.json<{ supervisor: unknown }>("version");
  assert.equal(version.supervisor, null);
});

test("after a removal of the working directory every command works or reports it in one sentence", async (t) => {
  const world = new World(t);
  configure(world, ".", ["web"], { name: "app" });
  await world.succeed("up");
  for (const [command, expected] of [
    ["ps", 0],
    ["version", 0],
    ["logs web", 0],
    ["restart web", 0],
    ["show web", 0],
    ["up", 6],
    ["check", 6],
    ["run", 6],
    ["reload", 2],
  ] as const) {
    mkdirSync(join(world.directory, "gone"));
    const { code, stderr } = await world.newelInRemoved("gone", ...command.split(" "));
    assert.equal(code, expected, `${command}: ${stderr}`);
    assert.doesNotMatch(stderr, /^ +at |node:internal/m);
    if (expected === 6) assert.match(stderr, /the working directory .*gone was removed/);
  }
});

test("output that cannot be written is an error without a stack", async (t) => {
  const world = new World(t);
  const { code, stderr } = await world.newelInto("/dev/full", "version");
  assert.equal(code, 1);
  assert.match(stderr, /^error: the output cannot be written: ENOSPC/);
  assert.doesNotMatch(stderr, /^ +at /m);
});

test("a one-off that ended well is completed, and up does not run it again", async (t) => {
  const world = new World(t);
  const once = { run: "echo once", restart: "never", ready: { after: "0ms" } };
  const web = { ...SLEEPER, dependsOn: { once: "completed" } };
  world.configure({ name: "app", services: { once, web } });
  const { stderr } = await world.succeed("up");
  assert.match(stderr, /app is up: once completed; web 1\/1\./);
  const [listed] = await world.json<{ state: string }[]>("ps", "once");
  assert.equal(listed?.state, "completed");
  await world.succeed("ps", "once");
  assert.match((await world.succeed("up")).stderr, /Nothing to do/);
  assert.equal((await world.succeed("logs", "once", "--raw")).stdout, "once\n");
  const again = await world.succeed("start", "once");
  assert.match(again.stderr, /start once\.1/);
  assert.doesNotMatch(again.stderr, /stop|ended/, "nothing runs that could be stopped");
  assert.equal((await world.succeed("logs", "once", "--raw")).stdout, "once\nonce\n");
});

test("where nothing is up, ps names the configuration that `up` would apply, with any file name", async (t) => {
  const world = new World(t);
  world.moveTo(".");
  const advice = async (): Promise<string> => (await world.newel("ps")).stderr;
  assert.match(await advice(), /`newel up` starts the app of the configuration in its directory/);
  for (const name of ["newel.config.json", "newel.config.mjs", "newel.config.js"]) {
    const directory = `of.${name}`;
    mkdirSync(join(world.directory, directory));
    writeFileSync(join(world.directory, directory, name), "export default {};");
    world.moveTo(directory);
    const file = join(world.directory, directory, name);
    assert.ok((await advice()).includes(`\`newel up\` starts the app of ${file}.`), name);
  }
});
