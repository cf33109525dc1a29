import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { eventually, freePort, isAlive } from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";
import { collect, WEB, whoAnswers, World } from "./world.ts";

interface Foreground {
  readonly world: World;
  readonly port: number;
  readonly stdout: () => string;
  readonly stderr: () => string;
  readonly kill: (signal: NodeJS.Signals) => void;
  readonly ended: Promise<number | string>;
}

/** `newel run` of a web server with two processes. */
async function foreground(world: World, options: { stop?: object } = {}): Promise<Foreground> {
  const port = await freePort();
  world.write("web.mjs", WEB);
  world.configure({
    name: "tiny",
    services: {
      web: {
        node: "web.mjs",
        listen: `127.0.0.1:${port}`,
        replicas: 2,
        env: { PORT: String(port) },
        ...options,
      },
    },
  });
  const child = world.start("run");
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
  const ended = once(child, "close").then(([code, signal]: (number | string | null)[]) => {
    return code ?? signal ?? "nothing";
  });
  await eventually(() => stderr().includes("Ctrl-C stops it."), "the app is up", 30_000);
  return { world, port, stdout, stderr, ended, kill: (signal) => void child.kill(signal) };
}

async function nothingRuns(world: World): Promise<void> {
  await eventually(async () => {
    const { supervisor, kernel } = await world.json<Record<string, unknown>>("version");
    return supervisor === null && kernel === null;
  }, "the daemons ended");
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  test(`${signal}: the app goes down, its last output is shown, nothing stays`, async (t) => {
    const { world, stdout, stderr, kill, ended } = await foreground(new World(t));
    assert.match(stderr(), /tiny is up: web 2\/2 on 127\.0\.0\.1:\d+\.\n/);
    kill(signal);
    assert.equal(await ended, 0);
    for (const line of ["web.1 | listening", "web.2 | listening", "web.1 | bye", "web.2 | bye"])
      assert.equal(stdout().split(line).length, 2, `${line} once`);
    assert.match(stderr(), /Taking tiny down\./);
    await nothingRuns(world);
  });
}

type Daemons = Readonly<Record<"supervisor" | "kernel", { readonly pid: number } | null>>;

/** Orders in which a signal to every process of a container arrives. */
const ORDERS = [
  ["run", "supervisor", "kernel"],
  ["kernel", "supervisor", "run"],
  ["supervisor", "run"],
  ["kernel", "run"],
] as const;

for (const order of ORDERS) {
  test(`SIGTERM to ${order.join(", then ")} at once: an ordered end, nothing stays`, async (t) => {
    const { world, port, stderr, kill, ended } = await foreground(new World(t));
    const daemons = await world.json<Daemons>("version");
    for (const name of order) {
      const pid = name === "run" ? undefined : daemons[name]?.pid;
      if (pid === undefined) kill("SIGTERM");
      else sendSignal(pid, "SIGTERM");
    }
    assert.equal(await ended, 0, stderr());
    assert.doesNotMatch(stderr(), /^ +at |^error:/m);
    await assert.rejects(whoAnswers(port));
    await nothingRuns(world);
  });
}

test("a supervisor that is killed comes back at once; no process is touched", async (t) => {
  const { world, port, stderr, kill, ended } = await foreground(new World(t));
  const pids = async (): Promise<unknown> => {
    const [web] = await world.json<{ processes: { pid: number }[] }[]>("ps", "web");
    return web?.processes.map(({ pid }) => pid);
  };
  const before = await pids();
  const first = await world.supervisorPid();
  sendSignal(first, "SIGKILL");
  await eventually(() => stderr().includes("The supervisor is back"), "it is back");
  assert.match(stderr(), /The supervisor is gone; services run on\. Starting it again\.\n/);
  assert.notEqual(await world.supervisorPid(), first);
  assert.deepEqual(await pids(), before);
  assert.match(await whoAnswers(port), /^\d+$/);
  kill("SIGINT");
  assert.equal(await ended, 0);
});

test("a second Ctrl-C prints the step that the stop waits for; a third leaves at once", async (t) => {
  const world = new World(t);
  const { stderr, kill, ended } = await foreground(world, { stop: { grace: "60s" } });
  world.write("web.mjs", `process.on("SIGTERM", () => {}); setInterval(() => {}, 1e6); ${WEB}`);
  await world.succeed("reload", "web");
  const [web] = await world.json<{ processes: { pid: number }[] }[]>("ps", "web");
  assert.ok(web);
  kill("SIGINT");
  await eventually(() => stderr().includes("Taking tiny down."), "the first is heard");
  // A signal that comes again within half a second is the same Ctrl-C, passed on by npm.
  await sleep(700);
  kill("SIGINT");
  await eventually(
    () => /SIGINT again: .*newel down --app tiny/.test(stderr()),
    `the second is answered: ${stderr()}`,
  );
  await sleep(700);
  kill("SIGINT");
  assert.equal(await ended, 128 + 2);
  for (const { pid } of web.processes) sendSignal(pid, "SIGKILL");
});

test("newel down elsewhere ends it", async (t) => {
  const { world, stderr, ended } = await foreground(new World(t));
  await world.succeed("down");
  assert.equal(await ended, 0);
  assert.match(stderr(), /tiny was taken down\.\n/);
  await nothingRuns(world);
});

test("an app that does not come up is taken down again: exit code 1, its last lines", async (t) => {
  const world = new World(t);
  world.configure({ name: "tiny", services: { bad: { node: "bad.mjs", restart: "never" } } });
  world.write("bad.mjs", `console.log("about to fail"); process.exit(3);`);
  const { code, stdout, stderr } = await world.newel("run");
  assert.equal(code, 1);
  assert.match(stdout, /bad\.1 \| about to fail\n/);
  assert.match(stderr, /\| about to fail\n/);
  await nothingRuns(world);
});

test("an app that was up before stays when its new settings fail", async (t) => {
  const world = new World(t);
  const { port, kill, ended } = await foreground(world);
  const before = await whoAnswers(port);
  const env = { PORT: String(port), CHANGED: "1" };
  const listen = `127.0.0.1:${port}`;
  world.write("bad.mjs", `process.exit(3);`);
  world.configure({ name: "tiny", services: { web: { node: "bad.mjs", listen, env } } });
  const { code, stderr } = await world.newel("run");
  assert.equal(code, 1);
  assert.match(stderr, /tiny was up before and is left as it is\.\n/);
  assert.ok(isAlive(Number(before)));
  assert.match(await whoAnswers(port), /^\d+$/);
  kill("SIGTERM");
  assert.equal(await ended, 0);
});

test("when the reader of its output ends, newel run ends and takes the app down", async (t) => {
  const world = new World(t);
  const port = await freePort();
  world.write("web.mjs", `${WEB} setInterval(() => console.log("tick"), 20);`);
  world.configure({
    name: "tiny",
    services: { web: { node: "web.mjs", listen: port, env: { PORT: String(port) } } },
  });
  const child = world.start("run");
  const ended = once(child, "exit");
  const stderr = collect(child.stderr);
  await eventually(() => stderr().includes("Ctrl-C stops it."), "the app is up", 30_000);
  child.stdout?.destroy();
  assert.equal((await ended)[0], 0);
  await nothingRuns(world);
});
