import assert from "node:assert/strict";
import { test } from "node:test";

import { contractOf } from "../../src/singleton/control.ts";
import { abstractName } from "../../src/singleton/engines/address.ts";
import { identify } from "../../src/singleton/identity.ts";
import { singleton } from "../../src/singleton/index.ts";
import { shapeOf } from "../../src/singleton/shape.ts";
import { homeAt } from "../../src/base/home.ts";
import { connectAbstract } from "../../src/wire/unix.ts";
import { cleanUp, eventually } from "../helpers/resources.ts";
import { Counter } from "./fixtures/counter.ts";
import { leaving, otherProcess, singletonHome } from "./world.ts";

test("the first caller makes the instance, the next gets a proxy to it", async (t) => {
  const home = singletonHome(t);
  const { said } = await otherProcess(t, "owner", { name: "counter", home, args: [100] });
  assert.deepEqual(said, { isOwner: true, createdNewInstance: true, epoch: 1 });

  const counter = leaving(t, await singleton(Counter, { name: "counter", home, args: [100] }));
  assert.deepEqual([counter.isOwner, counter.createdNewInstance, counter.epoch], [false, false, 1]);
  assert.equal(await counter.increment(), 101);
  assert.equal(await counter.increment(9), 110);
  assert.notEqual(await counter.pid(), process.pid);
});

test("within one process the same instance is shared, and a call crosses as a message too", async (t) => {
  const home = singletonHome(t);
  const first = leaving(t, await singleton(Counter, { name: "counter", home }));
  const second = leaving(t, await singleton(Counter, { name: "counter", home }));
  assert.deepEqual([first.createdNewInstance, second.createdNewInstance], [true, false]);
  await first.increment();
  assert.equal(await second.increment(), 2);
  const kept = await first.keep({ list: [1] });
  kept.list.push(2);
  assert.deepEqual(await second.kept(), { list: [1] });
  await assert.rejects(
    second.keep({ list: [], bad: Symbol("no value") } as unknown as { list: number[] }),
    { code: "NEWEL_E_NOT_SENDABLE" },
  );
  class Other {
    get(): number {
      return 1;
    }
  }
  await assert.rejects(singleton(Other, { name: "counter", home }), {
    code: "NEWEL_E_SINGLETON",
  });
});

test("streams, errors, signals, time limits and functions cross", async (t) => {
  const home = singletonHome(t);
  await otherProcess(t, "owner", { name: "counter", home });
  const counter = leaving(t, await singleton(Counter, { name: "counter", home }));
  const numbers: number[] = [];
  for await (const number of counter.count(5)) numbers.push(number);
  assert.deepEqual(numbers, [1, 2, 3, 4, 5]);
  for await (const number of counter.count(1_000_000)) if (number === 3) break;
  await eventually(async () => (await counter.openStreams()) === 0, "both producers stopped");

  await assert.rejects(counter.fail("too far"), (error: Error) => {
    assert.equal(error.name, "RangeError");
    assert.equal(error.message, "too far");
    assert.match(error.stack ?? "", /fixtures\/counter\.ts/);
    return true;
  });
  await assert.rejects(counter.with({ timeoutMs: 30 }).hang(), { code: "NEWEL_E_DEADLINE" });
  await assert.rejects(counter.with({ signal: AbortSignal.timeout(30) }).hang(), {
    code: "NEWEL_E_CANCELLED",
  });
  await eventually(async () => (await counter.hanging()) === 0, "the owner heard of both");

  const heard: number[] = [];
  assert.equal(await counter.each(3, (number) => void heard.push(number)), 3);
  assert.deepEqual(heard, [1, 2, 3]);
});

test("only public methods of the class can be called, inherited ones included", async (t) => {
  const home = singletonHome(t);
  const counter = leaving(t, await singleton(Counter, { name: "counter", home }));
  const identity = identify({ name: "counter" }, homeAt(home));
  const connection = await connectAbstract(abstractName(identity), contractOf(identity));
  cleanUp(t, () => connection.close());
  const { methods } = connection;
  assert.equal(await methods.call("get", []), 0);
  assert.equal(await methods.call("base", []), await counter.base());
  for (const name of ["_hidden", "constructor", "__proto__", "toString", "hasOwnProperty"])
    await assert.rejects(methods.call(name, []), { code: "NEWEL_E_NO_METHOD" }, name);
  for (const name of ["save", "restore", "lateInit", "#count", "then", "prototype"])
    await assert.rejects(methods.call(name, []), { code: "NEWEL_E_NO_METHOD" }, name);
  // The proxy has no other members either.
  assert.equal(Object.getPrototypeOf(counter), null);
  assert.equal("then" in counter, false);
  assert.equal("_hidden" in counter, false);
});

test("a class declares its methods, and an invalid name is refused", () => {
  class Some {
    static readonly exposes = ["open"] as const;
    open(): void {}
    hidden(): void {}
  }
  assert.deepEqual(shapeOf(Some), { calls: ["open"], streams: [], idempotent: [] });
  class Follows {
    static readonly streams = ["follow"] as const;
    static readonly idempotent = ["put"] as const;
    follow(): AsyncIterable<number> {
      return new Counter().count(1);
    }
    put(): void {}
  }
  assert.deepEqual(shapeOf(Follows), { calls: ["put"], streams: ["follow"], idempotent: ["put"] });
  const refused = { code: "NEWEL_E_CONTRACT" };
  class Clashing {
    leave(): void {}
  }
  assert.throws(() => shapeOf(Clashing), refused);
  for (const statics of [
    { exposes: ["toString"] },
    { idempotent: ["absent"] },
    { streams: ["put"] },
    { exposes: 7 },
  ])
    assert.throws(
      () => shapeOf(Object.assign(class extends Some {}, statics)),
      refused,
      JSON.stringify(statics),
    );
});

test("a failed construction is retried", async (t) => {
  const home = singletonHome(t);
  let fails = true;
  class Moody {
    constructor() {
      if (fails) throw new Error("not today");
    }
    answer(): number {
      return 42;
    }
  }
  await assert.rejects(singleton(Moody, { name: "moody", home }), /not today/);
  fails = false;
  const moody = leaving(t, await singleton(Moody, { name: "moody", home }));
  assert.equal(await moody.answer(), 42);
  assert.equal(moody.epoch, 2);
});

test("after leave() calls are refused, and the process can join again", async (t) => {
  const home = singletonHome(t);
  const first = await singleton(Counter, { name: "counter", home });
  await first.leave();
  await first.leave();
  assert.equal(first.isOwner, false);
  await assert.rejects(first.increment(), { code: "NEWEL_E_CLOSED" });
  const again = leaving(t, await singleton(Counter, { name: "counter", home }));
  assert.deepEqual([again.createdNewInstance, again.epoch], [true, 2]);
});

test("invalid names and options are refused", async () => {
  await assert.rejects(singleton(Counter, { name: "a/b" }), { code: "NEWEL_E_NAME" });
  await assert.rejects(singleton(Counter, { name: "" }), { code: "NEWEL_E_NAME" });
  const wrong = { code: "NEWEL_E_SINGLETON" };
  await assert.rejects(singleton(Counter, { name: "counter", port: 0 }), wrong);
  await assert.rejects(singleton(Counter, { name: "counter", port: 1, host: "0.0.0.0" }), wrong);
});

test("a caller that never owns waits for an owner until its time limit", async (t) => {
  const home = singletonHome(t);
  const begin = performance.now();
  await assert.rejects(singleton(Counter, { name: "counter", home, own: false, timeoutMs: 100 }), {
    code: "NEWEL_E_NO_OWNER",
  });
  assert.ok(performance.now() - begin < 5_000);
});
