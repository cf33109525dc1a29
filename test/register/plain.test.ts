import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { preloadPath } from "../../src/base/modules.ts";
import { temporaryDirectory } from "../helpers/resources.ts";
import { holdSocket, startReplica } from "./replica.ts";

test("without the supervisor's variables the preload does nothing", () => {
  const script = `
    const net = require('net');
    console.log(JSON.stringify([process.listenerCount('SIGTERM'), net.Server.prototype.listen.length,
      Object.hasOwn(process, 'emit'), process.env.LISTEN_FDS]));`;
  const run = (args: string[]): string =>
    execFileSync(process.execPath, [...args, "-e", script], {
      encoding: "utf8",
      env: { ...process.env, LISTEN_FDS: "1", NEWEL_NOTIFY_FD: "9", NEWEL_MARK: "m" },
    });
  assert.equal(run(["--require", preloadPath()]), run([]));
});

const ENDINGS: Record<string, { code: string; ends: number | string; prints: string }> = {
  "nothing to do": { code: "", ends: 0, prints: "" },
  "work, then nothing": { code: "setTimeout(() => console.log('x'), 50)", ends: 0, prints: "x\n" },
  "process.exitCode": { code: "process.exitCode = 4", ends: 4, prints: "" },
  "process.exit": { code: "process.exit(5)", ends: 5, prints: "" },
  "beforeExit and exit": {
    code: "for (const name of ['exit', 'beforeExit']) process.on(name, () => console.log(name))",
    ends: 0,
    prints: "beforeExit\nexit\n",
  },
  "a signal of its own": {
    code: "process.kill(process.pid, 'SIGKILL')",
    ends: "SIGKILL",
    prints: "",
  },
  "an await that never settles": { code: "await new Promise(() => {})", ends: 13, prints: "" },
};
for (const [name, { code, ends, prints }] of Object.entries(ENDINGS)) {
  test(`an app that never listens ends as without newel: ${name}`, async (t) => {
    const replica = startReplica(t, code, [await holdSocket(t)]);
    assert.equal(await replica.exited, ends);
    assert.equal(replica.output().replace(/^Warning: Detected unsettled[^]*$/m, ""), prints);
    assert.deepEqual(replica.said, []);
  });
}

test("the app and its children see no variable, descriptor or preload of newel", async (t) => {
  const file = join(temporaryDirectory(t), "child.mjs");
  writeFileSync(
    file,
    `console.log('child', Object.keys(process.env).filter((name) => /^(NEWEL|LISTEN)_/.test(name)).join(),
      process.listenerCount('SIGTERM'));`,
  );
  const app = `
    import { execFileSync, fork } from 'node:child_process';
    import http from 'node:http';
    console.log('app', Object.keys(process.env).filter((name) => /^(NEWEL|LISTEN)_/.test(name)).join());
    const server = http.createServer().listen(Number(process.env.PORT), () => {
      const held = execFileSync('sh', ['-c', 'ls /proc/$$/fd'], { encoding: 'utf8' });
      console.log('held', held.trim().split(/\\s+/).join());
      fork(${JSON.stringify(file)}, { execArgv: [] }).on('exit', () => server.close());
    });`;
  const env = { NEWEL_MARK: "m", LISTEN_PID: "1" };
  const replica = startReplica(t, app, [await holdSocket(t)], { env });
  assert.equal(await replica.exited, 0);
  const [own, held, child] = replica.output().trim().split("\n");
  assert.equal(own?.split(" ")[1]?.split(",").sort().join(), "NEWEL_MARK,NEWEL_PROCESS");
  // Descriptors of the test run itself may be open too, above those that Node closes.
  assert.match(held ?? "", /^held 0,1,2(,(1[6-9]|[2-9]\d|\d{3,}))*$/);
  assert.equal(child?.split(" ")[1]?.split(",").sort().join(), "NEWEL_MARK,NEWEL_PROCESS");
  assert.equal(child?.split(" ")[2], "0");
});

test("without a target to listen on, the app may write READY itself", async (t) => {
  const app = `
    import { writeSync } from 'node:fs';
    writeSync(Number(process.env.NEWEL_NOTIFY_FD), 'STATUS=warm\\nREADY=1\\n');`;
  const replica = startReplica(t, app, []);
  await replica.ready;
  assert.equal(await replica.exited, 0);
  assert.deepEqual(replica.said, ["STATUS=warm", "READY=1"]);
});

test("a notify descriptor that is a file is not written to", async (t) => {
  const file = join(temporaryDirectory(t), "file");
  const app = `
    import fs from 'node:fs';
    import net from 'node:net';
    net.createServer().listen(Number(process.env.PORT), function () { this.close(); });`;
  for (const fd of ["0", "99"]) {
    const env = { NEWEL_NOTIFY_FD: fd, FILE: file };
    const replica = startReplica(t, app, [await holdSocket(t)], { env });
    assert.equal(await replica.exited, 0);
    assert.match(replica.output(), /^newel\/register: descriptor \d+ is no pipe or socket/);
  }
});

test("worker threads run without the preload, and end as without newel", async (t) => {
  const app = `
    import { Worker } from 'node:worker_threads';
    const code = "console.log('thread', process.listenerCount('SIGTERM')); process.exit(3)";
    new Worker(code, { eval: true }).on('exit', (code) => console.log('exit', code));`;
  const replica = startReplica(t, app, [await holdSocket(t)]);
  assert.equal(await replica.exited, 0);
  assert.equal(replica.output(), "thread 0\nexit 3\n");
});

test("listener counts and signals are those of plain Node once the drain is over", async (t) => {
  // As signal-exit does: with no other listener it removes its own and sends the signal again.
  const app = `
    setInterval(() => {}, 1e9);
    process.on('SIGTERM', function own() {
      console.log(process.listeners('SIGTERM').length);
      process.removeListener('SIGTERM', own);
      process.kill(process.pid, 'SIGTERM');
    });
    console.log('up');`;
  const replica = startReplica(t, app, [await holdSocket(t)]);
  await new Promise((resolve) => replica.child.stdout?.once("data", resolve));
  assert.equal(await replica.stop(), "SIGTERM");
  assert.equal(replica.output(), "up\n1\n");
});
