import assert from "node:assert/strict";
import { test } from "node:test";

import { Bus } from "../../src/bus/bus.ts";
import { ExitRequest } from "../../src/bus/failures.ts";
import { later, watchedBus } from "./watched-bus.ts";

test("33. wait(started) resolves when another task starts the bus later", async () => {
  await using bus = new Bus();
  setTimeout(() => void bus.start(), 20);
  assert.equal(await bus.wait("started"), "started");
  assert.equal(await bus.wait("started"), "started", "at once when there already");
});

test("34. wait(idle) resolves on a later stop", async () => {
  await using bus = new Bus();
  await bus.start();
  setTimeout(() => void bus.stop(), 20);
  assert.equal(await bus.wait("idle"), "idle");
});

test("35. wait for two states resolves at the first of them", async () => {
  await using bus = new Bus();
  let seen: string | undefined;
  bus.subscribe("start", async () => {
    await later(10);
    seen = await waiting;
  });
  const waiting = bus.wait(["starting", "started"]);
  await bus.start();
  assert.equal(seen, "starting");
});

test("36. wait(exiting or exited) resolves on a later exit", async () => {
  const bus = new Bus();
  setTimeout(() => void bus.exit(), 20);
  assert.deepEqual(await Promise.all([bus.wait("exiting"), bus.wait("exited")]), [
    "exiting",
    "exited",
  ]);
  await assert.rejects(bus.wait("started"), { code: "NEWEL_E_BUS_TRANSITION" });
});

test("37. after the waits no waiter or timer is left", async () => {
  const timers = (): number =>
    process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
  const before = timers();
  const bus = new Bus();
  const controller = new AbortController();
  const given = bus.wait("failed", { signal: controller.signal, channel: "x" });
  const waits = [bus.wait("started", { channel: "x" }), bus.wait("exited", { channel: "x" })];
  await bus.start();
  controller.abort(new Error("enough"));
  await assert.rejects(given, /enough/);
  await bus.exit();
  await Promise.all(waits);
  await bus.block();
  assert.equal(timers(), before);
});

test("38. wait with an interval of 10 ms and a channel publishes more than 3 times in 50 ms", async (t) => {
  await using bus = new Bus();
  let published = 0;
  bus.subscribe("beat", () => void (published += 1));
  t.mock.timers.enable({ apis: ["setInterval"] });
  const waiting = bus.wait("started", { channel: "beat", intervalMs: 10 });
  t.mock.timers.tick(50);
  assert.ok(published > 3, `${published} times`);
  await bus.start();
  await waiting;
  const atEnd = published;
  t.mock.timers.tick(50);
  assert.equal(published, atEnd);
});

test("39. block resolves only when the bus has exited", async () => {
  const bus = new Bus();
  await bus.start();
  let state: string | undefined;
  const blocking = bus.block().then((code) => {
    state = bus.state;
    return code;
  });
  await later(30);
  assert.equal(state, undefined);
  await bus.exit();
  assert.equal(await blocking, 0);
  assert.equal(state, "exited");
});

test("40. block resolves only after registered tasks have ended", async () => {
  const { bus, lines } = watchedBus();
  await bus.start();
  const ended: string[] = [];
  bus.keep(
    "slow",
    later(60).then(() => ended.push("slow")),
  );
  bus.keep(
    "broken",
    later(30).then(() => Promise.reject(new Error("its own business"))),
  );
  const blocking = bus.block();
  lines.length = 0;
  await bus.exit();
  assert.deepEqual(ended, []);
  assert.deepEqual(bus.tasks, ["slow", "broken"]);
  await blocking;
  assert.deepEqual(ended, ["slow"]);
  assert.deepEqual(bus.tasks, []);
});

test("41. block's log is the four exit lines, then the tasks that it waits for", async () => {
  const four = ["Bus stopping", "Bus stopped", "Bus exiting", "Bus exited"];
  for (const task of [undefined, "importer"]) {
    const { bus, lines } = watchedBus();
    await bus.start();
    lines.length = 0;
    if (task !== undefined) bus.keep(task, later(10));
    const blocking = bus.block();
    await bus.exit();
    await blocking;
    const named = task === undefined ? [] : ["Waiting for importer"];
    assert.deepEqual(lines, [...four, "Waiting for tasks to end", ...named]);
  }
});

test("42. while blocked, main is published", async () => {
  const bus = new Bus();
  let published = 0;
  bus.subscribe("main", () => {
    published += 1;
    if (published === 3) void bus.exit();
  });
  await bus.start();
  await bus.block({ intervalMs: 1 });
  assert.equal(published, 3);
});

test("42a. a main listener that is added later is called, and without one there is no timer", async () => {
  const bus = new Bus();
  await bus.start();
  const blocking = bus.block({ intervalMs: 1 });
  await later(20);
  bus.subscribe("main", () => void bus.exit());
  await blocking;
});

test("43. startWithCallback runs the callback when started, with all its arguments", async () => {
  const { bus, ran } = watchedBus();
  const value = await bus.startWithCallback(
    (a: number, b: string) => {
      assert.equal(bus.state, "started");
      assert.deepEqual(ran, ["start 1", "start 2"]);
      return `${a}${b}`;
    },
    1,
    "x",
  );
  assert.equal(value, "1x");
  await bus.exit();
});

test("44. a function subscribed on the started state runs before that callback", async () => {
  await using bus = new Bus();
  const order: string[] = [];
  bus.subscribe("started", () => void order.push("state"));
  await bus.startWithCallback(() => void order.push("callback"));
  assert.deepEqual(order, ["state", "callback"]);
});

test("45. log delivers one entry per call, in order, duplicates included", () => {
  const { bus, entries } = watchedBus();
  for (const message of ["a", "b", "b", "c"]) bus.log(message);
  assert.deepEqual(
    entries.map(({ message, level }) => [message, level]),
    ["a", "b", "b", "c"].map((message) => [message, "info"]),
  );
});

test("46. log with an error adds its name and stack", () => {
  const { bus, entries } = watchedBus();
  const error = new TypeError("no such thing", { cause: new Error("deeper") });
  bus.log("It broke", "error", error);
  assert.match(
    entries[0]!.message,
    /^It broke\nTypeError: no such thing\n\s+at [^]*\n  Error: deeper/,
  );
  assert.equal(entries[0]!.error, error);
});

test("48. two exit calls share one shutdown", async () => {
  const { bus, ran } = watchedBus();
  await bus.start();
  ran.length = 0;
  assert.deepEqual(await Promise.all([bus.exit(), bus.exit(3), bus.exit()]), [3, 3, 3]);
  await bus.exit();
  assert.deepEqual(ran, ["stop 1", "stop 2", "exit 1", "exit 2"]);
});

test("48a. exit joins a running stop, even from inside a listener", async () => {
  const { bus, ran } = watchedBus();
  await bus.start();
  ran.length = 0;
  let inner: number | undefined;
  bus.subscribe("stop", async () => {
    inner = await bus.exit(4);
  });
  await bus.stop();
  await bus.wait("exited");
  assert.equal(inner, 4);
  assert.deepEqual(ran, ["stop 1", "stop 2", "exit 1", "exit 2"]);
});

test("50. start after exit is refused; start while started runs nothing again", async () => {
  const { bus, ran } = watchedBus();
  await Promise.all([bus.start(), bus.start()]);
  await bus.start();
  assert.deepEqual(ran, ["start 1", "start 2"]);
  await bus.exit();
  await assert.rejects(bus.start(), { code: "NEWEL_E_BUS_TRANSITION" });
  assert.equal(bus.state, "exited");
});

test("51. wait and block settle at the transition, regardless of the interval", async () => {
  const bus = new Bus();
  bus.subscribe("main", () => undefined);
  await bus.start();
  const settled: string[] = [];
  const waits = [
    bus.wait("exited", { channel: "x", intervalMs: 60_000 }).then(() => settled.push("wait")),
    bus.block({ intervalMs: 60_000 }).then(() => settled.push("block")),
  ];
  await later(10);
  await bus.exit();
  // One turn of the loop later both have settled: nothing is polled.
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(settled.sort(), ["block", "wait"]);
  await Promise.all(waits);
});

test("52. a failing main listener is logged and does not end the process", async () => {
  const { bus, entries } = watchedBus();
  let rounds = 0;
  bus.subscribe("main", () => {
    rounds += 1;
    if (rounds === 3) throw new ExitRequest(5);
    throw new Error(`round ${rounds}`);
  });
  await bus.start();
  const blocking = bus.block({ intervalMs: 1 });
  assert.equal(await bus.wait("exited").then(() => bus.exitCode), 5);
  await blocking;
  process.exitCode = 0;
  assert.equal(entries.filter(({ level }) => level === "error").length, 2);
});

test("52a. a failing main listener ends the process with exitOnMainFailure", async () => {
  const { bus } = watchedBus();
  bus.subscribe("main", () => assert.fail("no"));
  await bus.start();
  assert.equal(await bus.block({ intervalMs: 1, exitOnMainFailure: true }), 70);
  process.exitCode = 0;
});

test("a pending wait rejects as soon as its state becomes unreachable", async () => {
  const bus = new Bus();
  bus.subscribe("log", () => undefined);
  bus.subscribe("start", () => Promise.reject(new Error("no database")));
  const waits = [bus.wait("started"), bus.wait(["idle", "failed"])];
  const late = bus.wait("started", { channel: "beat" });
  await assert.rejects(bus.start(), { code: "NEWEL_E_BUS_LISTENERS" });
  await assert.rejects(late, { code: "NEWEL_E_BUS_TRANSITION", message: /become started/ });
  await assert.rejects(waits[0] ?? assert.fail(), { code: "NEWEL_E_BUS_TRANSITION" });
  assert.equal(await waits[1], "idle", "the state it was in");
});

test("tasks that await block() do not wait for each other, and block() waits for them", async () => {
  const bus = new Bus();
  await bus.start();
  const ended: string[] = [];
  for (const name of ["service a", "service b"])
    bus.keep(name, async () => {
      await bus.block();
      await later(5);
      ended.push(name);
    });
  const blocking = bus.block();
  await bus.exit();
  await blocking;
  assert.deepEqual(ended.sort(), ["service a", "service b"]);
});

test("block() given to keep() is ignored with a warning", async () => {
  const { bus, entries } = watchedBus();
  await bus.start();
  const blocking = bus.block();
  bus.keep("service", blocking);
  await bus.exit();
  assert.equal(await blocking, 0);
  const warnings = entries.filter(({ level }) => level === "warn");
  assert.match(warnings[0]?.message ?? "", /The task service is block\(\) itself/);
});

test("several calls of block() publish main once a round, at the shortest interval", async () => {
  const bus = new Bus();
  let running = 0;
  let most = 0;
  let rounds = 0;
  bus.subscribe("main", async () => {
    running += 1;
    most = Math.max(most, running);
    await later(2);
    running -= 1;
    rounds += 1;
    if (rounds === 5) void bus.exit();
  });
  await bus.start();
  await Promise.all([bus.block({ intervalMs: 60_000 }), bus.block({ intervalMs: 1 }), bus.block()]);
  assert.equal(most, 1);
});
