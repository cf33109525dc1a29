import assert from "node:assert/strict";
import { readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { test } from "node:test";

import pino from "pino";

import { Bus } from "../../src/bus/bus.ts";
import { backgroundTask } from "../../src/bus/plugins/background-task.ts";
import { logToFile, logToPino, logToStream } from "../../src/bus/plugins/loggers.ts";
import { monitor, PerpetualTimer } from "../../src/bus/plugins/monitor.ts";
import { eventually, temporaryDirectory } from "../helpers/resources.ts";
import { later, watchedBus } from "./watched-bus.ts";

test("a monitor is called while the bus is started, and graceful restarts its pause", async () => {
  await using bus = new Bus();
  let calls = 0;
  monitor(bus, () => void (calls += 1), { intervalMs: 20, name: "counts" });
  await later(40);
  assert.equal(calls, 0);
  await bus.start();
  await eventually(() => calls >= 2, "it is called again and again");
  await bus.graceful();
  await bus.stop();
  const atStop = calls;
  await later(50);
  assert.equal(calls, atStop);
  await bus.start();
  await eventually(() => calls > atStop, "it starts again");
});

test("a monitor that fails is logged and ends; an interval of 0 never calls it", async () => {
  const { bus, entries } = watchedBus();
  let calls = 0;
  let never = 0;
  monitor(
    bus,
    () => {
      calls += 1;
      throw new Error("no disk");
    },
    { intervalMs: 5, name: "disk" },
  );
  monitor(bus, () => void (never += 1), { intervalMs: 0 });
  await bus.start();
  await later(60);
  assert.deepEqual([calls, never], [1, 0]);
  assert.match(entries.at(-1)?.message ?? "", /The monitor disk failed[^]*Error: no disk/);
  await bus.exit();
});

test("a perpetual timer ends immediately, and waits for the running call", async () => {
  let finished = false;
  const timer = new PerpetualTimer(
    async () => {
      await later(30);
      finished = true;
    },
    1,
    (error) => assert.fail(String(error)),
  );
  timer.start();
  await later(15);
  await timer.cancel();
  assert.ok(finished);
  assert.equal(timer.running, false);
});

test("a background task runs while the bus is started; stop aborts it and waits for its end", async () => {
  const { bus, entries } = watchedBus();
  const events: string[] = [];
  let tries = 0;
  backgroundTask(
    bus,
    async (signal) => {
      tries += 1;
      if (tries < 3) throw new Error(`try ${tries}`);
      events.push("runs");
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      await later(20);
      events.push("ended");
    },
    { name: "consumer", retryMs: 5 },
  );
  await bus.start();
  await eventually(() => events.length === 1, "it runs at the third try");
  assert.deepEqual(bus.tasks, ["consumer"]);
  await bus.stop();
  assert.deepEqual(events, ["runs", "ended"]);
  assert.deepEqual(bus.tasks, []);
  assert.equal(entries.filter(({ level }) => level === "error").length, 2);
  await bus.exit();
});

test("loggers write to a stream and a file, above their level", async (t) => {
  const bus = new Bus({ name: "Bank" });
  const path = join(temporaryDirectory(t), "bus.text");
  const stream = new PassThrough();
  logToStream(bus, stream, { level: "warn", format: ({ message }) => message });
  const close = logToFile(bus, path);
  bus.log("Placing order");
  bus.log("No broker", "warn");
  bus.log("hidden", "debug");
  assert.equal(String(stream.read()), "No broker\n");
  const line = /^\d{4}-\d\d-\d\dT[\d:.]+Z info Bank\[\d+\] Placing order\n.* warn .* No broker\n$/;
  assert.match(readFileSync(path, "utf8"), line);
  await bus.start();
  renameSync(path, `${path}.1`);
  await bus.graceful();
  bus.log("after rotation");
  assert.match(readFileSync(path, "utf8"), /after rotation\n$/);
  assert.match(readFileSync(`${path}.1`, "utf8"), /Bank graceful\n$/);
  await bus.exit();
  close();
  bus.log("unheard");
  assert.doesNotMatch(readFileSync(path, "utf8"), /unheard/);
});

test("a pino logger gets level, bus and error", () => {
  const bus = new Bus({ name: "Bank" });
  const lines: Record<string, unknown>[] = [];
  const logger = pino({ level: "debug" }, { write: (line) => void lines.push(JSON.parse(line)) });
  const off = logToPino(bus, logger);
  bus.log("careful", "warn");
  bus.log("It broke", "error", new TypeError("no"));
  off();
  bus.log("unheard");
  assert.equal(lines.length, 2);
  assert.deepEqual(
    [lines[0]?.["level"], lines[0]?.["bus"], lines[0]?.["msg"]],
    [40, "Bank", "careful"],
  );
  assert.equal(lines[1]?.["msg"], "It broke");
  assert.equal((lines[1]?.["err"] as { type?: string } | undefined)?.type, "TypeError");
});
