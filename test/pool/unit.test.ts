import assert from "node:assert/strict";
import { test } from "node:test";

import { Histogram } from "../../src/pool/histogram.ts";
import { InFlightWindow } from "../../src/pool/in-flight-window.ts";
import type { BlockedLoop } from "../../src/pool/loop-watch.ts";
import { ResourceReporter } from "../../src/pool/resource-reporter.ts";
import { Ring } from "../../src/pool/ring.ts";

test("a ring keeps its order when it is filled, emptied and filtered", () => {
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

/** Sends as many tasks as there is room for. */
function fill(window: InFlightWindow, nowMs: number): number {
  let sent = 0;
  while (window.hasRoom(sent, nowMs)) {
    window.send(nowMs);
    sent += 1;
  }
  return sent;
}

test("the window of a new worker is one task, grows while it is too small, and is limited to 2 ms of work", () => {
  const quick = new InFlightWindow(256);
  const sizes: number[] = [];
  let taken = 0;
  for (let round = 0; round < 6; round += 1) {
    quick.heard(1 + round);
    const sent = fill(quick, 1 + round);
    sizes.push(sent);
    taken += sent;
    quick.took(taken, sent * 5);
  }
  assert.deepEqual(sizes, [1, 4, 16, 64, 256, 256], "of quick tasks, up to concurrency");
  for (const [eachMs, size] of [
    [0.5, 4],
    [5, 2],
    [50, 1],
  ] as const) {
    const window = new InFlightWindow(256);
    for (let round = 1; round <= 10; round += 1) {
      window.heard(round);
      const before = window.told;
      const sent = fill(window, round);
      window.took(before + sent, sent * eachMs * 1_000);
    }
    assert.equal(fill(window, 11), size, `of tasks of ${eachMs} ms`);
  }
});

test("a window that is not used shrinks, so that a burst of long tasks is not sent to one worker", () => {
  const window = new InFlightWindow(256);
  let nowMs = 0;
  for (let round = 0; round < 10; round += 1) {
    window.heard(nowMs);
    const before = window.told;
    const sent = fill(window, nowMs);
    window.took(before + sent, sent * 5);
  }
  for (let n = 0; n < 400; n += 1) {
    nowMs += 1;
    window.heard(nowMs);
    window.send(nowMs);
    window.took(window.told + 1, 5);
  }
  assert.equal(fill(window, nowMs), 2, "one task at a time came for 400 ms");
  window.took(window.told + 2, 10);
  nowMs += 1_000;
  window.heard(nowMs);
  window.send(nowMs);
  assert.equal(window.hasRoom(1, nowMs), false, "nothing came for a second");
});

test("a worker that has tasks and was silent for 10 ms gets no task before its next message", () => {
  const window = new InFlightWindow(256);
  window.heard(1);
  window.send(1);
  window.took(1, 10);
  assert.ok(window.hasRoom(1, 5));
  assert.ok(!window.hasRoom(1, 20));
  assert.ok(window.hasRoom(0, 20), "an idle one has nothing to say");
  window.heard(20);
  assert.ok(window.hasRoom(1, 20));
});

test("the count of taken tasks may pass 32 bits, and returned tasks do not count as quick ones", () => {
  const window = new InFlightWindow(4);
  for (let n = 0; n < 4; n += 1) window.send(1);
  window.took(2, 10);
  window.took(2, 10);
  assert.deepEqual([window.told, window.untold], [2, 2]);
  const long = new InFlightWindow(8);
  for (let n = 0; n < 8; n += 1) long.send(1);
  for (let n = 0; n < 7; n += 1) long.dropped();
  long.took(8, 400_000);
  assert.equal(long.estimateMs, 400);
});

test("a resource reporter sends gauges immediately and at intervals, until it is stopped", async (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const sent: [string, number][] = [];
  const client = { gauge: (name: string, value: number) => sent.push([name, value]) };
  using reporter = new ResourceReporter(client, { prefix: "p", intervalMs: 1_000 });
  reporter.start();
  t.mock.timers.tick(3_000);
  assert.equal(sent.length, 3 * 8);
  assert.ok(
    sent.every(([name, value]) => name.startsWith("p.") && Number.isFinite(value)),
    JSON.stringify(sent),
  );
  reporter.stop();
  t.mock.timers.tick(3_000);
  assert.equal(sent.length, 3 * 8);
});

test("a resource reporter reports a blocked event loop, once a minute", async (t) => {
  const sent = new Map<string, number>();
  const blocked: BlockedLoop[] = [];
  using reporter = new ResourceReporter(
    { gauge: (name, value) => sent.set(name, value) },
    { prefix: "p", blockedMs: 200, onBlocked: (notice) => void blocked.push(notice) },
  );
  reporter.start();
  const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 80));
  const standStill = (ms: number): void => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
  };
  await turn();
  for (const ms of [500, 600]) {
    standStill(ms);
    await turn();
  }
  reporter.report();
  assert.ok((sent.get("p.loop.blocked") ?? 0) >= 450, `${sent.get("p.loop.blocked")} ms`);
  assert.equal(blocked.length, 1);
  assert.ok((blocked[0]?.durationMs ?? 0) >= 400, `${blocked[0]?.durationMs} ms`);
  // The clock jumps by a minute: then the blocks that were not reported are counted too.
  const now = performance.now.bind(performance);
  t.mock.method(performance, "now", () => now() + 120_000);
  await turn();
  assert.equal(blocked.length, 2);
  assert.ok((blocked[1]?.times ?? 0) >= 2);
});
