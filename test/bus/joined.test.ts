import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test, type TestContext } from "node:test";

import { hasCode } from "../../src/base/errors.ts";
import { Bus } from "../../src/bus/bus.ts";
import { ChannelFailures } from "../../src/bus/failures.ts";
import { parseJoinMessage } from "../../src/bus/join.ts";
import type { LogEntry } from "../../src/bus/log.ts";
import type { ChildExit } from "../../src/bus/plugin-channels.ts";
import { type Child, startChild } from "../../src/bus/plugins/child.ts";
import { eventually, isAlive, startProcess } from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";
import { later } from "./watched-bus.ts";

interface Joined {
  readonly bus: Bus;
  readonly child: Child;
  readonly entries: LogEntry[];
  readonly exits: ChildExit[];
}

function joined(t: TestContext, ...args: string[]): Joined {
  return joinedFor(t, args, 20_000);
}

function joinedFor(t: TestContext, args: readonly string[], stopMs: number): Joined {
  const bus = new Bus({ name: "Parent" });
  const entries: LogEntry[] = [];
  const exits: ChildExit[] = [];
  bus.subscribe("log", (entry) => void entries.push(entry));
  bus.subscribe("childExit", (exit) => void exits.push(exit));
  const child = startChild(bus, {
    name: "child",
    module: new URL("fixtures/child.ts", import.meta.url),
    args,
    channels: ["ping", "pong", "value", "slow"],
    stopMs,
  });
  t.after(() => bus.exit());
  return { bus, child, entries, exits };
}

function warningsIn(entries: readonly LogEntry[]): string[] {
  return entries
    .filter(({ level }) => level === "warn" || level === "error")
    .map(({ message }) => message);
}

test("the parent's start waits for the child's, and its stop for the child's end", async (t) => {
  const { bus, child, entries, exits } = joined(t);
  await bus.start();
  const { pid } = child;
  assert.ok(pid !== undefined && isAlive(pid));
  const childLines = entries.filter((entry) => entry.bus === "Child");
  assert.deepEqual(
    childLines.map(({ message, pid: from }) => [message, from]),
    [
      ["Child starting", pid],
      ["Child started", pid],
    ],
  );
  await bus.stop();
  assert.equal(child.running, false);
  assert.deepEqual(exits, [{ name: "child", pid, code: 0, signal: null, expected: true }]);
  assert.ok(entries.some(({ message }) => message === "Child exited"));
  await bus.start();
  assert.notEqual(child.pid, pid, "it starts again");
});

test("publishes and graceful reach the other process once", async (t) => {
  const { bus, child, entries } = joined(t);
  const pongs: unknown[] = [];
  bus.subscribe("pong", (...args) => void pongs.push(args));
  await bus.start();
  bus.publish("ping", 1);
  bus.publish("ping", { two: 2 });
  await bus.graceful();
  await eventually(() => pongs.length === 2, "the answers");
  await eventually(() => entries.some(({ message }) => message === "child graceful"), "graceful");
  assert.deepEqual(pongs, [
    [1, child.pid],
    [{ two: 2 }, child.pid],
  ]);
});

test("an exit while a later listener still starts ends the child in order", async (t) => {
  const { bus, exits } = joined(t);
  bus.subscribe("start", () => bus.exit(0).then(() => later(50)), { priority: 70 });
  await bus.start();
  assert.equal(bus.state, "exited");
  assert.deepEqual([exits[0]?.code, exits[0]?.expected], [0, true]);
});

test("a failing log listener does not break the channel to the child", async (t) => {
  const { bus, child } = joined(t);
  t.mock.method(process, "emitWarning", () => undefined);
  bus.subscribe("log", () => assert.fail("no disk"));
  await bus.start();
  assert.ok(child.running);
  await bus.stop();
});

test("a child that dies publishes on the parent's bus", async (t) => {
  const { bus, child, exits } = joined(t);
  await bus.start();
  const { pid } = child;
  bus.publish("ping", "die");
  await eventually(() => exits.length > 0, "childExit");
  assert.deepEqual(exits, [{ name: "child", pid, code: null, signal: "SIGKILL", expected: false }]);
  assert.equal(bus.state, "started");
  await bus.stop();
});

test("a child that does not start makes the start fail, one that hangs is killed", async (t) => {
  const failing = joined(t, "fails");
  await assert.rejects(failing.bus.start(), /child did not start|NEWEL_E_BUS_LISTENERS|child/);
  assert.match(
    failing.entries.map(({ message }) => message).join("\n"),
    /no broker today[^]*did not start: it ended with code 70/,
  );
  const hanging = joinedFor(t, ["hangs"], 500);
  await hanging.bus.start();
  await hanging.bus.stop();
  assert.deepEqual([hanging.exits[0]?.signal, hanging.exits[0]?.expected], ["SIGKILL", true]);
});

test("a value arrives in the other process unchanged, in both directions", async (t) => {
  const { bus } = joined(t);
  const came: unknown[] = [];
  bus.subscribe("pong", (value) => void came.push(value));
  await bus.start();
  const cause = new TypeError("deeper");
  const values = [
    undefined,
    null,
    Number.NaN,
    -0,
    2n ** 80n,
    "\ud800",
    new Date(0),
    new Map([[{ key: 1 }, new Set([1])]]),
    /x/gi,
    new Uint8Array([1, 2, 3]),
    Object.assign(new RangeError("x", { cause }), { detail: { a: [1] } }),
    { nested: [undefined, { date: new Date(Number.NaN) }] },
  ];
  for (const value of values) bus.publish("value", value);
  await eventually(() => came.length === values.length, "every value came back", 30_000);
  assert.deepEqual(came, values);
  assert.ok(Object.is(came[3], -0));
});

test("a value that cannot be copied makes publish fail with an error that names the part", async (t) => {
  const { bus, entries } = joined(t);
  await bus.start();
  let heard = 0;
  bus.subscribe("value", () => void (heard += 1));
  for (const value of [() => 1, new URL("http://x/"), Symbol("x"), new WeakMap()])
    assert.throws(
      () => bus.publish("value", { deep: [value] }),
      (error) =>
        error instanceof ChannelFailures &&
        error.failures[0]?.listener === "joined bus child" &&
        hasCode(error.errors[0], "NEWEL_E_NOT_SENDABLE") &&
        /deep\[0\]/.test(String(error.errors[0])),
    );
  assert.equal(heard, 4, "the listeners here have run");
  bus.publish("value", 1);
  await bus.stop();
  const [refusals, others] = [/cannot be sent/, /^(?![^]*cannot be sent)/].map(
    (pattern) => warningsIn(entries).filter((line) => pattern.test(line)).length,
  );
  assert.deepEqual([refusals, others], [4, 0], "each is logged once");
});

test("a stop makes the child handle every message that was published before it", async (t) => {
  const { bus, entries } = joined(t);
  const came: unknown[] = [];
  bus.subscribe("pong", (n) => void came.push(n));
  await bus.start();
  const numbers = Array.from({ length: 200 }, (_, n) => n);
  for (const n of numbers) bus.publish("slow", n);
  await bus.exit();
  assert.deepEqual(came, numbers);
  assert.deepEqual(warningsIn(entries), []);
});

test("messages to a child that is not running are counted and reported", async (t) => {
  const { bus, child, entries, exits } = joined(t);
  const lost = (): string[] => warningsIn(entries).filter((line) => /not delivered/.test(line));
  bus.publish("ping", "too early");
  await eventually(() => lost().length === 1, "the report of the early message");
  await bus.start();
  sendSignal(child.pid ?? 0, "SIGKILL");
  await eventually(() => exits.length > 0, "childExit");
  for (let n = 0; n < 1_000; n += 1) bus.publish("ping", n);
  bus.publish("value", 1);
  await eventually(() => lost().length === 3, "the report");
  assert.deepEqual(
    lost().map((line) => line.replace("child is not running: ", "")),
    [
      '1 message published on "ping" was not delivered.',
      '1000 messages published on "ping" were not delivered.',
      '1 message published on "value" was not delivered.',
    ],
  );
  await bus.stop();
});

test("messages that a killed child had not handled are counted and reported", async (t) => {
  const { bus, entries, exits } = joined(t);
  const came: unknown[] = [];
  bus.subscribe("pong", (n) => void came.push(n));
  await bus.start();
  bus.publish("value", "before");
  await eventually(() => came.length === 1, "one is handled");
  bus.publish("ping", "die");
  for (let n = 0; n < 50; n += 1) bus.publish("slow", n);
  await eventually(() => exits.length > 0, "childExit");
  const reports = (): string[] => warningsIn(entries).filter((line) => /ended before/.test(line));
  await eventually(() => reports().length > 0, "the report");
  assert.deepEqual(reports(), ["child ended before it had handled 51 published messages."]);
  await bus.stop();
});

for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
  for (const way of ["signals", "plain"]) {
    test(`${signal} to the group: a child (${way}) ends by its parent's stop, and no order is lost`, async (t) => {
      const parent = new URL("fixtures/parent.ts", import.meta.url).pathname;
      const group = spawn(process.execPath, [parent, way], {
        stdio: ["ignore", "pipe", "inherit"],
        detached: true,
      });
      const { pid } = group;
      assert.ok(pid !== undefined);
      t.after(() => group.exitCode === null && sendSignal(-pid, "SIGKILL"));
      let output = "";
      group.stdout.on("data", (chunk) => (output += String(chunk)));
      const ended = once(group, "close");
      await eventually(() => output.includes("READY"), "both have started", 30_000);
      sendSignal(-pid, signal);
      assert.deepEqual(await ended, [0, null], output);
      assert.match(output, /30 of 30 done, code 0/);
    });
  }
}

test("a signal to the child alone ends only the child", async (t) => {
  for (const way of ["signals", "plain"]) {
    const { bus, child, exits, entries } = joined(t, way);
    await bus.start();
    sendSignal(child.pid ?? 0, "SIGTERM");
    await eventually(() => exits.length > 0, "childExit", 30_000);
    assert.deepEqual([exits[0]?.code, exits[0]?.signal, exits[0]?.expected], [0, null, false]);
    assert.equal(bus.state, "started");
    assert.match(warningsIn(entries).join("\n"), /child got SIGTERM alone: it exits/);
    await bus.exit();
  }
});

test("the death of the parent ends the child", async (t) => {
  const module = new URL("fixtures/child.ts", import.meta.url).href;
  const program = `
    import { fork } from "node:child_process";
    const child = fork(new URL(${JSON.stringify(module)}), [], { execArgv: [] });
    child.on("message", ({ newelBus }) => newelBus.state === "started" && console.log(child.pid));
  `;
  const parent = startProcess(t, process.execPath, ["--input-type=module", "-e", program]);
  const [first] = (await once(parent.stdout ?? assert.fail(), "data")) as [Buffer];
  const pid = Number(String(first));
  t.after(() => isAlive(pid) && sendSignal(pid, "SIGKILL"));
  assert.ok(isAlive(pid));
  parent.kill("SIGKILL");
  await eventually(() => !isAlive(pid), "the child ends");
});

test("foreign and malformed messages are ignored", () => {
  const entry = { level: "info", message: "hello", bus: "child", pid: 1 };
  for (const value of [
    undefined,
    7,
    {},
    { newelBus: null },
    { newelBus: { say: "shout" } },
    { newelBus: { say: "state", state: "happy" } },
    { newelBus: { say: "publish", channel: 1, args: [] } },
    { newelBus: { say: "log", entry: { level: "loud" } } },
    { newelBus: { say: "log", entry: { ...entry, timeMs: 1e300 } } },
    { newelBus: { say: "log", entry: { ...entry, timeMs: Number.NaN } } },
    { newelBus: { say: "handled", count: -1 } },
    { newelBus: { say: "handled", count: 0.5 } },
  ])
    assert.equal(parseJoinMessage(value), undefined);
  const sound = { newelBus: { say: "log", entry: { ...entry, timeMs: 1 } } };
  assert.deepEqual(parseJoinMessage(sound), sound.newelBus);
});

test("the bank-broker example: every order is carried out, and Ctrl-C ends both cleanly", async (t) => {
  const bank = new URL("../../examples/bank-broker/bank.ts", import.meta.url);
  // A separate process group, so that SIGINT reaches both as Ctrl-C would.
  const child = spawn(process.execPath, [bank.pathname], {
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  const { pid } = child;
  assert.ok(pid !== undefined);
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk) => (output += String(chunk)));
  const ended = once(child, "close");
  t.after(() => child.exitCode === null && sendSignal(-pid, "SIGKILL"));
  await eventually(() => output.split("carried out: ").length > 20, "orders");
  sendSignal(-pid, "SIGINT");
  assert.deepEqual(await ended, [0, null], output);
  const [placed, done] = [
    output.match(/Bank\[\d+\] Placing order: .*/g) ?? [],
    output.match(/Broker\[\d+\] (BUY|SELL) order carried out: .*/g) ?? [],
  ];
  assert.equal(done.length, placed.length);
  const total = /Broker\[(\d+)\] (\d+) orders carried out in all/.exec(output);
  assert.equal(Number(total?.[2]), placed.length);
  assert.ok(!isAlive(Number(total?.[1])));
  assert.match(output, /Broker\[\d+\] Broker exited\n[^]*Bank\[\d+\] Bank exited\n/);
});
