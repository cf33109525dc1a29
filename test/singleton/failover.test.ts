import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";

import { singleton } from "../../src/singleton/index.ts";
import { eventually, isAlive } from "../helpers/resources.ts";
import { failOver } from "./failover.ts";
import { Counter } from "./fixtures/counter.ts";
import { leaving, otherProcess, singletonHome } from "./world.ts";

/**
 * `npm run soak -- singleton-failover` kills 100 owners, and asserts the limit of the takeover
 * time.
 */
test("owners that are killed under load are followed, and every acknowledged count is present once", async (t) => {
  const { flaws, kills, counted, longestCallMs } = await failOver(t, 5);
  assert.deepEqual(flaws, []);
  assert.equal(kills, 5);
  assert.ok(counted > 0);
  assert.ok(longestCallMs < 10_000);
});

test("the next holder of the class takes over, with a larger epoch and a new instance", async (t) => {
  const home = singletonHome(t);
  const options = { name: "counter", home, args: [100] };
  const { child } = await otherProcess(t, "owner", options);
  const counter = leaving(t, await singleton(Counter, { name: "counter", home, args: [100] }));
  assert.equal(await counter.increment(), 101);
  const hanging = counter.hang();
  const stream = counter.count(1_000_000);
  await stream.next();
  child.kill("SIGKILL");
  await assert.rejects(hanging, { code: "NEWEL_E_OWNER_LOST" });
  await assert.rejects(
    (async () => {
      for await (const _ of stream);
    })(),
    { code: "NEWEL_E_OWNER_LOST" },
  );
  assert.equal(await counter.increment(), 101);
  assert.deepEqual([counter.isOwner, counter.createdNewInstance, counter.epoch], [true, false, 2]);
});

test("an owner that leaves finishes its calls, and no call of others fails", async (t) => {
  const home = singletonHome(t);
  for (const engine of ["socket", "kernel"] as const) {
    const options = { name: engine, home, engine };
    const first = await otherProcess(t, "owner", options);
    const second = await otherProcess(t, "owner", options);
    assert.equal(second.said.isOwner, false);
    const counter = leaving(t, await singleton(Counter, { ...options, own: false }));
    let isOver = false;
    const callers = Array.from({ length: 16 }, async () => {
      for (let calls = 0; ; calls += 1) {
        if (isOver) return calls;
        await counter.increment();
      }
    });
    const slow = counter.later(300);
    await counter.get();
    first.child.send("leave");
    await once(first.child, "message");
    assert.equal(await slow, "done");
    await eventually(() => counter.epoch === 2, "the other one has it");
    isOver = true;
    for (const calls of await Promise.all(callers)) assert.ok(calls > 0);
    assert.equal(await counter.pid(), second.child.pid);
  }
});

test("a proxy alone does not keep a process alive, but a call or an ownership does", async (t) => {
  const home = singletonHome(t);
  for (const engine of ["socket", "kernel"] as const) {
    const { child } = await otherProcess(t, "owner", { name: engine, home, engine });
    const ends = await otherProcess(t, "passer-by", { name: engine, home, engine });
    if (ends.child.exitCode === null) await once(ends.child, "exit");
    assert.equal(ends.child.exitCode, 0);
    assert.deepEqual(ends.said, { counted: 1 });
    assert.ok(isAlive(child.pid ?? 0));
  }
});

test("an owner that hangs is not replaced because it is slow to answer", async (t) => {
  const home = singletonHome(t);
  const { child } = await otherProcess(t, "owner", { name: "counter", home });
  const counter = leaving(t, await singleton(Counter, { name: "counter", home }));
  child.kill("SIGSTOP");
  await assert.rejects(counter.with({ timeoutMs: 300 }).get(), { code: "NEWEL_E_DEADLINE" });
  child.kill("SIGCONT");
  assert.equal(await counter.get(), 0);
  assert.deepEqual([counter.isOwner, counter.epoch], [false, 1]);
});
