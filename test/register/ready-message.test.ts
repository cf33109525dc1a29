import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { temporaryDirectory } from "../helpers/resources.ts";
import { holdSocket, startReplica } from "./replica.ts";

test('process.send("ready") writes READY=1, and any other message has no effect', async (t) => {
  const app = `
    const sent = [process.send({ ready: true }), process.send("other", undefined, (error) => {
      console.log(sent.join(), error, process.connected === true);
      process.send("ready");
      setTimeout(() => {}, 50);
    })];`;
  const replica = startReplica(t, app, [await holdSocket(t)]);
  await replica.ready;
  assert.equal(await replica.exited, 0);
  assert.equal(replica.output(), "true,true null false\n");
  assert.deepEqual(replica.said, ["READY=1"]);
});

test("an app that reports READY=1 itself is not ready because it listens", async (t) => {
  const app = `
    import http from 'node:http';
    http.createServer().listen(Number(process.env.PORT), () => {
      process.on('SIGUSR2', () => process.send('ready'));
      console.log('listening');
    });`;
  const env = { NEWEL_READY: "app" };
  const replica = startReplica(t, app, [await holdSocket(t)], { env });
  await new Promise((resolve) => replica.child.stdout?.once("data", resolve));
  assert.deepEqual(replica.said, []);
  replica.child.kill("SIGUSR2");
  await replica.ready;
  assert.equal(await replica.stop(), 0);
});

test("a process with an IPC channel keeps its own process.send", async (t) => {
  const child = join(temporaryDirectory(t), "child.mjs");
  writeFileSync(child, "process.send('ready'); process.disconnect();");
  const app = `
    import { fork } from 'node:child_process';
    fork(${JSON.stringify(child)}, { execArgv: [] }).on('message', (message) => console.log('got', message));`;
  const replica = startReplica(t, app, [await holdSocket(t)]);
  assert.equal(await replica.exited, 0);
  assert.equal(replica.output(), "got ready\n");
  assert.deepEqual(replica.said, []);
});

test("a child that is not a server of the replica has no process.send", async (t) => {
  const app = `
    import { execFileSync } from 'node:child_process';
    const code = 'process.stdout.write(typeof process.send)';
    console.log(execFileSync(process.execPath, ['-e', code], { encoding: 'utf8' }));`;
  const replica = startReplica(t, app, [await holdSocket(t)]);
  assert.equal(await replica.exited, 0);
  assert.equal(replica.output(), "undefined\n");
});

const HANDLERS: Readonly<Record<string, { code: string; hints: number }>> = {
  "SIGINT alone": { code: "process.on('SIGINT', () => {});", hints: 1 },
  "SIGINT and the stop signal": {
    code: "process.on('SIGINT', () => {}); process.on('SIGTERM', () => process.exit(0));",
    hints: 0,
  },
  "no signal": { code: "", hints: 0 },
};
for (const [name, { code, hints }] of Object.entries(HANDLERS)) {
  test(`an app that handles ${name} gets ${hints === 0 ? "no" : "a"} hint when it is stopped`, async (t) => {
    const app = `${code} console.log('up'); setInterval(() => {}, 1e9);`;
    const replica = startReplica(t, app, [await holdSocket(t)]);
    await new Promise((resolve) => replica.child.stdout?.once("data", resolve));
    assert.equal(await replica.stop(), 0);
    const found = replica.output().match(/write stop: \{ signal: "SIGINT" \}/g) ?? [];
    assert.equal(found.length, hints, replica.output());
  });
}
