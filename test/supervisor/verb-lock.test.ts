import assert from "node:assert/strict";
import { test } from "node:test";

import { VerbLock } from "../../src/supervisor/verb-lock.ts";

test("verbs of services run concurrently; up and down run alone, in the order asked for", async () => {
  const lock = new VerbLock();
  const log: string[] = [];
  const gates = new Map<string, PromiseWithResolvers<void>>();
  const run = (verb: string, kind: "exclusive" | "shared"): Promise<void> => {
    const gate = Promise.withResolvers<void>();
    gates.set(verb, gate);
    const work = async (): Promise<void> => {
      log.push(`${verb} begins`);
      await gate.promise;
      log.push(`${verb} ends`);
    };
    return lock.run(verb, kind, work, (before) => log.push(`${verb} waits for ${before}`));
  };
  const all = [
    run("scale", "shared"),
    run("reload", "shared"),
    run("up", "exclusive"),
    run("start", "shared"),
    run("down", "exclusive"),
  ];
  for (const verb of ["reload", "scale", "up", "start", "down"]) {
    gates.get(verb)?.resolve();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(all);
  assert.deepEqual(log, [
    "up waits for scale",
    "start waits for up",
    "down waits for up",
    "scale begins",
    "reload begins",
    "reload ends",
    "scale ends",
    "up begins",
    "up ends",
    "start begins",
    "start ends",
    "down begins",
    "down ends",
  ]);
});

test("a verb that fails gives way to the next; an interrupt reaches those that run alone", async () => {
  const lock = new VerbLock();
  const begun = Promise.withResolvers<AbortSignal>();
  const up = lock.run("up", "exclusive", async (signal) => {
    begun.resolve(signal);
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    throw new Error("cancelled");
  });
  const signal = await begun.promise;
  assert.equal(signal.aborted, false);
  lock.interrupt();
  await assert.rejects(up, /cancelled/);
  assert.equal(await lock.run("down", "exclusive", async () => "down"), "down");
});
