import assert from "node:assert/strict";
import { once } from "node:events";
import { chmodSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";

import { hasCode } from "../../src/base/errors.ts";
import { cleanUp, eventually, freePort, isAlive, type Scope } from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";
import { fixtureApp, type Outcome, SupervisedApp } from "../helpers/supervised.ts";

/** A Node service that answers its pid on a port. */
function server(port: number, more: object = {}): Record<string, unknown> {
  return {
    node: fixtureApp("http"),
    listen: `127.0.0.1:${port}`,
    env: { PORT: String(port) },
    ready: { timeout: "20s", stable: "10ms" },
    ...more,
  };
}

const worker = (more: object = {}): Record<string, unknown> => ({
  run: "exec sleep 1000",
  ready: { after: "10ms", stable: "10ms" },
  ...more,
});

async function answers(port: number): Promise<boolean> {
  try {
    return (await (await fetch(`http://127.0.0.1:${port}/echo/7`)).text()) === "7";
  } catch {
    return false;
  }
}

async function succeeds(up: Promise<Outcome>): Promise<void> {
  const { ok, failed } = await up;
  assert.ok(ok, JSON.stringify(failed));
}

/** Everything that a refused or failed command must leave as it was. */
async function stateOf(app: SupervisedApp): Promise<unknown> {
  const kernel = await app.kernel();
  const supervisor = await app.supervisor();
  const services = await supervisor.show({ names: [] });
  return {
    apps: await supervisor.apps(),
    running: (await app.running()).toSorted(),
    sockets: (await kernel.sockets.list()).map(({ name, port, path }) => ({ name, port, path })),
    services: services.map(({ name, wanted, replicas, listen, command, envKeys }) => ({
      name,
      wanted,
      replicas,
      listen,
      command,
      envKeys,
    })),
  };
}

/** A process whose parent is frozen stays as a zombie. */
function isRunning(pid: number): boolean {
  return isAlive(pid) && !readFileSync(`/proc/${pid}/stat`, "latin1").includes(") Z ");
}

/** A listening port that belongs to this test's process. */
async function takenPort(t: Scope): Promise<number> {
  const other = createServer().listen(0, "127.0.0.1");
  cleanUp(t, () => void other.close());
  await once(other, "listening");
  const address = other.address();
  if (address === null || typeof address === "string") throw new Error("no TCP address");
  return address.port;
}

test("an up that is refused changes nothing, and names the cause and the step to take", async (t) => {
  const app = new SupervisedApp(t);
  const port = await freePort();
  const taken = await takenPort(t);
  const web = server(port);
  assert.ok((await app.up({ services: { web, clock: worker() } })).ok);
  const before = await stateOf(app);
  const refused = async (
    code: string,
    says: RegExp,
    services: Record<string, unknown>,
  ): Promise<void> => {
    const up = await app.up({ services });
    assert.deepEqual([up.ok, up.failed.map((each) => each.code)], [false, [code]]);
    assert.match(`${up.failed[0]?.message} ${up.failed[0]?.fix}`, says);
    assert.deepEqual(await stateOf(app), before);
  };
  const listen = [`127.0.0.1:${port}`, `127.0.0.1:${taken}`];
  await refused(
    "NEWEL_E_ADDRESS_TAKEN",
    new RegExp(
      `web cannot listen on 127\\.0\\.0\\.1:${taken}: another program .*pid ${process.pid}`,
    ),
    { web: { ...web, listen }, clock: worker({ env: { A: "1" } }) },
  );
  await refused("NEWEL_E_CANNOT_START", /no-such-program was not found in its PATH/, {
    web,
    clock: worker({ run: ["no-such-program"] }),
  });
  assert.ok(await answers(port));
});

test("a port that a service has bound by itself is named as its own", async (t) => {
  const app = new SupervisedApp(t);
  const port = await freePort();
  const own = {
    node: fixtureApp("http"),
    env: { PORT: String(port) },
    ready: { tcp: `127.0.0.1:${port}`, timeout: "20s" },
  };
  assert.ok((await app.up({ services: { web: own } })).ok);
  const [pid] = Object.values(await app.pids("web"));
  const held = { ...own, listen: port, ready: { stable: "10ms", timeout: "20s" } };
  const up = await app.up({ services: { web: held } });
  assert.match(up.failed[0]?.message ?? "", new RegExp(`web\\.1 of the app app \\(pid ${pid}\\)`));
  assert.match(up.failed[0]?.fix ?? "", /`newel stop web`, then `newel up`/);
  assert.ok(await answers(port), "it serves on");
  assert.ok((await app.verb("stop", "web")).ok);
  assert.ok((await app.up({ services: { web: held } })).ok, "the step that was named");
  assert.ok(await answers(port));
});

test("an up that fails in one service brings all of them back", async (t) => {
  const app = new SupervisedApp(t);
  const port = await freePort();
  const typo = await freePort();
  const services = { web: server(port), gone: worker(), a: worker(), b: worker({ replicas: 2 }) };
  assert.ok((await app.up({ services })).ok);
  const before = await stateOf(app);
  const gone = await app.pids("gone");
  const up = await app.up({
    services: {
      web: server(port, { listen: `127.0.0.1:${typo}`, ready: { timeout: "3s" } }),
      a: worker({ env: { A: "1" } }),
      b: worker({ replicas: 3 }),
      extra: worker({ listen: `127.0.0.1:${await freePort()}` }),
    },
  });
  assert.deepEqual(
    up.failed.map(({ service, code }) => [service, code]),
    [
      ["web", "NEWEL_E_RELOAD_FAILED"],
      ["", "NEWEL_E_UP_FAILED"],
    ],
  );
  assert.match(up.failed.at(-1)?.message ?? "", /because web failed: .*app runs as before\./);
  const after = await stateOf(app);
  // A service that was changed and brought back runs with its settings of before, in another process.
  const names = (state: unknown): unknown =>
    JSON.parse(JSON.stringify(state).replaceAll(/\.\d+#\d+-/g, "#-"));
  assert.deepEqual(names(after), names(before));
  assert.deepEqual(await app.pids("gone"), gone);
  assert.ok(await answers(port));
  const again = await app.up({ services });
  assert.deepEqual([again.ok, again.changed], [true, false], "the old configuration is in force");
  const [pid] = Object.values(await app.pids("web"));
  sendSignal(pid ?? 0, "SIGKILL");
  await eventually(() => answers(port), "a crash is answered by a restart");
});

test("the rollback of an up does not run a completed one-off service again", async (t) => {
  const app = new SupervisedApp(t);
  const log = app.write("log", "");
  const migrate = (version: string, code: number): Record<string, unknown> => ({
    run: `echo ${version} >> ${log}; exit ${code}`,
    restart: "never",
  });
  const done = migrate("done", 0);
  assert.ok((await app.up({ services: { done, own: migrate("own", 0), web: worker() } })).ok);
  // One of them fails itself; the other succeeds in an `up` that fails elsewhere.
  for (const services of [
    { done, own: migrate("own-bad", 3), web: worker() },
    { done: migrate("done-2", 0), own: migrate("own", 0), web: worker({ run: "exit 1" }) },
  ]) {
    const up = await app.up({ services });
    assert.equal(up.ok, false);
    for (const name of ["done", "own"]) assert.equal((await app.service(name)).state, "completed");
  }
  const runs = readFileSync(log, "utf8").trim().split("\n").toSorted();
  assert.deepEqual(runs, ["done", "done-2", "own", "own-bad"]);
});

test("a changed port, a port that moves and a new name lose no request", async (t) => {
  const app = new SupervisedApp(t);
  const [a, b] = [await freePort(), await freePort()];
  assert.ok((await app.up({ services: { web: server(a) } })).ok);
  const abort = new AbortController();
  cleanUp(t, () => abort.abort());
  const failures: unknown[] = [];
  let count = 0;
  const load = (async () => {
    while (!abort.signal.aborted) {
      try {
        assert.equal(await (await fetch(`http://127.0.0.1:${a}/echo/7`)).text(), "7");
      } catch (error) {
        failures.push(error);
      }
      count += 1;
    }
  })();
  // The port moves from one service to another, which is the only one then.
  await succeeds(app.up({ services: { web: server(b), site: server(a) } }));
  assert.ok(await answers(b));
  await succeeds(
    app.up({
      sockets: { main: { host: "127.0.0.1", port: a } },
      services: { site: server(a, { listen: "main" }) },
    }),
  );
  assert.equal(await answers(b), false, "its socket is gone");
  const pids = await app.pids("site");
  await succeeds(
    app.up({
      name: "store",
      services: { site: server(a, { listen: "main" }) },
      sockets: { main: { host: "127.0.0.1", port: a } },
    }),
  );
  assert.deepEqual(await app.pids("site"), pids, "an app that is renamed keeps its processes");
  assert.deepEqual(
    (await (await app.supervisor()).apps()).map(({ name }) => name),
    ["store"],
  );
  await app.killSupervisor();
  assert.deepEqual(await app.pids("site"), pids);
  assert.ok((await app.verb("reload", "site")).ok);
  abort.abort();
  await load;
  assert.deepEqual(failures, []);
  assert.ok(count > 0);
});

test("an address of another app is refused with the name of that app", async (t) => {
  const app = new SupervisedApp(t);
  const port = await freePort();
  assert.ok((await app.up({ services: { web: server(port) } })).ok);
  const other = await app.configure({ name: "other", services: { web: server(port) } });
  const elsewhere = { ...other, file: join(app.directory, "other", "newel.config.mjs") };
  const plan = (await app.supervisor()).plan(elsewhere);
  await assert.rejects(plan, (error) => {
    assert.ok(hasCode(error, "NEWEL_E_ADDRESS_TAKEN"));
    assert.match(String(error), /newel holds it for the app app/);
    return true;
  });
});

test("ups of one app run one after the other; a down ends an up under way, and nothing is left", async (t) => {
  const app = new SupervisedApp(t);
  const port = await freePort();
  const slow = worker({ ready: { log: "never", timeout: "60s" } });
  const first = app.up({ services: { web: server(port), slow } });
  await eventually(
    async () => (await app.service("slow").catch(() => undefined))?.state === "starting",
    "it is under way",
  );
  const supervisor = await app.supervisor();
  const config = await app.configure({ services: { web: server(port) } });
  const second = supervisor.up(config, { wait: true })[Symbol.asyncIterator]();
  const waits = await second.next();
  assert.deepEqual(waits.value, {
    type: "note",
    text: "waits for the up of app that is under way",
  });
  const down = await Array.fromAsync(supervisor.down("app"));
  assert.equal(down.at(-1)?.type, "end");
  assert.equal((await first).ok, false);
  const ends: unknown[] = [];
  for (let next = await second.next(); next.done !== true; next = await second.next())
    ends.push(next.value.type);
  assert.deepEqual(ends, ["failed", "end"], "the down that came later ends it too");
  assert.deepEqual((await supervisor.hello()).apps, []);
  assert.deepEqual(await app.running(), []);
  assert.deepEqual(await (await app.kernel()).sockets.list(), []);
});

test("a supervisor that dies in the middle of an up leaves the configuration of before", async (t) => {
  const app = new SupervisedApp(t);
  const port = await freePort();
  const slow = (name: string): object => worker({ ready: { log: name, timeout: "60s" } });
  const dies = async (services: Record<string, unknown>, service: string): Promise<void> => {
    const up = app.up({ services }).catch(() => undefined);
    await eventually(
      async () => Object.keys(await app.pids(service).catch(() => ({}))).length > 0,
      "it is under way",
    );
    await app.killSupervisor();
    await up;
    await app.supervisor();
  };
  await dies({ web: server(port), slow: slow("never") }, "slow");
  await eventually(async () => (await app.running()).length === 0, "a first up leaves nothing");
  await eventually(
    async () => (await (await app.supervisor()).hello()).apps.length === 0,
    "no app is left",
  );

  assert.ok((await app.up({ services: { web: server(port) } })).ok);
  const pids = await app.pids("web");
  await dies({ web: server(port), slow: slow("never") }, "slow");
  await eventually(async () => (await app.running()).length === 1, "the new service is ended");
  assert.deepEqual(await app.pids("web"), pids);
  assert.deepEqual(
    (await (await app.supervisor()).list({ names: [] })).map(({ name }) => name),
    ["web"],
  );
});

test("scale and reload that fail leave number, processes and desired state", async (t) => {
  const app = new SupervisedApp(t);
  const flag = join(app.directory, "broken");
  const picky = worker({
    run: `test -e ${flag} && exit 3; echo up; exec sleep 1000`,
    ready: { log: "up", stable: "10ms" },
    reload: { order: "start-first" },
  });
  assert.ok((await app.up({ services: { a: picky, b: worker() } })).ok);
  app.write("broken", "");
  const before = await stateOf(app);
  const supervisor = await app.supervisor();
  const scale = await Array.fromAsync(
    supervisor.scale(
      [
        { service: "a", replicas: 3, relative: false },
        { service: "b", replicas: 2, relative: false },
      ],
      undefined,
    ),
  );
  assert.deepEqual(scale.at(-1), { type: "end", ok: false, changed: true });
  assert.deepEqual(await stateOf(app), before);
  assert.equal((await app.verb("reload", "a")).ok, false);
  assert.deepEqual(await stateOf(app), before);
});

test("a restart whose program is gone is refused before anything is stopped", async (t) => {
  const app = new SupervisedApp(t);
  app.write("bin/tool", "#!/bin/sh\nexec sleep 1000\n");
  chmodSync(join(app.directory, "bin/tool"), 0o700);
  assert.ok((await app.up({ services: { tool: worker({ run: ["bin/tool"] }) } })).ok);
  const pids = await app.pids("tool");
  rmSync(join(app.directory, "bin/tool"));
  const restart = await app.verb("restart", "tool");
  assert.equal(restart.failed[0]?.code, "NEWEL_E_CANNOT_START");
  assert.deepEqual(await app.pids("tool"), pids);
});

test("a kernel that comes back with less state: ps shows the processes that run", async (t) => {
  const app = new SupervisedApp(t);
  assert.ok(
    (await app.up({ services: { s: worker({ run: ["sleep", "1000"], replicas: 2 }) } })).ok,
  );
  const before = await app.pids("s");
  const kernel = await app.kernel();
  const { pid } = await kernel.status();
  const { pid: supervisor } = await (await app.supervisor()).hello();
  const [lost] = (await app.running()).filter((name) => name.startsWith("app/s.2"));
  cleanUp(t, () => sendSignal(supervisor, "SIGCONT"));
  // Frozen while it happens, so that the next kernel is started after the damage.
  sendSignal(supervisor, "SIGSTOP");
  sendSignal(pid, "SIGKILL");
  await eventually(() => !isRunning(pid), "the kernel is gone");
  const text = readFileSync(app.home.journal, "latin1");
  assert.ok(lost !== undefined && text.includes(lost));
  writeFileSync(app.home.journal, text.replaceAll(lost, lost.toUpperCase()), "latin1");
  sendSignal(supervisor, "SIGCONT");
  await eventually(
    async () => {
      const shown = Object.values(await app.pids("s"));
      const list = (await kernel.processes.list()).filter(({ running }) => running);
      const running = new Set(list.map(({ pid }) => pid));
      // The process is adopted, or ended and replaced.
      const left = Object.values(before).filter((each) => isAlive(each));
      return (
        (await app.service("s")).ready === 2 &&
        shown.length === 2 &&
        running.size === 2 &&
        [...shown, ...left].every((each) => running.has(each))
      );
    },
    "what ps shows is what runs",
    60_000,
  );
  assert.equal((await app.pids("s"))["s.1"], before["s.1"]);
});
