import assert from "node:assert/strict";
import { test } from "node:test";

import { startLoadProcess } from "../load/process.ts";
import { appPath, holdSocket, startReplica } from "./replica.ts";

// The whole promise in one test for each kind of app: two replicas on one socket are replaced one
// at a time, ten times, under load, and no request fails. No kernel and no supervisor take part.
for (const name of ["http", "fastify", "express", "hono", "https"]) {
  test(`an unmodified ${name} app is rolled ten times under load without a failed request`, async (t) => {
    const socket = await holdSocket(t);
    const options = { lingerMs: 300, graceMs: 8_000 };
    let old = startReplica(t, appPath(name), [socket], options);
    let other = startReplica(t, appPath(name), [socket], options);
    await Promise.all([old.ready, other.ready]);

    const load = startLoadProcess(t, socket.port, { tls: name === "https", limitSeconds: 60 });
    for (let round = 1; round <= 10; round += 1) {
      const fresh = startReplica(t, appPath(name), [socket], options);
      await fresh.ready;
      assert.equal(await old.stop(), 0, old.output());
      [old, other] = [other, fresh];
    }
    const report = await load.stop();

    assert.deepEqual(report.failed, []);
    assert.ok(report.requests > 500, `only ${report.requests} requests`);
    assert.ok(report.slowestMs < 3_000, `the slowest took ${report.slowestMs} ms`);
    assert.ok(Object.keys(report.answersByPid).length >= 10, "the replicas did not take turns");
    await Promise.all([old.stop(), other.stop()]);
    assert.equal(old.output() + other.output(), "");
  });
}
