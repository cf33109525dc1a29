import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { homeAt } from "../../src/base/home.ts";
import { connectSupervisor } from "../../src/supervisor/client.ts";
import { eventually, freePort, isAlive, temporaryDirectory } from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";
import { fixtureApp, SupervisedApp } from "../helpers/supervised.ts";

test("a supervisor that was killed finds its services again and restarts nothing", async (t) => {
  const app = new SupervisedApp(t);
  const port = await freePort();
  const services = {
    web: {
      node: fixtureApp("http"),
      listen: `127.0.0.1:${port}`,
      replicas: 2,
      env: { PORT: String(port) },
      ready: { http: "/healthz" },
    },
    clock: { run: "while true; do date; sleep 1; done" },
    off: { run: "sleep 1000" },
  };
  assert.ok((await app.up({ services })).ok);
  assert.ok((await app.scale("web", 3)).ok);
  assert.ok((await app.verb("stop", "off")).ok);
  const before = { ...(await app.pids("web")), ...(await app.pids("clock")) };
  assert.equal(Object.keys(before).length, 4);

  await app.killSupervisor();
  assert.equal(await (await fetch(`http://127.0.0.1:${port}/echo/7`)).text(), "7");

  await eventually(async () => (await app.service("web")).ready === 3, "web is ready");
  assert.deepEqual({ ...(await app.pids("web")), ...(await app.pids("clock")) }, before);
  assert.equal((await app.service("off")).state, "stopped");
  const { changes: again } = await (await app.supervisor()).plan(await app.configure({ services }));
  assert.deepEqual(
    again.map(({ service, change, reasons }) => [service, change, ...reasons]),
    [
      ["web", "scale", "replicas 3 → 2"],
      ["clock", "none"],
      ["off", "start", "not running"],
    ],
  );
});

test("processes that died without a supervisor are restarted by their restart policy", async (t) => {
  const app = new SupervisedApp(t);
  const services = {
    always: { run: "sleep 1000", ready: { after: "50ms" } },
    once: { run: "sleep 1000", restart: "never", ready: { after: "50ms" } },
  };
  assert.ok((await app.up({ services })).ok);
  const [always] = Object.values(await app.pids("always"));
  const [once] = Object.values(await app.pids("once"));
  await app.killSupervisor();
  for (const pid of [always, once]) sendSignal(pid ?? 0, "SIGKILL");
  await eventually(() => !isAlive(always ?? 0), "it is dead");
  const back = await eventually(
    async () => (await app.service("always")).ready === 1 && app.pids("always"),
    "it is back",
  );
  assert.notDeepEqual(Object.values(back), [always]);
  assert.notEqual((await app.service("once")).state, "running");
});

test("a process that keeps dying is restarted with backoff, then failed until it is started again", async (t) => {
  const app = new SupervisedApp(t);
  const restart = { policy: "always", max: 3, within: "1m", backoff: { min: "20ms", max: "50ms" } };
  const works = app.write("works", "");
  const services = {
    flaky: {
      run: `test -e ${works} && exec sleep 1000; exit 4`,
      restart,
      ready: { after: "50ms" },
    },
  };
  assert.ok((await app.up({ services })).ok);
  const [pid = 0] = Object.values(await app.pids("flaky"));
  rmSync(works);
  sendSignal(pid, "SIGKILL");
  const view = await eventually(async () => {
    const now = await app.service("flaky");
    return now.state === "failed" && now;
  }, "it is given up");
  assert.match(view.why ?? "", /4 times within 60 s.*exit code 4/);
  assert.equal(view.restarts, 3);
  app.write("works", "");
  assert.ok((await app.verb("start", "flaky")).ok);
  assert.equal((await app.service("flaky")).state, "running");
});

test("a first up whose service does not get ready fails with its reason and leaves nothing", async (t) => {
  const app = new SupervisedApp(t);
  const up = await app.up({ services: { broken: { run: "echo no database; exit 4" } } });
  assert.equal(up.ok, false);
  assert.match(
    up.failed[0]?.message ?? "",
    /broken\.1 did not get ready: it ended with exit code 4/,
  );
  assert.deepEqual(up.failed[0]?.lines, ["no database"]);
  assert.equal(up.failed.at(-1)?.code, "NEWEL_E_UP_FAILED");
  assert.match(up.failed.at(-1)?.message ?? "", /app is not up, as before/);
  assert.deepEqual((await (await app.supervisor()).hello()).apps, []);
  const kernel = await app.kernel();
  const [ended] = await kernel.processes.list();
  assert.deepEqual(await kernel.processes.tail(ended?.name ?? "", 5), ["no database"]);
});

test("services start after those they depend on; a failed dependency is named", async (t) => {
  const app = new SupervisedApp(t);
  const port = await freePort();
  const mark = (name: string): string => `echo ${name} >> ${join(app.directory, "order")}`;
  const services = {
    web: {
      run: `${mark("web")}; exec sleep 1000`,
      dependsOn: { migrate: "completed", db: "ready" },
      ready: { after: "10ms" },
    },
    migrate: { run: `sleep 0.3; ${mark("migrate")}`, restart: "never" },
    db: {
      run: [
        process.execPath,
        "-e",
        `setTimeout(() => require('net').createServer().listen(${port}, '127.0.0.1'), 400)`,
      ],
      ready: { tcp: `127.0.0.1:${port}` },
    },
    broken: { run: "exit 1", restart: "never" },
    above: { run: "sleep 1000", dependsOn: ["broken"] },
  };
  const up = await app.up({ services });
  assert.equal(up.ok, false);
  const codes = Object.fromEntries(up.failed.map(({ service, code }) => [service, code]));
  assert.deepEqual(codes, {
    broken: "NEWEL_E_NOT_READY",
    above: "NEWEL_E_DEPENDENCY",
    "": "NEWEL_E_UP_FAILED",
  });
  assert.deepEqual(await app.running(), [], "a first up that failed leaves nothing");
  const { broken: _, above: __, ...good } = services;
  const second = await app.up({ services: good });
  assert.ok(second.ok, JSON.stringify(second.failed));
  assert.equal((await app.service("web")).state, "running");
});

test("up does nothing the second time, and follows the plan exactly after a change", async (t) => {
  const app = new SupervisedApp(t);
  const service = (extra: object): object => ({
    run: "sleep 1000",
    ready: { after: "10ms", stable: "10ms" },
    ...extra,
  });
  assert.ok((await app.up({ services: { a: service({}), b: service({}), c: service({}) } })).ok);
  const before = { ...(await app.pids("a")), ...(await app.pids("b")), ...(await app.pids("c")) };
  const second = await app.up({ services: { a: service({}), b: service({}), c: service({}) } });
  assert.deepEqual([second.ok, second.changed, second.steps], [true, false, []]);
  const changed = {
    services: {
      a: service({ env: { SECRET: "hush" } }),
      b: service({ restart: "never" }),
      d: service({}),
    },
  };
  const { changes: plan } = await (await app.supervisor()).plan(await app.configure(changed));
  assert.deepEqual(
    plan.map((entry) => [entry.service, entry.change]),
    [
      ["a", "reload"],
      ["b", "update"],
      ["d", "start"],
      ["c", "stop"],
    ],
  );
  assert.ok(plan[0]?.reasons.includes("env.SECRET changed"));
  assert.ok(!JSON.stringify(plan).includes("hush"));
  assert.ok((await app.up(changed)).ok);
  assert.deepEqual(await app.pids("b"), { "b.1": before["b.1"] });
  assert.notDeepEqual(Object.values(await app.pids("a")), [before["a.1"]]);
  await assert.rejects(app.service("c"), { code: "NEWEL_E_NO_SERVICE" });
});

test("20 clients that start at once get one supervisor and one kernel", async (t) => {
  const app = new SupervisedApp(t);
  const clients = await Promise.all(
    Array.from({ length: 20 }, () => connectSupervisor({ home: app.home })),
  );
  const pids = new Set(
    await Promise.all(clients.map(async ({ remote }) => (await remote.hello()).pid)),
  );
  assert.equal(pids.size, 1);
  await Promise.all(clients.map((client) => client.close()));
  // The losers start and end in their own time: one that comes after the winner's end would win.
  const mains = ["supervisor/main.ts", "kernel/main.ts"];
  for (const main of mains)
    await eventually(
      () => programsOf(app.home.directory, main) === 1,
      `one ${main} is left`,
      20_000,
    );
});

test("supervisor and kernel end when their home is removed", async (t) => {
  const home = homeAt(join(temporaryDirectory(t), "h"));
  const supervisor = await connectSupervisor({ home });
  const { pid } = await supervisor.remote.hello();
  const kernel = Number(readFileSync(home.kernelLock, "utf8"));
  await supervisor.close();
  assert.ok(isAlive(pid) && isAlive(kernel));
  rmSync(home.directory, { recursive: true });
  await eventually(() => !isAlive(pid) && !isAlive(kernel), "both end", 30_000);
});

/** How many processes run a program for a home. */
function programsOf(home: string, program: string): number {
  return readdirSync("/proc").filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      const line = readFileSync(`/proc/${name}/cmdline`, "latin1");
      return line.includes(home) && line.includes(program);
    } catch {
      // The process has ended.
      return false;
    }
  }).length;
}

test("the next supervisor continues the stop of a replica that drains, and does not count it", async (t) => {
  const app = new SupervisedApp(t);
  const release = join(app.directory, "release");
  app.write(
    "server.mjs",
    `import { createServer } from "node:http"; import { existsSync } from "node:fs";
     createServer((q, r) => r.end("ok")).listen(Number(process.env.PORT), "127.0.0.1");
     process.on("SIGTERM", () => setInterval(() => {
       if (existsSync(${JSON.stringify(release)})) process.exit(0);
     }, 20));`,
  );
  const port = await freePort();
  const web = {
    node: "server.mjs",
    listen: `127.0.0.1:${port}`,
    env: { PORT: String(port) },
    ready: { stable: "50ms" },
    stop: { grace: "120s" },
  };
  assert.ok((await app.up({ services: { web } })).ok);
  const [old] = (await app.service("web")).processes;
  const { pid: supervisor } = await (await app.supervisor()).hello();
  const reload = app.verb("reload", "web").catch(() => undefined);
  const isDraining = async (): Promise<boolean> =>
    (await app.service("web")).processes.some(
      ({ name, state }) => name === old?.name && state === "stopping",
    );
  await eventually(isDraining, "the old replica drains", 30_000);
  // The signal is on its way once the kernel has a record of it.
  const kernel = await app.kernel();
  const isAsked = async (): Promise<boolean> =>
    (await kernel.processes.trees([], { detail: true })).some(({ processes }) =>
      processes.some(({ detail }) => detail?.asked !== undefined),
    );
  await eventually(isAsked, "the old replica has the stop signal", 30_000);
  sendSignal(supervisor, "SIGKILL");
  await reload;
  const { ready, replicas, processes } = await app.service("web");
  assert.deepEqual({ ready, replicas }, { ready: 1, replicas: 1 });
  const states = Object.fromEntries(processes.map(({ name, state }) => [name, state]));
  assert.equal(processes.length, 2);
  assert.equal(states[old?.name ?? ""], "stopping");
  assert.deepEqual(
    Object.values(states).filter((each) => each !== "stopping"),
    ["running"],
  );
  app.write("release", "");
  await eventually(
    async () => (await app.service("web")).processes.length === 1,
    "the old replica is gone",
    30_000,
  );
  const { restarts, state } = await app.service("web");
  assert.deepEqual({ restarts, state }, { restarts: 0, state: "running" });
});
