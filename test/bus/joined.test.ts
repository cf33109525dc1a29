import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test, type TestContext } from "node:test";

import { Bus } from "../../src/bus/bus.ts";
import { parseJoinMessage } from "../../src/bus/join.ts";
import type { LogEntry } from "../../src/bus/log.ts";
import { type Child, type ChildExit, startChild } from "../../src/bus/plugins/child.ts";
import { eventually, isAlive, startProcess } from "../helpers/resources.ts";
import { later } from "./watched-bus.ts";

interface Joined {
  readonly bus: Bus;
  readonly child: Child;
  readonly entries: LogEntry[];
  readonly exits: ChildExit[];
}

function joined(t: TestContext, ...args: string[]): Joined {
  const bus = new Bus({ name: "Parent" });
  const entries: LogEntry[] = [];
  const exits: ChildExit[] = [];
  bus.subscribe("log", (entry) => void entries.push(entry));
  bus.subscribe("childExit", (exit) => void exits.push(exit as ChildExit));
  const child = startChild(bus, {
    name: "child",
    module: new URL("fixtures/child.ts", import.meta.url),
    args,
    channels: ["ping", "pong"],
    stopMs: 500,
  });
  t.after(() => bus.exit());
  return { bus, child, entries, exits };
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

test("channels and graceful reach across, once", async (t) => {
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
  const hanging = joined(t, "hangs");
  await hanging.bus.start();
  await hanging.bus.stop();
  assert.deepEqual([hanging.exits[0]?.signal, hanging.exits[0]?.expected], ["SIGKILL", true]);
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
  t.after(() => isAlive(pid) && process.kill(pid, "SIGKILL"));
  assert.ok(isAlive(pid));
  parent.kill("SIGKILL");
  await eventually(() => !isAlive(pid), "the child ends");
});

test("foreign and broken messages are no messages", () => {
  for (const value of [
    undefined,
    7,
    {},
    { newelBus: null },
    { newelBus: { say: "shout" } },
    { newelBus: { say: "state", state: "happy" } },
    { newelBus: { say: "publish", channel: 1, args: [] } },
    { newelBus: { say: "log", entry: { level: "loud" } } },
  ])
    assert.equal(parseJoinMessage(value), undefined);
});

test("the bank-broker example: every order is carried out, and Ctrl-C ends both cleanly", async (t) => {
  const bank = new URL("../../examples/bank-broker/bank.ts", import.meta.url);
  // A process group of its own, so that SIGINT reaches both as Ctrl-C would.
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
  t.after(() => child.exitCode === null && process.kill(-pid, "SIGKILL"));
  await eventually(() => output.split("carried out: ").length > 20, "orders");
  process.kill(-pid, "SIGINT");
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
