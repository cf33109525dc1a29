import assert from "node:assert/strict";
import { test } from "node:test";

import { metrics, type BatchObservableCallback, type MeterProvider } from "@opentelemetry/api";

import { inTrace, setUpTelemetry } from "./fixtures/open-telemetry.ts";
import type * as TracedModule from "./fixtures/traced.ts";
import { KINDS, openPool } from "./pools.ts";

setUpTelemetry();

for (const kind of KINDS)
  test(`${kind}: a task is part of its caller's trace, for any kind of argument`, async (t) => {
    const pool = openPool<typeof TracedModule>(t, "traced", { kind, telemetry: true });
    const values = [
      1,
      undefined,
      { a: "b" },
      new Map([[1, 2]]),
      Buffer.from("bytes"),
      new Uint8Array(3),
    ];
    const answers = await Promise.all(
      values.map((value, n) => inTrace(`trace-${n}`, () => pool.run(value))),
    );
    assert.deepEqual(
      answers,
      values.map((value, n) => ({ trace: `trace-${n}`, value })),
    );
    assert.deepEqual(await pool.run("outside"), { trace: undefined, value: "outside" });
  });

for (const kind of KINDS)
  test(`${kind}: each step of a stream is part of its caller's trace`, async (t) => {
    const pool = openPool<typeof TracedModule>(t, "traced", { kind, telemetry: true, size: 1 });
    const streams = ["a", "b"].map((name) => inTrace(name, () => pool.gen().traces(3)));
    const traces = await Promise.all(
      streams.map(async (stream) => {
        const read: unknown[] = [];
        for await (const trace of stream) read.push(trace);
        return read;
      }),
    );
    assert.deepEqual(traces, [
      ["a", "a", "a"],
      ["b", "b", "b"],
    ]);
  });

test("threads: shared memory crosses with its trace, too", async (t) => {
  const pool = openPool<typeof TracedModule>(t, "traced", { kind: "thread", telemetry: true });
  const shared = new Uint8Array(new SharedArrayBuffer(4));
  const { trace } = await inTrace("shared", () => pool.run(shared));
  assert.equal(trace, "shared");
});

test("the pool's metrics are read at collection, and not after it is closed", async (t) => {
  const callbacks = new Set<BatchObservableCallback>();
  const meter = {
    createObservableGauge: (name: string) => ({ name }),
    createObservableCounter: (name: string) => ({ name }),
    addBatchObservableCallback: (callback: BatchObservableCallback) => callbacks.add(callback),
    removeBatchObservableCallback: (callback: BatchObservableCallback) =>
      callbacks.delete(callback),
  };
  metrics.setGlobalMeterProvider({ getMeter: () => meter } as unknown as MeterProvider);
  t.after(() => metrics.disable());
  const pool = openPool<typeof TracedModule>(t, "traced", {
    size: 1,
    telemetry: true,
    name: "read",
  });
  await pool.run(1);
  const seen = new Map<string, number>();
  for (const callback of callbacks)
    await callback({
      observe: (instrument, value, attributes) => {
        assert.equal(attributes?.["pool"], "read");
        seen.set((instrument as unknown as { name: string }).name, value);
      },
    });
  assert.equal(seen.get("newel.pool.tasks.done"), 1);
  assert.equal(seen.get("newel.pool.tasks.waiting"), 0);
  await pool.close();
  assert.equal(callbacks.size, 0);
});
