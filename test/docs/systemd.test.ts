// The units that docs/guide/systemd.md installs, and the one that it prints, started as systemd would.
import assert from "node:assert/strict";
import { type ChildProcess, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { World } from "../cli/world.ts";
import { headsOf, listenToNotify } from "../helpers/notify-socket.ts";
import {
  eventually,
  freePort,
  isAlive,
  startProcess,
  temporaryDirectory,
} from "../helpers/resources.ts";
import { blocksOf, ROOT } from "./pages.ts";

const MAIN = join(ROOT, "src/cli/main.ts");
const SERVER = `require("node:http").createServer((_, response) => response.end("hello")).listen(PORT);`;

const noAnalyze = spawnSync("systemd-analyze", ["--version"]).status !== 0;

/** An app with one web service, and a `newel` at each of the paths. */
async function makeApp(t: TestContext): Promise<{ world: World; port: number; newel: string }> {
  const world = new World(t);
  const port = await freePort();
  const bin = join(world.directory, "node_modules/.bin");
  mkdirSync(bin, { recursive: true });
  const newel = join(bin, "newel");
  writeFileSync(newel, `#!/bin/sh\nexec '${process.execPath}' '${MAIN}' "$@"\n`);
  chmodSync(newel, 0o755);
  world.write("server.js", SERVER.replace("PORT", String(port)));
  world.configure({ name: "shop", services: { web: { node: "server.js", listen: port } } });
  return { world, port, newel };
}

function setting(unit: string, name: string): string {
  const value = new RegExp(`^${name}=(.+)$`, "m").exec(unit)?.[1];
  assert.ok(value !== undefined, `the unit has no ${name}=`);
  return value;
}

async function answer(port: number): Promise<string> {
  return (await fetch(`http://127.0.0.1:${port}`, { headers: { connection: "close" } })).text();
}

test("the units of the package serve the commands; an ended daemon ends no service", async (t) => {
  const { world, port } = await makeApp(t);
  const path = join(temporaryDirectory(t), "notify");
  const messages = listenToNotify(t, path);
  const start = async (daemon: string, count: number): Promise<ChildProcess> => {
    const unit = readFileSync(join(ROOT, `systemd/newel-${daemon}.service`), "utf8");
    const [program = "", ...args] = setting(unit, "ExecStart").split(" ");
    const child = startProcess(t, program, args, {
      cwd: "/",
      env: {
        ...world.environment,
        PATH: `${join(world.directory, "node_modules/.bin")}:${process.env["PATH"]}`,
        NOTIFY_SOCKET: path,
      },
      stdio: "ignore",
    });
    const ready = (): number => headsOf(messages()).filter((head) => head === "READY=1").length;
    await eventually(() => ready() >= count, `READY=1 of the ${daemon}`, 60_000);
    return child;
  };
  const daemons = [await start("kernel", 1), await start("supervisor", 2)];
  await world.succeed("up", "--timeout", "2m");
  const running = await world.json<Record<"kernel" | "supervisor", { pid: number }>>("version");
  assert.deepEqual(
    [running.kernel.pid, running.supervisor.pid],
    daemons.map(({ pid }) => pid),
  );
  for (const daemon of daemons.toReversed()) {
    const ended = once(daemon, "exit");
    daemon.kill("SIGTERM");
    assert.deepEqual(await ended, [0, null]);
  }
  assert.equal(await answer(port), "hello");
});

const printed = blocksOf("docs/guide/systemd.md").find(({ file }) => file === "shop.service");

test(
  "the unit of one app has no errors",
  { skip: noAnalyze ? "there is no systemd-analyze here" : false },
  async (t) => {
    const { world } = await makeApp(t);
    const unit = (printed?.code ?? "").replaceAll("/srv/shop", world.directory);
    assert.notEqual(unit, "");
    world.write("shop.service", unit);
    const file = join(world.directory, "shop.service");
    const { status, stderr } = spawnSync("systemd-analyze", ["verify", file], { encoding: "utf8" });
    const about = stderr.split("\n").filter((line) => line.includes("shop"));
    assert.deepEqual({ status, about }, { status: 0, about: [] });
  },
);

test("the unit of one app brings it up, and takes it down on SIGTERM", async (t) => {
  const { world, port } = await makeApp(t);
  const unit = (printed?.code ?? "").replaceAll("/srv/shop", world.directory);
  const [program = "", ...args] = setting(unit, "ExecStart").split(" ");
  const cwd = setting(unit, "WorkingDirectory");
  assert.match(setting(unit, "Environment"), /^NEWEL_HOME=\//);
  const child = startProcess(t, program, args, { cwd, env: world.environment });
  const up = (): Promise<string | undefined> => answer(port).catch(() => undefined);
  assert.equal(await eventually(up, "the app answers", 60_000), "hello");
  const { kernel } = await world.json<{ kernel: { pid: number } }>("version");
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  assert.deepEqual(await ended, [0, null]);
  await assert.rejects(answer(port));
  await eventually(() => !isAlive(kernel.pid), "the kernel ends too", 30_000);
});
