import assert from "node:assert/strict";
import { test } from "node:test";

import { ProgressReporter } from "../../../src/jobs/runner/progress.ts";
import { Slots } from "../../../src/jobs/server/slots.ts";

const NEVER = new AbortController().signal;

test("slots are given in the order they were asked for, and given back once", async () => {
  const slots = new Slots(1);
  const first = await slots.acquire(NEVER);
  const order: string[] = [];
  const abort = new AbortController();
  const waiting = ["a", "gone", "b"].map((name) =>
    slots.acquire(name === "gone" ? abort.signal : NEVER).then((slot) => {
      order.push(slot === undefined ? `${name}: none` : name);
      return slot;
    }),
  );
  abort.abort();
  first?.release();
  first?.release();
  const second = await waiting[0];
  assert.equal(slots.take(), undefined);
  assert.deepEqual(order, ["gone: none", "a"]);
  second?.release();
  (await waiting[2])?.release();
  assert.deepEqual(order, ["gone: none", "a", "b"]);
  assert.ok(slots.take());
});

test("an offered slot stays with who had it, unless somebody else waits", async () => {
  const slots = new Slots(1);
  const [mine, others] = [{}, {}];
  const first = await slots.acquire(NEVER, mine);
  const own = slots.acquire(NEVER, mine);
  first?.offer();
  assert.equal(first?.isOffered, true);
  const given = slots.acquire(NEVER, others);
  first?.offer();
  assert.equal(first?.isHeld, false);
  assert.equal(first?.isOffered, false);
  (await own)?.release();
  const last = await given;
  last?.offer();
  assert.equal(slots.take(), undefined);
  last?.release();
  assert.ok(slots.take());
});

test("progress is put together when it comes too fast, and never goes back", async () => {
  const stored: unknown[] = [];
  const reporter = new ProgressReporter({ done: 3, total: 10 }, async (progress) => {
    stored.push(progress);
  });
  await reporter.report({ done: 1, total: 10 });
  assert.deepEqual(stored, []);
  await reporter.report({ done: 1, total: 10, note: "again" });
  assert.deepEqual(stored, [{ done: 3, total: 10, note: "again" }]);
  for (let done = 4; done <= 9; done += 1) void reporter.report({ done, total: 10 });
  void reporter.report({ done: 2, total: 10 });
  await reporter.flush();
  assert.deepEqual(stored.slice(1), [{ done: 9, total: 10 }]);
  await reporter.report({ done: 1, total: 20 });
  assert.deepEqual(stored.at(-1), { done: 1, total: 20 });
});

test("who awaits progress hears that it could not be stored; who does not is not disturbed", async () => {
  const reporter = new ProgressReporter(undefined, async () => {
    throw new Error("no store");
  });
  await assert.rejects(reporter.report({ done: 1, total: 2 }), /no store/);
  void reporter.report({ done: 2, total: 2 });
  await reporter.flush();
});
