import assert from "node:assert/strict";
import { test } from "node:test";

import { Slots } from "../../../src/jobs/server/slots.ts";

const NEVER = new AbortController().signal;

test("permits are granted in the order of requests, and release() is idempotent", async () => {
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

test("an offered permit stays with its holder unless another requester waits", async () => {
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
