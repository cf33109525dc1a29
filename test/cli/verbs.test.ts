import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { eventually, freePort, isAlive } from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";
import { collect, WEB, whoAnswers, World } from "./world.ts";

interface Service {
  readonly v: number;
  readonly supervised: boolean;
  readonly app: string;
  readonly name: string;
  readonly state: string;
  readonly ready: number;
  readonly replicas: number;
  readonly processes: readonly { readonly name: string; readonly pid?: number }[];
}

/** One app for all tests of this file, which run one after the other and leave it up. */
const world = new World({ after });
let port = 0;

before(async () => {
  port = await freePort();
  world.write("web.mjs", WEB);
  configure();
  await world.succeed("up");
});

function configure(web: object = {}): void {
  world.configure({
    name: "tiny",
    services: {
      web: {
        node: "web.mjs",
        listen: `127.0.0.1:${port}`,
        replicas: 2,
        env: { PORT: String(port), SECRET: "hunter2" },
        ready: { stable: "100ms" },
        ...web,
      },
      clock: { run: "while true; do echo tick; sleep 0.2; done" },
    },
  });
}

async function service(name: string): Promise<Service> {
  const [found] = await world.json<Service[]>("ps", name);
  assert.ok(found);
  return found;
}

async function pids(name: string): Promise<(number | undefined)[]> {
  return (await service(name)).processes.map(({ pid }) => pid);
}

test("up twice does nothing the second time, and up --plan shows no change before", async () => {
  const plan = await world.json<{ v: number; service: string; change: string }[]>("up", "--plan");
  assert.deepEqual(
    plan.map(({ v, service, change }) => [v, service, change]),
    [
      [1, "web", "none"],
      [1, "clock", "none"],
    ],
  );
  const before = await pids("web");
  const { code, stdout, stderr } = await world.newel("up", "-d");
  assert.deepEqual([code, stdout], [0, ""]);
  assert.match(stderr, /^Nothing to do: all is as configured\.\ntiny is up: web 2\/2 on 127/);
  assert.deepEqual(await pids("web"), before);
});

test("ps: a table of at most 80 columns without escape sequences, and JSON", async () => {
  const { code, stdout, stderr } = await world.newel("ps");
  assert.deepEqual([code, stderr], [0, ""]);
  const lines = stdout.trimEnd().split("\n");
  assert.equal(lines.length, 3);
  assert.match(lines[0] ?? "", /^SERVICE +STATE +READY +UP +RESTARTS +CPU +MEM +LISTEN$/);
  assert.match(lines[1] ?? "", /^web +running +2\/2 /);
  assert.ok(!stdout.includes("\u001B"));
  assert.ok(lines.every((line) => line.length <= 80));
  const [web] = await world.json<Service[]>("ps", "web");
  assert.ok(web);
  assert.deepEqual(
    [web.v, web.supervised, web.app, web.name, web.state, web.ready, web.replicas],
    [1, true, "tiny", "web", "running", 2, 2],
  );
  assert.equal((await world.succeed("ps", "-a")).stdout.trimEnd().split("\n").length, 4);
  assert.equal((await world.succeed("ps", "-a", "web.2")).stdout.trimEnd().split("\n").length, 2);
});

test("a name that does not exist: exit code 4 and the nearest one, for every verb", async () => {
  for (const verb of ["ps", "reload", "restart", "start", "stop", "show", "logs"]) {
    const { code, stdout, stderr } = await world.newel(verb, "wbe");
    assert.equal(code, 4, verb);
    assert.match(stderr, /There is no service wbe\. Did you mean web\?/, verb);
    assert.equal(stdout, "");
  }
  assert.equal((await world.newel("scale", "wbe=2")).code, 4);
  assert.equal((await world.newel("signal", "HUP", "wbe")).code, 4);
  assert.equal((await world.newel("reload", "--app", "other")).code, 4);
});

test("reload replaces every process; the port answers throughout", async () => {
  const before = await pids("web");
  const { stdout, stderr } = await world.succeed("reload", "web");
  assert.equal(stdout, "");
  assert.match(stderr, /start web\.3\n[^]*Done in [\d.]+s\.\n$/);
  const now = await pids("web");
  assert.equal(now.length, 2);
  assert.ok(now.every((pid) => !before.includes(pid)));
  assert.ok(now.map(String).includes(await whoAnswers(port)));
});

test("a reload to code that throws: exit code 1, its last lines, the old one serves", async () => {
  const before = await pids("web");
  world.write("web.mjs", `console.log("first words"); throw new Error("no good");`);
  const { code, stderr } = await world.newel("reload", "web");
  world.write("web.mjs", WEB);
  assert.equal(code, 1);
  assert.match(stderr, /The last lines of web\.\d:\n {2}\| first words\n/);
  assert.match(stderr, /\| Error: no good\n/);
  assert.match(stderr, /\(NEWEL_E_\w+\)\n$/);
  assert.deepEqual(await pids("web"), before);
  assert.ok(before.map(String).includes(await whoAnswers(port)));
});

test("scale sets, adds and takes away", async () => {
  await world.succeed("scale", "web=3");
  assert.equal((await service("web")).ready, 3);
  await world.succeed("scale", "web=-2");
  assert.equal((await service("web")).ready, 1);
  await world.succeed("scale", "web=+1");
  assert.equal((await service("web")).ready, 2);
  const { stderr } = await world.succeed("scale", "web", "2");
  assert.equal(stderr, "Nothing to do.\n");
});

test("stop, start and restart; ps NAME ends with 3 for a stopped service", async () => {
  const before = await pids("web");
  await world.succeed("stop", "web");
  assert.ok(before.every((pid) => pid !== undefined && !isAlive(pid)));
  assert.equal((await world.newel("ps", "web")).code, 3);
  assert.equal((await world.newel("ps")).code, 0);
  await world.succeed("start", "web");
  assert.equal((await world.newel("ps", "web", "clock")).code, 0);
  const started = await pids("web");
  await world.succeed("restart", "web");
  assert.ok((await pids("web")).every((pid) => !started.includes(pid)));
});

test("signal prints the processes it reached", async () => {
  const { stdout } = await world.succeed("signal", "winch", "web");
  const reached = stdout
    .trimEnd()
    .split("\n")
    .map((line) => line.split(" ")[0]);
  assert.deepEqual(new Set(reached), new Set((await pids("web")).map(String)));
  const one = await world.json<{ v: number; signalled: unknown[] }>("signal", "WINCH", "web.1");
  assert.deepEqual([one.v, one.signalled.length], [1, 1]);
});

test("show names the settings and hides possible secrets", async () => {
  const { stdout } = await world.succeed("show", "web");
  assert.match(stdout, /^tiny\/web\n {2}state +running/);
  assert.match(stdout, /environment .*\bSECRET\b/);
  const json = (await world.newel("show", "web", "clock", "--json")).stdout;
  const details = JSON.parse(json) as { v: number; envKeys: string[] }[];
  assert.deepEqual(
    details.map(({ v }) => v),
    [1, 1],
  );
  assert.ok(details[0]?.envKeys.includes("SECRET"));
  for (const text of [stdout, json, (await world.newel("ps", "--json")).stdout])
    assert.ok(!text.includes("hunter2"));
});

test("events streams one object a line", async () => {
  const child = world.start("events", "--json");
  const text = collect(child.stdout);
  await eventually(async () => {
    await world.succeed("restart", "clock");
    return text().includes('"service":"clock"');
  }, "an event of the clock");
  for (const line of text().trimEnd().split("\n")) {
    const { v, app, seq } = JSON.parse(line) as Record<string, unknown>;
    assert.deepEqual([v, app, typeof seq], [1, "tiny", "number"]);
  }
  child.kill();
});

test("--timeout stops waiting with 124, and the work continues", async () => {
  world.write("web.mjs", `await new Promise((resolve) => setTimeout(resolve, 1500));${WEB}`);
  const before = new Set((await pids("web")).map(String));
  const { code, stderr } = await world.newel("reload", "web", "--timeout", "300ms");
  assert.equal(code, 124);
  assert.match(stderr, /Not done after 300 ms\. The work continues/);
  const isReplaced = async (): Promise<boolean> => !before.has(await whoAnswers(port));
  await eventually(isReplaced, "the reload that went on", 20_000);
  world.write("web.mjs", WEB);
  await world.succeed("restart", "web");
});

test("without a supervisor ps prints a warning and starts nothing; the next verb starts one", async () => {
  const before = await pids("web");
  sendSignal(await world.supervisorPid(), "SIGKILL");
  await eventually(async () => {
    const { supervisor } = await world.json<{ supervisor: unknown }>("version");
    return supervisor === null;
  }, "the supervisor is gone");
  const { code, stdout, stderr } = await world.newel("ps");
  assert.equal(code, 0);
  assert.match(stdout, /^PROCESS +STATE +READY +PID +UP\n/);
  assert.match(stdout, /^tiny\/web\.1 +running +yes/m);
  assert.match(stderr, /No supervisor runs for these processes: .*`newel up`/);
  assert.equal((await world.newel("ps", "web")).code, 3);
  assert.equal((await world.newel("ps", "wbe")).code, 4);
  const [web] = await world.json<Service[]>("ps", "web");
  assert.deepEqual(
    [web?.v, web?.supervised, web?.app, web?.name, web?.state, web?.processes.length],
    [1, false, "tiny", "web", "running", 2],
  );
  const up = await world.succeed("up");
  assert.match(up.stderr, /^No supervisor was running: started one \(pid \d+\)\.\nNothing to do/);
  assert.deepEqual(await pids("web"), before);
});

test("a wrong configuration: exit code 6, file and line, nothing touched", async () => {
  const before = await pids("web");
  configure({ replica: 3 });
  for (const args of [["up"], ["check"], ["up", "--plan"]]) {
    const { code, stdout, stderr } = await world.newel(...args);
    assert.deepEqual([code, stdout], [6, ""], args.join(" "));
    assert.match(stderr, /newel\.config\.json:1 .*replica/);
  }
  configure();
  assert.deepEqual(await pids("web"), before);
  const checked = await world.json<{ v: number; ok: boolean; services: unknown[] }>("check");
  assert.deepEqual([checked.v, checked.ok, checked.services.length], [1, true, 2]);
  assert.equal((await world.newel("check", "-c", "none.ts")).code, 6);
});

test("down ends the app and, with nothing left to do, the daemons", async () => {
  const before = await pids("web");
  const supervisor = await world.supervisorPid();
  await world.succeed("down");
  assert.ok(before.every((pid) => pid !== undefined && !isAlive(pid)));
  await eventually(() => !isAlive(supervisor), "the supervisor ended");
  await eventually(async () => {
    const { kernel } = await world.json<{ kernel: unknown }>("version");
    return kernel === null;
  }, "the kernel ended");
  const { code, stdout, stderr } = await world.newel("ps");
  assert.deepEqual([code, stdout], [0, ""]);
  assert.match(stderr, /^Nothing runs in /);
  assert.equal((await world.newel("ps", "web")).code, 3);
  assert.deepEqual(await world.json("ps"), []);
  assert.match((await world.succeed("down")).stderr, /^Nothing to do: nothing runs\.\n$/);
});
