import assert from "node:assert/strict";
import { chmodSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { eventually, freePort } from "../helpers/resources.ts";
import { SupervisedApp } from "../helpers/supervised.ts";

async function answer(port: number): Promise<string> {
  return (await fetch(`http://127.0.0.1:${port}/`)).text();
}

test("an app that is compiled by a require hook starts as with node alone", async (t) => {
  const port = await freePort();
  const app = new SupervisedApp(t);
  app.write(
    "hook.js",
    `require("module")._extensions[".foo"] = (module, file) =>
       module._compile(require("fs").readFileSync(file, "utf8").replace("PORT", "${port}"), file);`,
  );
  app.write(
    "app.foo",
    `require("http").createServer((request, response) => response.end("compiled")).listen(PORT);`,
  );
  const web = { node: "app.foo", nodeArgs: ["--require", "./hook.js"], listen: port };
  const outcome = await app.up({ services: { web } });
  assert.ok(outcome.ok, JSON.stringify(outcome.failed));
  assert.equal(await answer(port), "compiled");
});

const ENTRIES = {
  "app.cjs": "report(String(require.main === module && this === module.exports));",
  "app.js": "report(String(require.main === module && typeof module === 'object'));",
  "app.mjs":
    "await 1; report(String(import.meta.url.endsWith('app.mjs') && import.meta.main !== false));",
};
for (const [name, code] of Object.entries(ENTRIES)) {
  test(`the entry ${name} is loaded as node alone would load it`, async (t) => {
    const app = new SupervisedApp(t);
    app.write(
      name,
      `const report = (text) => process.getBuiltinModule("fs").writeFileSync("seen", text + " " + process.execArgv.length);
       ${code}
       setInterval(() => {}, 1000);`,
    );
    const outcome = await app.up({
      services: { app: { node: name, nodeArgs: ["--no-warnings"] } },
    });
    assert.ok(outcome.ok, JSON.stringify(outcome.failed));
    const seen = join(app.directory, "seen");
    await eventually(() => existsSync(seen) && readFileSync(seen, "utf8") !== "", "it has run");
    assert.equal(readFileSync(seen, "utf8"), "true 1");
  });
}

test("NODE_OPTIONS of the configuration is kept", async (t) => {
  const port = await freePort();
  const app = new SupervisedApp(t);
  app.write("own hook.cjs", "globalThis.hooked = 'hooked';");
  app.write(
    "app.cjs",
    `require("http").createServer((request, response) => response.end(globalThis.hooked)).listen(${port});`,
  );
  const env = { NODE_OPTIONS: '--require "./own hook.cjs"' };
  const outcome = await app.up({ services: { web: { node: "app.cjs", listen: port, env } } });
  assert.ok(outcome.ok, JSON.stringify(outcome.failed));
  assert.equal(await answer(port), "hooked");
});

test("a service runs on the Node.js that its configuration names, by path or by name", async (t) => {
  const port = await freePort();
  const app = new SupervisedApp(t);
  const text = `#!/bin/sh\nOWN_NODE=$0 exec "${process.execPath}" "$@"\n`;
  const own = app.write("own/bin/own-node", text);
  chmodSync(own, 0o755);
  app.write(
    "app.cjs",
    `require("http").createServer((request, response) => response.end(process.env.OWN_NODE)).listen(${port});`,
  );
  const path = `${join(app.directory, "own/bin")}:${process.env["PATH"]}`;
  for (const settings of [
    { nodePath: "own/bin/own-node" },
    { nodePath: "own-node", env: { PATH: path } },
  ]) {
    const web = { node: "app.cjs", listen: port, ready: { stable: "100ms" }, ...settings };
    const outcome = await app.up({ services: { web } });
    assert.ok(outcome.ok, JSON.stringify(outcome.failed));
    assert.equal(await answer(port), own);
  }
});

test('ready: { notify: true } waits for process.send("ready") of an app that listens already', async (t) => {
  const port = await freePort();
  const app = new SupervisedApp(t);
  app.write(
    "app.cjs",
    `require("http").createServer((request, response) => {
       if (request.url === "/warm") process.send("ready");
       response.end("ok");
     }).listen(${port});`,
  );
  const web = { node: "app.cjs", listen: port, ready: { notify: true } };
  const up = app.up({ services: { web } });
  await eventually(async () => (await answer(port).catch(() => "")) === "ok", "it serves");
  assert.equal((await app.service("web")).processes[0]?.ready, false);
  await fetch(`http://127.0.0.1:${port}/warm`);
  assert.ok((await up).ok);
});
