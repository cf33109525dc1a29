import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { rmSync, writeFileSync } from "node:fs";
import { test } from "node:test";

import { decideTreatment } from "../../src/supervisor/refusing.ts";
import { eventually, freePort } from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";
import { SupervisedApp } from "../helpers/supervised.ts";

const refuse = "refuse" as const;

test("clients are refused once every service of a socket has failed, and never while one may come back", () => {
  const user = (state: Parameters<typeof decideTreatment>[0][number]["state"]) => ({
    state,
    whenFailed: refuse,
  });
  assert.equal(decideTreatment([user("failed")]), "refuse");
  assert.equal(decideTreatment([user("failed"), user("failed")]), "refuse");
  for (const other of ["starting", "running", "stopping", "backoff"] as const) {
    assert.equal(decideTreatment([user(other)]), "serve");
    assert.equal(decideTreatment([user("failed"), user(other)]), "serve");
  }
  assert.equal(decideTreatment([user("stopped")]), undefined, "a stop changes nothing");
  assert.equal(decideTreatment([user("failed"), user("stopped")]), "serve");
  assert.equal(decideTreatment([]), undefined);
  assert.equal(decideTreatment([{ state: "failed", whenFailed: "wait" }]), "serve");
});

/** The result of a connection: `refused`, `closed`, `answered`, or `waits` after a while. */
async function meet(address: { port: number } | { path: string }): Promise<string> {
  const socket = connect({ ...address, host: "127.0.0.1" });
  socket.write("GET / HTTP/1.0\r\n\r\n");
  const { promise, resolve } = Promise.withResolvers<string>();
  socket.on("error", (error: NodeJS.ErrnoException) =>
    resolve(error.code === "ECONNREFUSED" ? "refused" : "closed"),
  );
  socket.on("data", () => resolve("answered"));
  socket.on("end", () => resolve("closed"));
  const timer = setTimeout(resolve, 2_000, "waits");
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    socket.destroy();
    await once(socket, "close");
  }
}

test("a service that has failed refuses its clients until it is started, also over the death of its daemons", async (t) => {
  const app = new SupervisedApp(t);
  const port = await freePort();
  const path = join(app.directory, "s.sock");
  const broken = join(app.directory, "broken");
  app.write(
    "server.mjs",
    `import http from "node:http"; import fs from "node:fs";
     if (fs.existsSync(${JSON.stringify(broken)})) process.exit(3);
     const serve = (q, r) => r.end("ok");
     http.createServer(serve).listen(${port}, "127.0.0.1");
     if (process.env.UNIX) http.createServer(serve).listen(${JSON.stringify(path)});`,
  );
  const restart = { max: 1, within: "1m", backoff: { min: "20ms", max: "20ms" } };
  const web = {
    node: "server.mjs",
    listen: [`127.0.0.1:${port}`, "unix"],
    env: { UNIX: "1" },
    restart,
  };
  const config = { sockets: { unix: { path } }, services: { web } };
  assert.ok((await app.up(config)).ok);
  assert.equal(await meet({ port }), "answered");

  writeFileSync(broken, "");
  for (const pid of Object.values(await app.pids("web"))) sendSignal(pid, "SIGKILL");
  await eventually(async () => (await app.service("web")).state === "failed", "it is given up");
  await eventually(async () => (await meet({ port })) === "refused", "TCP clients are refused");
  await eventually(async () => (await meet({ path })) === "closed", "Unix clients are refused");

  const kernel = await app.kernel();
  sendSignal((await kernel.status()).pid, "SIGKILL");
  await eventually(async () => (await meet({ port })) === "refused", "still after the kernel died");
  await eventually(
    async () => (await kernel.sockets.list()).every(({ refusing }) => refusing === true),
    "the next kernel refuses too",
  );

  rmSync(broken);
  assert.ok((await app.verb("start", "web")).ok);
  assert.equal(await meet({ port }), "answered");
  assert.equal(await meet({ path }), "answered");
});

test("with whenFailed wait the clients of a failed service wait", async (t) => {
  const app = new SupervisedApp(t);
  const port = await freePort();
  const once = { max: 1, within: "1m", backoff: { min: "20ms", max: "20ms" } };
  const web = { run: "sleep 1000", listen: `127.0.0.1:${port}`, ready: { after: "10ms" } };
  const restart = { ...once, whenFailed: "wait" };
  assert.ok((await app.up({ services: { web: { ...web, restart } } })).ok);
  for (let left = 2; left > 0; left -= 1) {
    const pids = await eventually(async () => {
      const found = Object.values(await app.pids("web"));
      return found.length > 0 && found;
    }, "it runs");
    for (const pid of pids) sendSignal(pid, "SIGKILL");
    await eventually(
      async () => !Object.values(await app.pids("web")).some((pid) => pids.includes(pid)),
      "it ended",
    );
  }
  await eventually(async () => (await app.service("web")).state === "failed", "it is given up");
  assert.equal(await meet({ port }), "waits");
});
