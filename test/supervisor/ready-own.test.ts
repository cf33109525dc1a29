import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";

import { cleanUp, freePort } from "../helpers/resources.ts";
import { SupervisedApp } from "../helpers/supervised.ts";

/** A server on a port that answers with its pid after `delayMs`. */
function server(port: number, delayMs: number): string {
  return `setTimeout(() => require('http').createServer((q, r) => r.end(process.env.BUILD + ' ' + process.pid)).listen(${port}, '127.0.0.1'), ${delayMs})`;
}

test("a replica is not ready because another replica answers at its address", async (t) => {
  for (const probe of ["http", "tcp"]) {
    const app = new SupervisedApp(t);
    const port = await freePort();
    app.write("app.cjs", server(port, 400));
    const ready =
      probe === "http"
        ? { http: `http://127.0.0.1:${port}/`, timeout: "20s" }
        : { tcp: `127.0.0.1:${port}`, timeout: "20s" };
    const web = { run: [process.execPath, "app.cjs"], ready, restart: "never" };
    const up = await app.up({ services: { web } });
    assert.ok(up.ok, JSON.stringify(up));
    const before = await app.pids("web");
    const scale = await app.scale("web", 2);
    assert.equal(scale.ok, false);
    assert.match(scale.failed[0]?.message ?? "", /web\.2 did not get ready/);
    assert.ok(scale.failed[0]?.lines.some((line) => line.includes("EADDRINUSE")));
    // A failed scale changes nothing.
    assert.deepEqual(await app.pids("web"), before);
    assert.equal((await app.service("web")).replicas, 1);
  }
});

test("a replica is not ready because a program that was there before answers at its address", async (t) => {
  const app = new SupervisedApp(t);
  const other = createServer((socket) => socket.on("error", () => socket.destroy()).end());
  cleanUp(t, () => void other.close());
  const port = await freePort();
  await new Promise<void>((resolve) => other.listen(port, "127.0.0.1", resolve));
  const web = {
    run: "sleep 1000",
    ready: { tcp: `127.0.0.1:${port}`, timeout: "2s" },
    stop: { grace: "1s" },
  };
  const up = await app.up({ services: { web } });
  assert.equal(up.ok, false);
  assert.match(up.failed[0]?.message ?? "", /it was not ready within 2000 ms/);
});

test("a process that the replica left in another session answers for it", async (t) => {
  const app = new SupervisedApp(t);
  const port = await freePort();
  app.write("app.cjs", server(port, 0));
  const web = {
    run: `setsid ${process.execPath} app.cjs & exec sleep 1000`,
    ready: { http: `http://127.0.0.1:${port}/`, timeout: "20s" },
  };
  const up = await app.up({ services: { web } });
  assert.ok(up.ok, JSON.stringify(up));
});

test("a service that binds its own port takes changed settings and new code by stop-first", async (t) => {
  const app = new SupervisedApp(t);
  const port = await freePort();
  app.write("app.cjs", server(port, 200));
  const config = (build: string): { services: Record<string, unknown> } => ({
    services: {
      web: {
        run: [process.execPath, "app.cjs"],
        env: { BUILD: build },
        ready: { http: `http://127.0.0.1:${port}/`, timeout: "20s", stable: "50ms" },
      },
    },
  });
  const answer = async (): Promise<string> => (await fetch(`http://127.0.0.1:${port}/`)).text();
  assert.ok((await app.up(config("one"))).ok);
  const up = await app.up(config("two"));
  assert.ok(up.ok, JSON.stringify(up));
  assert.deepEqual(up.steps.slice(0, 2), ["stop web.1", "start web.1"]);
  const before = await answer();
  assert.match(before, /^two /);
  assert.ok((await app.verb("reload", "web")).ok);
  assert.match(await answer(), /^two /);
  assert.notEqual(await answer(), before);
});

test("a service that is stopped first for new settings gets its former ones back when they fail", async (t) => {
  const app = new SupervisedApp(t);
  const config = (build: string): { services: Record<string, unknown> } => ({
    services: {
      worker: {
        run: `test $BUILD = good && exec sleep 1000; echo broken build; exit 3`,
        env: { BUILD: build },
        ready: { after: "300ms", stable: "50ms" },
      },
    },
  });
  assert.ok((await app.up(config("good"))).ok);
  const up = await app.up(config("bad"));
  assert.equal(up.ok, false);
  assert.ok(up.failed.some(({ lines }) => lines.includes("broken build")));
  const view = await app.service("worker");
  assert.equal(view.state, "running");
  assert.equal(view.ready, 1);
  const again = await app.up(config("good"));
  assert.deepEqual([again.ok, again.changed], [true, false]);
});
