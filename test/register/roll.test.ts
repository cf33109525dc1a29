import assert from "node:assert/strict";
import { test } from "node:test";

import type { Scope } from "../helpers/resources.ts";
import { startHttp2Load } from "../load/http2.ts";
import { startLoadProcess } from "../load/process.ts";
import { appPath, holdSocket, startReplica } from "./replica.ts";

const ROUNDS = 3;

// The complete promise in one test for each kind of app: two replicas on one socket are replaced one at a
// time, three times, under load, and no request fails. Neither the kernel nor a supervisor is involved.
async function rollOften<Report>(
  scope: Scope,
  name: string,
  startLoad: (port: number) => { stop(): Promise<Report> },
  lingerMs = 1_000,
): Promise<Report> {
  const socket = await holdSocket(scope);
  const start = () => startReplica(scope, appPath(name), [socket], { lingerMs, graceMs: 8_000 });
  let [old, other] = [start(), start()];
  await Promise.all([old.ready, other.ready]);

  const load = startLoad(socket.port);
  for (let round = 1; round <= ROUNDS; round += 1) {
    const fresh = start();
    await fresh.ready;
    assert.equal(await old.stop(), 0, old.output());
    [old, other] = [other, fresh];
  }
  const report = await load.stop();
  await Promise.all([old.stop(), other.stop()]);
  assert.equal(old.output() + other.output(), "");
  return report;
}

for (const name of ["http", "fastify", "express", "hono", "https", "cluster"]) {
  test(`an unmodified ${name} app is rolled three times under load without a failed request`, async (t) => {
    const tls = name === "https";
    const report = await rollOften(t, name, (port) => startLoadProcess(t, port, { tls }));
    assert.deepEqual(report.failed, []);
    assert.ok(report.requests > 250, `only ${report.requests} requests`);
    // Not a performance bar: a scenario of test/supervisor measures that separately.
    assert.ok(report.slowestMs < 10_000, `the slowest took ${report.slowestMs} ms`);
    assert.ok(Object.keys(report.answersByPid).length >= ROUNDS, "the replicas did not take turns");
  });
}

test("an unmodified http2 app is rolled three times under load without a failed stream", async (t) => {
  const report = await rollOften(t, "http2", (port) => startHttp2Load(port, 100), 400);
  assert.deepEqual(report.failed, []);
  assert.ok(report.requests > 100, `only ${report.requests} requests`);
  // At most the streams that were in flight on a session when it ended.
  assert.ok(report.refused <= report.sessions, `${report.refused} were refused`);
  assert.ok(report.sessions > 3, `only ${report.sessions} sessions`);
});
