import assert from "node:assert/strict";
import { test } from "node:test";

import { freePort } from "../helpers/resources.ts";
import { SupervisedApp } from "../helpers/supervised.ts";
import { startLoadProcess } from "../load/process.ts";

/** A web app that runs `extra` at its boot; `/echo/N` answers N. */
function webApp(extra: string, listen = true): string {
  return `import { createServer } from 'node:http';
const server = createServer((request, response) => {
  response.setHeader('x-pid', process.pid);
  setTimeout(() => response.end(request.url.split('/').at(-1)), request.url.startsWith('/slow') ? 400 : 0);
});
for (let line = 1; line <= 30; line += 1) console.log('boot line ' + line);
${extra}
${listen ? "server.listen(Number(process.env.PORT), '127.0.0.1');" : "setInterval(() => {}, 1000);"}
`;
}

const BROKEN = [
  {
    title: "throws at boot",
    code: webApp("throw new Error('broken build');"),
    why: /ended with exit code 1/,
    line: /broken build/,
  },
  {
    title: "never gets ready",
    code: webApp("", false),
    why: /was not ready within 2000 ms/,
    line: /boot line 30/,
  },
  {
    title: "dies after 2 s",
    code: webApp("setTimeout(() => { console.log('last word'); process.exit(3); }, 2000);"),
    why: /got ready, then ended with exit code 3/,
    line: /last word/,
  },
];

for (const { title, code, why, line } of BROKEN) {
  test(`a reload to code that ${title} leaves the old processes serving, without a failed request`, async (t) => {
    const app = new SupervisedApp(t);
    const port = await freePort();
    app.write("server.mjs", webApp(""));
    const web = {
      node: "server.mjs",
      listen: `127.0.0.1:${port}`,
      replicas: 2,
      env: { PORT: String(port) },
      ready: { timeout: "2s" },
    };
    const up = await app.up({ services: { web } });
    assert.ok(up.ok, JSON.stringify(up));
    const before = await app.pids("web");
    const load = startLoadProcess(t, port, {});

    app.write("server.mjs", code);
    const reload = await app.verb("reload", "web");
    assert.equal(reload.ok, false);
    const [failed] = reload.failed;
    assert.match(failed?.message ?? "", why);
    assert.ok(
      failed !== undefined &&
        failed.lines.length <= 20 &&
        failed.lines.some((text) => line.test(text)),
      JSON.stringify(failed),
    );
    assert.deepEqual(await app.pids("web"), before);
    const undone = await app.service("web");
    assert.equal(undone.ready, 2);
    assert.match(undone.why ?? "", /^the last reload failed and was undone: web\.\d+: /);
    assert.ok((await app.up({ services: { web } })).ok, "an up that changes nothing");
    assert.equal((await app.service("web")).why, undefined);

    app.write("server.mjs", webApp(""));
    assert.equal((await app.verb("reload", "web")).ok, true);
    const report = await load.stop();
    assert.deepEqual(report.failed, []);
    assert.ok(report.requests > 200);
    assert.equal((await app.service("web")).why, undefined);
  });
}

test("a reload starts one at a time and ends with new pids and the same numbers of processes", async (t) => {
  const app = new SupervisedApp(t);
  const port = await freePort();
  app.write("server.mjs", webApp(""));
  const web = {
    node: "server.mjs",
    listen: `127.0.0.1:${port}`,
    replicas: 3,
    env: { PORT: String(port) },
    ready: { http: "/healthz", stable: "50ms" },
  };
  assert.ok((await app.up({ services: { web } })).ok);
  const before = Object.values(await app.pids("web"));
  const reload = await app.verb("reload", "web");
  assert.ok(reload.ok);
  assert.equal(reload.steps.filter((step) => step.startsWith("start")).length, 3);
  const after = Object.values(await app.pids("web"));
  assert.equal(after.length, 3);
  assert.ok(after.every((pid) => !before.includes(pid)));
});
