import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";

import { reboot } from "../helpers/reboot.ts";
import { cleanUp, eventually, freePort } from "../helpers/resources.ts";
import { fixtureApp, SupervisedApp } from "../helpers/supervised.ts";

test("after a reboot every service runs as before, and a port that is taken keeps only its own service waiting", async (t) => {
  const app = new SupervisedApp(t);
  const [port, six] = [await freePort(), await freePort()];
  const path = join(app.directory, "s.sock");
  const code = `require("http").createServer((q, r) => r.end("ok")).listen(process.env.AT)`;
  app.write("unix.cjs", code);
  const config = {
    sockets: { local: { path }, six: { host: "::1", port: six } },
    services: {
      web: {
        node: fixtureApp("http"),
        listen: `127.0.0.1:${port}`,
        env: { PORT: String(port) },
        restart: { max: 1, within: "1m", backoff: { min: "20ms", max: "20ms" } },
      },
      unix: { node: "unix.cjs", listen: "local", env: { AT: path } },
      six: { run: "exec sleep 1000", listen: "six", replicas: 2, ready: { after: "10ms" } },
      off: { run: "exec sleep 1000", ready: { after: "10ms" } },
    },
  };
  assert.ok((await app.up(config)).ok);
  assert.ok((await app.verb("stop", "off")).ok);
  assert.ok((await app.scale("six", 3)).ok);
  await reboot(app);

  const thief = createServer().listen(port, "127.0.0.1");
  cleanUp(t, () => void thief.close());
  await once(thief, "listening");
  // The next command starts the supervisor, as the unit of systemd does.
  await app.supervisor();
  const ready = async (name: string, count: number): Promise<boolean> =>
    (await app.service(name)).ready === count;
  await eventually(() => ready("unix", 1), "the service on a path", 30_000);
  await eventually(() => ready("six", 3), "the service on IPv6, with its number", 30_000);
  assert.equal((await app.service("off")).state, "stopped");
  const waits = await eventually(async () => {
    const web = await app.service("web");
    return web.state === "failed" && web;
  }, "web lacks its port");
  assert.match(waits.why ?? "", new RegExp(`another program listens on it \\(pid ${process.pid}`));

  thief.close();
  await once(thief, "close");
  await eventually(() => ready("web", 1), "its port is free, and it is tried again", 60_000);
  assert.equal(await (await fetch(`http://127.0.0.1:${port}/echo/7`)).text(), "7");
});

test("a one-off service that has completed is not run again after a reboot, and is by a command", async (t) => {
  const app = new SupervisedApp(t);
  const file = join(app.directory, "runs.txt");
  const lines = (name: string): number =>
    readFileSync(file, "utf8")
      .split("\n")
      .filter((line) => line === name).length;
  const oneOff = (name: string): object => ({
    run: `echo ${name} >> ${file}`,
    restart: "on-failure",
  });
  const config = {
    services: {
      migrate: oneOff("migrate"),
      twice: { ...oneOff("twice"), replicas: 2 },
      web: {
        run: "exec sleep 1000",
        dependsOn: { migrate: "completed" },
        ready: { after: "10ms" },
      },
    },
  };
  assert.ok((await app.up(config)).ok);
  for (let boot = 1; boot <= 2; boot += 1) {
    await reboot(app);
    await app.supervisor();
    await eventually(async () => (await app.service("web")).ready === 1, "web runs", 30_000);
    assert.equal((await app.service("migrate")).state, "completed");
    assert.equal((await app.service("twice")).state, "completed");
    assert.deepEqual([lines("migrate"), lines("twice")], [1, 2]);
  }
  assert.ok((await app.up(config)).ok);
  assert.equal(lines("migrate"), 1, "up finds nothing to do");

  assert.ok((await app.verb("restart", "migrate")).ok);
  assert.equal(lines("migrate"), 2, "a command runs it again");
  await reboot(app);
  await app.supervisor();
  const changed = { ...config.services, migrate: { ...oneOff("migrate"), env: { NEW: "1" } } };
  assert.ok((await app.up({ services: changed })).ok);
  assert.equal(lines("migrate"), 3, "it runs again with other settings");
});
