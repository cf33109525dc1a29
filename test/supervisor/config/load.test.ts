import assert from "node:assert/strict";
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { test } from "node:test";

import { startProcess } from "../../helpers/resources.ts";
import { sendSignal } from "../../helpers/signals.ts";
import { bareEnvironment, load, loadError, makeApp, serviceOf } from "./app.ts";

test("every default is filled in", async (t) => {
  const directory = makeApp(t, {
    "my shop/newel.config.ts": 'export default { services: { clock: { run: "date" } } };',
  });
  const config = await load(join(directory, "my shop"));
  assert.deepEqual(config, {
    name: "my-shop",
    nameFrom: "directory",
    file: join(directory, "my shop/newel.config.ts"),
    sockets: [],
    services: [
      {
        name: "clock",
        enabled: true,
        command: { kind: "shell", line: "date" },
        cwd: join(directory, "my shop"),
        base: { PATH: bareEnvironment["PATH"] },
        env: {},
        binDirectories: [],
        replicaVariables: [],
        listen: [],
        replicas: 1,
        ready: { probe: { kind: "alive" }, afterMs: 1000, timeoutMs: 30_000, stableMs: 3000 },
        stop: { signal: "SIGTERM", scope: "auto", graceMs: 10_000, lingerMs: 1000 },
        reload: { order: "stop-first" },
        restart: {
          policy: "always",
          max: 10,
          withinMs: 60_000,
          backoff: { minMs: 100, maxMs: 15_000 },
          whenFailed: "refuse",
        },
        dependsOn: {},
        logs: { bufsizeBytes: 64_000_000, stderr: "separate" },
        hash: serviceOf(config, "clock").hash,
      },
    ],
  });
  assert.match(serviceOf(config, "clock").hash, /^[0-9a-f]{64}$/);
});

const FULL = `
import { defineConfig } from "newel";
export default defineConfig({
  name: "shop",
  sockets: {
    web: { port: 3000, host: "127.0.0.1", backlog: 100 },
    local: { path: "./run/x.sock", umask: "007" },
  },
  services: {
    web: {
      node: "server.ts",
      args: ["--verbose"],
      nodeArgs: ["--enable-source-maps"],
      listen: ["web", "local", 8080, "[::1]:9000"],
      replicas: "cpus",
      cwd: ".",
      ready: { http: "/healthz", after: "2s", timeout: "15s", stable: "0s" },
      stop: { signal: "SIGINT", grace: "500ms" },
      restart: { policy: "on-failure", max: 3, within: "5m", backoff: { min: "1s", max: "1m" } },
      dependsOn: { migrate: "completed", off: "ready", clock: "started" },
      logs: { bufsize: "1MiB", stderr: "stdout" },
      umask: "027",
    },
    clock: { run: ["date"], listen: 3000, replicas: 0, dependsOn: ["off"], ready: { notify: true } },
    migrate: { run: "true", restart: "never", ready: { log: "done" } },
    off: { run: "x", enabled: false, ready: { tcp: "localhost:6380" } },
  },
});
`;

test("everything that can be written comes out as plain data", async (t) => {
  const directory = makeApp(t, { "newel.config.ts": FULL });
  const config = await load(directory);
  assert.equal(config.name, "shop");
  assert.deepEqual(
    config.sockets.map(({ name }) => name),
    ["web", "local", "port.8080", "port.__1.9000"],
  );
  const web = serviceOf(config, "web");
  assert.deepEqual(web.command, {
    kind: "node",
    nodePath: process.execPath,
    nodeArgs: ["--enable-source-maps"],
    file: join(directory, "server.ts"),
    args: ["--verbose"],
  });
  const [tcp, unix, everywhere, ipv6] = web.listen;
  assert.deepEqual(tcp, { name: "web", backlog: 100, host: "127.0.0.1", port: 3000 });
  assert.deepEqual(unix, {
    name: "local",
    backlog: 4096,
    path: join(directory, "run/x.sock"),
    umask: 0o007,
  });
  // The host is that of the app's own listen().
  assert.deepEqual(everywhere, { name: "port.8080", backlog: 4096, port: 8080 });
  assert.deepEqual([ipv6?.host, ipv6?.port], ["::1", 9000]);
  assert.equal(web.replicas, availableParallelism());
  assert.deepEqual(web.ready, {
    probe: { kind: "http", path: "/healthz" },
    afterMs: 2000,
    timeoutMs: 15_000,
    stableMs: 0,
  });
  // The default linger is never longer than the grace.
  assert.deepEqual(web.stop, { signal: "SIGINT", scope: "auto", graceMs: 500, lingerMs: 500 });
  assert.deepEqual(web.restart, {
    policy: "on-failure",
    max: 3,
    withinMs: 300_000,
    backoff: { minMs: 1000, maxMs: 60_000 },
    whenFailed: "refuse",
  });
  assert.deepEqual(web.dependsOn, { migrate: "completed", clock: "started" });
  assert.deepEqual(web.logs, { bufsizeBytes: 1_048_576, stderr: "stdout" });
  assert.equal(web.umask, 0o027);

  const clock = serviceOf(config, "clock");
  assert.deepEqual(clock.command, { kind: "exec", args: ["date"], program: "/usr/bin/date" });
  // A port finds the declared socket that has it.
  assert.deepEqual(clock.listen, [tcp]);
  assert.equal(clock.replicas, 0);
  assert.deepEqual(clock.dependsOn, {});
  assert.deepEqual(clock.ready.probe, { kind: "notify", app: true });
  assert.deepEqual(serviceOf(config, "migrate").ready.probe, { kind: "log", text: "done" });
  const off = serviceOf(config, "off");
  assert.equal(off.enabled, false);
  assert.deepEqual(off.ready.probe, { kind: "tcp", host: "localhost", port: 6380 });
});

test("readiness defaults by the kind of a service", async (t) => {
  const directory = makeApp(t, {
    "newel.config.json": JSON.stringify({
      sockets: { unix: { path: "x.sock" } },
      services: {
        listens: { node: "server.ts", listen: 3000 },
        timed: { node: "server.ts", listen: 3000, ready: { timeout: "5s" } },
        byTime: { node: "server.ts", listen: 3000, ready: { notify: false } },
        worker: { node: "server.ts" },
        other: { run: "npm start", listen: 3000 },
        reports: { node: "server.ts", listen: 3000, ready: { notify: true } },
        asked: { run: "x", listen: "127.0.0.1:8000", ready: { http: "/h?x=1" } },
        askedBy: { run: "x", listen: "unix", ready: { http: "/h" } },
        url: { run: "x", ready: { http: "http://[::1]:8001/h?x=1" } },
      },
    }),
  });
  const config = await load(directory);
  const ready = (name: string): unknown => {
    const { probe, afterMs } = serviceOf(config, name).ready;
    return [probe, afterMs];
  };
  assert.deepEqual(ready("listens"), [{ kind: "notify" }, 0]);
  assert.deepEqual(ready("timed"), [{ kind: "notify" }, 0]);
  assert.deepEqual(ready("byTime"), [{ kind: "alive" }, 1000]);
  assert.deepEqual(ready("other"), [{ kind: "listen" }, 0]);
  assert.deepEqual(ready("reports"), [{ kind: "notify", app: true }, 0]);
  assert.deepEqual(ready("worker"), [{ kind: "alive" }, 1000]);
  const asked = { host: "127.0.0.1", port: 8000 };
  assert.deepEqual(ready("asked"), [
    { kind: "http", path: "/h?x=1", address: asked, own: true, hostHeader: "127.0.0.1:8000" },
    0,
  ]);
  assert.deepEqual(ready("askedBy"), [
    {
      kind: "http",
      path: "/h",
      address: { path: join(directory, "x.sock") },
      own: true,
      hostHeader: "localhost",
    },
    0,
  ]);
  assert.deepEqual(ready("url"), [
    {
      kind: "http",
      path: "/h?x=1",
      address: { host: "::1", port: 8001 },
      hostHeader: "[::1]:8001",
    },
    0,
  ]);
});

test("a problem names its file relative to the caller's directory", async (t) => {
  const directory = makeApp(t, {
    "newel.config.ts": "\nexport default { services: { a: {} } };",
    "a/b/c/x": "",
  });
  const near = await loadError(join(directory, "a/b"));
  assert.match(near.message, /^\.\.\/\.\.\/newel\.config\.ts:2 {2}services\.a has nothing to run/);
  const far = await loadError(join(directory, "a/b/c"));
  assert.ok(far.message.startsWith(resolve(directory, "newel.config.ts:2  ")), far.message);
});

test("the configuration is evaluated in its own directory and in the caller's environment", async (t) => {
  const directory = makeApp(t, {
    "newel.config.ts": `export default {
      name: process.env.APP,
      services: { a: { run: process.cwd() + process.env.PWD + (process.env.NEWEL_TEST_PARENT ?? "") } },
    };`,
    "sub/x": "",
  });
  process.env["NEWEL_TEST_PARENT"] = "leaked";
  t.after(() => delete process.env["NEWEL_TEST_PARENT"]);
  const cwd = join(directory, "sub");
  const config = await load(cwd, { environment: { ...bareEnvironment, APP: "from-caller" } });
  assert.equal(config.name, "from-caller");
  assert.deepEqual(serviceOf(config, "a").command, { kind: "shell", line: directory + directory });
});

test("a configuration that leaves things running is read at once and ends", async (t) => {
  const directory = makeApp(t, {
    "newel.config.ts": `
      import { createServer } from "node:net";
      createServer().listen(0);
      setInterval(() => {}, 1000);
      process.on("SIGTERM", () => {});
      export default { name: String(process.pid), services: {} };`,
  });
  const { name } = await load(directory, { limitMs: 240_000 });
  assert.throws(() => sendSignal(Number(name), 0), { code: "ESRCH" });
});

test("the evaluation of a configuration that never ends is aborted", async (t) => {
  const busy = makeApp(t, { "newel.config.ts": "for (;;);\nexport default {};" });
  const error = await loadError(busy, { limitMs: 400 });
  assert.match(error.message, /^newel\.config\.ts {2}The file was not read within 0\.4 s/);
  const waiting = makeApp(t, {
    "newel.config.ts": "await new Promise((r) => setTimeout(r, 60_000));\nexport default {};",
  });
  assert.match((await loadError(waiting, { limitMs: 400 })).message, /was not read within 0\.4 s/);
});

test("output of the configuration does not disturb the report", async (t) => {
  const directory = makeApp(t, {
    "newel.config.ts": `
      console.log('{"type":"value","value":{},"findings":[]}');
      console.error("to stderr");
      export default { name: "quiet", services: {} };`,
    "main.ts": `
      import { loadConfig } from ${JSON.stringify(resolve("src/supervisor/config/load.ts"))};
      const { name } = await loadConfig({ cwd: process.cwd(), environment: process.env });
      console.log(name);`,
  });
  const child = startProcess(t, process.execPath, ["main.ts"], { cwd: directory });
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const)
    child[name]?.on("data", (chunk: Buffer) => (output[name] += chunk.toString()));
  await once(child, "close");
  assert.equal(output.stdout, "quiet\n");
  assert.match(output.stderr, /"findings"[^]*to stderr/);
});

test("a configuration that writes into newel's descriptor is refused", async (t) => {
  const directory = makeApp(t, {
    "newel.config.ts": `
      import { writeSync } from "node:fs";
      writeSync(3, "hello\\n");
      export default { services: {} };`,
  });
  assert.match((await loadError(directory)).message, /wrote into descriptor 3/);
});

test("a large configuration arrives whole", async (t) => {
  const directory = makeApp(t, {
    "newel.config.ts": `export default { services: Object.fromEntries(
      Array.from({ length: 500 }, (_, i) => ["s" + i, { run: "x".repeat(2000) }])) };`,
  });
  const { services } = await load(directory);
  assert.equal(services.length, 500);
  assert.deepEqual(services.at(-1)?.command, { kind: "shell", line: "x".repeat(2000) });
  const huge = makeApp(t, {
    "newel.config.ts": 'export default { services: {}, name: "x".repeat(20_000_000) };',
  });
  assert.match((await loadError(huge)).message, /exports more than 16 MiB/);
});

test("a disabled service binds nothing and delays no other service", async (t) => {
  const directory = makeApp(t, {
    "newel.config.ts": `
      const env = { SHARED: "1" };
      export default {
        services: {
          web: { node: "server.ts", env, listen: 3000, dependsOn: { old: "completed" } },
          old: { node: "gone.ts", env, listen: "127.0.0.1:3000", enabled: false, dependsOn: ["web"] },
        },
      };`,
  });
  const config = await load(directory);
  assert.deepEqual(
    config.sockets.map(({ name }) => name),
    ["port.3000"],
  );
  assert.deepEqual(serviceOf(config, "web").dependsOn, {});
});

const HOSTILE: Readonly<Record<string, string>> = {
  "a proxy that throws": "new Proxy({}, { ownKeys() { throw new Error('x'); } })",
  "a revoked proxy": "(() => { const p = Proxy.revocable({}, {}); p.revoke(); return p.proxy; })()",
  "endless depth":
    "new Proxy({}, { ownKeys: () => ['a'], get: (_, k, me) => k === 'a' ? me : undefined, getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true }) })",
  "deep lists": "JSON.parse('['.repeat(5000) + ']'.repeat(5000))",
  "many values": "{ services: {}, env: Array.from({ length: 300_000 }, () => ({})) }",
  "endless getters": "{ services: { get a() { return { get b() { throw 1; } }; } } }",
  "a thenable": "{ then() {} }",
  "a class": "class {}",
  null: "null",
  "a name that throws": "{ services: {}, env: new (class { static get name() { throw 1; } })() }",
};

for (const [title, expression] of Object.entries(HOSTILE)) {
  test(`a hostile value is refused, and ends the reading: ${title}`, async (t) => {
    const directory = makeApp(t, { "newel.config.mjs": `export default ${expression};` });
    const error = await loadError(directory, { limitMs: 240_000 });
    assert.equal(error.code, "NEWEL_E_CONFIG");
    assert.match(error.message, /^newel\.config\.mjs:1 {2}\S/);
    assert.ok(error.message.length < 2_000, `${error.message.length} characters`);
  });
}

test("hostile JSON is refused too", async (t) => {
  const deep = makeApp(t, { "newel.config.json": "[".repeat(5_000) + "]".repeat(5_000) });
  assert.match((await loadError(deep)).message, /too deep/);
  const services = { a: { run: Array.from({ length: 5000 }, (_, index) => index) } };
  const many = makeApp(t, { "newel.config.json": JSON.stringify({ services }) });
  const lines = (await loadError(many)).message.split("\n");
  assert.equal(lines.length, 101);
  assert.equal(lines.at(-1), "and 4900 more problems.");
});
