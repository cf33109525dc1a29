import assert from "node:assert/strict";
import { test } from "node:test";

import type { Scope } from "../helpers/resources.ts";
import { startHttp2Load } from "../load/http2.ts";
import { startLoadProcess } from "../load/process.ts";
import { appPath, holdSocket, startReplica } from "./replica.ts";

// The whole promise in one test for each kind of app: two replicas on one socket are replaced one
// at a time, ten times, under load, and no request fails. No kernel and no supervisor take part.
async function rollTenTimes<Report>(
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
  for (let round = 1; round <= 10; round += 1) {
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
  test(`an unmodified ${name} app is rolled ten times under load without a failed request`, async (t) => {
    const tls = name === "https";
    const report = await rollTenTimes(t, name, (port) => startLoadProcess(t, port, { tls }));
    assert.deepEqual(report.failed, []);
    assert.ok(report.requests > 500, `only ${report.requests} requests`);
    // No bar: that is measured by the scenario of test/supervisor on its own.
    assert.ok(report.slowestMs < 10_000, `the slowest took ${report.slowestMs} ms`);
    assert.ok(Object.keys(report.answersByPid).length >= 10, "the replicas did not take turns");
  });
}

test("an unmodified http2 app is rolled ten times under load without a failed stream", async (t) => {
  const report = await rollTenTimes(t, "http2", (port) => startHttp2Load(port, 100), 400);
  assert.deepEqual(report.failed, []);
  assert.ok(report.requests > 300, `only ${report.requests} requests`);
  // Never more than what was on a session's way out when it ended.
  assert.ok(report.refused <= report.sessions, `${report.refused} were refused`);
  assert.ok(report.sessions > 5, `only ${report.sessions} sessions`);
});
