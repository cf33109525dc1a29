// Apps are reached where their own listen() is, through everything that a supervisor does to them.
import assert from "node:assert/strict";
import { test } from "node:test";

import { everyAddress, hasIpv6, reachable } from "../helpers/reach.ts";
import { eventually, freePort } from "../helpers/resources.ts";
import { SupervisedApp } from "../helpers/supervised.ts";

const MODULES = new URL("../../node_modules/", import.meta.url).href;

/** Programs that answer with their host, by framework. */
const frameworks = {
  http: (port: number, host: string): string => `
    import http from 'node:http';
    http.createServer((request, response) => response.end('${host}')).listen(${port}, '${host}');`,
  fastify: (port: number, host: string): string => `
    import fastify from '${MODULES}fastify/fastify.js';
    const app = fastify();
    app.get('/', async () => '${host}');
    await app.listen({ port: ${port}, host: '${host}' });`,
  express: (port: number, host: string): string => `
    import express from '${MODULES}express/index.js';
    const app = express();
    app.get('/', (request, response) => response.send('${host}'));
    app.listen(${port}, '${host}');`,
};

async function answerAt(host: string, port: number): Promise<string> {
  const name = host.includes(":") ? `[${host}]` : host;
  const response = await fetch(`http://${name}:${port}/`, { headers: { connection: "close" } });
  return response.text();
}

const bothLoopbacks = everyAddress.filter((host) => host === "127.0.0.1" || host === "::1");

for (const [name, program] of Object.entries(frameworks)) {
  test(`${name}: a change of host is reloaded without a lost request, and shown`, async (t) => {
    const app = new SupervisedApp(t);
    const port = await freePort();
    const services = {
      web: { node: "app.mjs", listen: port, replicas: 2, ready: { stable: "100ms" } },
    };
    app.write("app.mjs", program(port, "localhost"));
    const first = await app.up({ services });
    assert.deepEqual(first.failed, []);
    assert.deepEqual(await reachable(port), bothLoopbacks);
    for (const host of bothLoopbacks) assert.equal(await answerAt(host, port), "localhost");
    assert.deepEqual(
      (await app.service("web")).listen,
      hasIpv6 ? [`127.0.0.1:${port}`, `[::1]:${port}`] : [`127.0.0.1:${port}`],
    );

    // A failed reload opens nothing.
    app.write("app.mjs", `${program(port, "0.0.0.0")}\nsetTimeout(() => process.exit(3), 50);`);
    assert.equal((await app.verb("reload")).ok, false);
    await eventually(
      async () => (await reachable(port)).join() === bothLoopbacks.join(),
      "the failed host is closed",
    );
    assert.equal(await answerAt("127.0.0.1", port), "localhost");

    const requests = new AbortController();
    let failures = 0;
    let served = 0;
    const client = (async () => {
      while (!requests.signal.aborted) {
        await answerAt("127.0.0.1", port).then(
          () => (served += 1),
          () => (failures += 1),
        );
      }
    })();
    app.write("app.mjs", program(port, "0.0.0.0"));
    assert.deepEqual((await app.verb("reload")).failed, []);
    await eventually(() => served > 20, "requests were served");
    requests.abort();
    await client;
    assert.equal(failures, 0);
    assert.equal(await answerAt("127.0.0.2", port), "0.0.0.0");
    assert.equal(await answerAt("127.0.0.1", port), "0.0.0.0");

    // Daemons that die change no address.
    await app.killSupervisor();
    assert.equal(await answerAt("127.0.0.2", port), "0.0.0.0");
    app.write("app.mjs", program(port, "127.0.0.1"));
    assert.deepEqual((await app.verb("restart")).failed, []);
    assert.deepEqual(await reachable(port), ["127.0.0.1"]);
    assert.deepEqual((await app.service("web")).listen, [`127.0.0.1:${port}`]);
    assert.equal((await app.verb("stop")).ok, true);
    assert.equal((await app.verb("start")).ok, true);
    assert.deepEqual(await reachable(port), ["127.0.0.1"]);
  });
}

test("an app below npm start is reached where it listens, before and after a reload", async (t) => {
  const app = new SupervisedApp(t);
  const port = await freePort();
  const scripts = { start: "node app.mjs" };
  app.write("package.json", JSON.stringify({ name: "x", private: true, scripts }));
  app.write("app.mjs", frameworks.fastify(port, "127.0.0.1"));
  const services = { web: { run: "npm start", listen: port, ready: { stable: "100ms" } } };
  assert.deepEqual((await app.up({ services })).failed, []);
  assert.equal(await answerAt("127.0.0.1", port), "127.0.0.1");
  assert.deepEqual(await reachable(port), ["127.0.0.1"]);
  assert.deepEqual((await app.verb("reload")).failed, []);
  assert.deepEqual(await reachable(port), ["127.0.0.1"]);
  assert.deepEqual((await app.service("web")).listen, [`127.0.0.1:${port}`]);
});

test("an app that asks for less than its configuration is refused with the line to write", async (t) => {
  const app = new SupervisedApp(t);
  const port = await freePort();
  app.write("app.mjs", frameworks.fastify(port, "127.0.0.1"));
  const restart = "never";
  const wide = await app.up({
    services: { web: { node: "app.mjs", listen: `0.0.0.0:${port}`, restart } },
  });
  assert.equal(wide.ok, false);
  assert.match(
    wide.failed[0]?.message ?? "",
    new RegExp(`the app asks for 127.0.0.1:${port}, .* write listen: "127.0.0.1:${port}"`),
  );
});

test("an app that listens on another port than declared is named with the fix", async (t) => {
  const app = new SupervisedApp(t);
  const [port, other] = [await freePort(), await freePort()];
  app.write("app.mjs", frameworks.http(other, "127.0.0.1"));
  const outcome = await app.up({
    services: {
      web: { node: "app.mjs", listen: port, ready: { timeout: "2s" }, restart: "never" },
    },
  });
  assert.equal(outcome.ok, false);
  assert.match(
    outcome.failed[0]?.message ?? "",
    new RegExp(`declares ${port}, and the app listens on ${other}: write listen: ${other}`),
  );
});
