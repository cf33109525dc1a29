import assert from "node:assert/strict";
import { test } from "node:test";

import { Allowance } from "../../src/pool/allowance.ts";
import { Histogram } from "../../src/pool/histogram.ts";
import { ResourceReporter } from "../../src/pool/resource-reporter.ts";
import { Ring } from "../../src/pool/ring.ts";

test("a ring keeps its order however it is filled, taken from and filtered", () => {
  const ring = new Ring<number>();
  const model: number[] = [];
  for (let n = 0; n < 5_000; n += 1) {
    if (n % 7 === 0) assert.equal(ring.shift(), model.shift());
    if (n % 5 === 0) {
      ring.unshift(-n);
      model.unshift(-n);
    } else {
      ring.push(n);
      model.push(n);
    }
    if (n === 3_000) {
      ring.filter((each) => each % 2 === 0);
      model.splice(0, model.length, ...model.filter((each) => each % 2 === 0));
    }
    assert.equal(ring.length, model.length);
    assert.equal(ring.peek(), model[0]);
  }
  assert.deepEqual([...ring], model);
  while (model.length > 0) assert.equal(ring.shift(), model.shift());
  assert.equal(ring.shift(), undefined);
});

test("percentiles of a histogram are within 9 %", () => {
  const histogram = new Histogram();
  for (let n = 1; n <= 10_000; n += 1) histogram.record(n / 100);
  const { count, meanMs, p50Ms, p99Ms, maxMs } = histogram.summary();
  assert.deepEqual([count, maxMs], [10_000, 100]);
  assert.ok(Math.abs(meanMs - 50) < 1);
  assert.ok(Math.abs(p50Ms / 50 - 1) < 0.1, `${p50Ms}`);
  assert.ok(Math.abs(p99Ms / 99 - 1) < 0.1, `${p99Ms}`);
  assert.equal(new Histogram().summary().p99Ms, 0);
});

test("what a worker is sent ahead follows the time its tasks take", () => {
  const room = (allowance: Allowance): number => {
    let sent = 0;
    while (allowance.hasRoom(sent, 0)) {
      allowance.send();
      sent += 1;
    }
    return sent;
  };
  assert.equal(room(new Allowance(256)), 8, "of tasks nobody knows");
  const quick = new Allowance(256);
  for (let n = 0; n < 8; n += 1) quick.send();
  quick.told(8, 40);
  for (let n = 0; n < 100; n += 1) quick.send();
  quick.told(108, 500);
  assert.equal(room(quick), 256, "of quick ones as many as there may be");
  const slow = new Allowance(256);
  for (let n = 0; n < 8; n += 1) slow.send();
  for (let n = 1; n <= 8; n += 1) slow.told(n, 5_000);
  assert.equal(room(slow), 2, "one that runs and one that waits");
  const silent = new Allowance(256);
  silent.heard(0);
  silent.send();
  assert.ok(silent.hasRoom(1, 5));
  assert.ok(!silent.hasRoom(1, 20), "it may stand still");
  silent.told(1, 10);
  assert.ok(silent.hasRoom(1, 20), "one task to answer to");
});

test("the count of begun tasks may pass 32 bits", () => {
  const allowance = new Allowance(4);
  for (let n = 0; n < 4; n += 1) allowance.send();
  allowance.told(2, 10);
  allowance.told(2, 10);
  assert.ok(allowance.isUntold(3));
  allowance.told(4, 10);
  assert.ok(!allowance.isUntold(4));
});

test("a resource reporter sends gauges at once and from time to time, until it is stopped", async (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const sent: [string, number][] = [];
  const client = { gauge: (name: string, value: number) => sent.push([name, value]) };
  using reporter = new ResourceReporter(client, { prefix: "p", intervalMs: 1_000 });
  reporter.start();
  t.mock.timers.tick(3_000);
  assert.equal(sent.length, 3 * 7);
  assert.ok(
    sent.every(([name, value]) => name.startsWith("p.") && Number.isFinite(value)),
    JSON.stringify(sent),
  );
  reporter.stop();
  t.mock.timers.tick(3_000);
  assert.equal(sent.length, 3 * 7);
});
