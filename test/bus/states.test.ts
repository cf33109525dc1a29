import assert from "node:assert/strict";
import { test } from "node:test";

import { Bus } from "../../src/bus/bus.ts";
import { type Edges, nextHop, path, statesOf } from "../../src/bus/lifecycle/graph.ts";
import { later, watchedBus } from "./watched-bus.ts";

test("19. start runs every start listener", async () => {
  const { bus, ran } = watchedBus();
  await bus.start();
  assert.deepEqual(ran, ["start 1", "start 2"]);
  await bus.exit();
});

test("20. start leaves the bus started", async () => {
  await using bus = new Bus();
  await bus.start();
  assert.equal(bus.state, "started");
});

test("21. start logs exactly its two states, in order", async () => {
  const { bus, lines } = watchedBus();
  await bus.start();
  assert.deepEqual(lines, ["Bus starting", "Bus started"]);
  await bus.exit();
});

test("22. stop runs every stop listener", async () => {
  const { bus, ran } = watchedBus();
  await bus.start();
  await bus.stop();
  assert.deepEqual(ran.slice(2), ["stop 1", "stop 2"]);
  await bus.exit();
});

test("23. stop leaves the bus idle", async () => {
  await using bus = new Bus();
  await bus.start();
  await bus.stop();
  assert.equal(bus.state, "idle");
});

test("24. stop logs exactly stopping, stopped", async () => {
  const { bus, lines } = watchedBus();
  await bus.start();
  lines.length = 0;
  await bus.stop();
  assert.deepEqual(lines, ["Bus stopping", "Bus stopped"]);
  await bus.exit();
});

test("25. graceful runs every graceful listener", async () => {
  const { bus, ran } = watchedBus();
  await bus.start();
  ran.length = 0;
  await bus.graceful();
  assert.deepEqual(ran, ["graceful 1", "graceful 2"]);
  await bus.exit();
});

test("26. graceful leaves a started bus started and logs one line", async () => {
  const { bus, lines } = watchedBus();
  await bus.start();
  lines.length = 0;
  await bus.graceful();
  assert.equal(bus.state, "started");
  assert.deepEqual(lines, ["Bus graceful"]);
  await bus.exit();
  await assert.rejects(bus.graceful(), { code: "NEWEL_E_BUS_TRANSITION" });
});

test("27. exit from idle runs all stop listeners and then all exit listeners", async () => {
  const { bus, ran } = watchedBus();
  await bus.exit();
  assert.deepEqual(ran, ["stop 1", "stop 2", "exit 1", "exit 2"]);
});

test("28. exit leaves the bus in its final state", async () => {
  const bus = new Bus();
  await bus.start();
  assert.equal(await bus.exit(), 0);
  assert.equal(bus.state, "exited");
});

test("29. exit logs stopping, stopped, exiting, exited in this order", async () => {
  for (const started of [false, true]) {
    const { bus, lines } = watchedBus();
    if (started) await bus.start();
    lines.length = 0;
    await bus.exit();
    assert.deepEqual(lines, ["Bus stopping", "Bus stopped", "Bus exiting", "Bus exited"]);
  }
});

const GRAPH: Edges = {
  START: ["RUN", "STOP", "EXIT"],
  RUN: ["STOP"],
  START_ERROR: ["STOP"],
  STOP: ["IDLE"],
  IDLE: ["START", "EXIT"],
  STOP_ERROR: ["EXIT"],
  EXIT: ["EXITED"],
  EXIT_ERROR: ["EXITED"],
};

test("30. the next hop of every ordered pair is the shortest path's", () => {
  const expected: Record<string, Record<string, string>> = {
    START: { RUN: "RUN", STOP: "STOP", EXIT: "EXIT", IDLE: "STOP", EXITED: "EXIT" },
    RUN: { STOP: "STOP", IDLE: "STOP", START: "STOP", EXIT: "STOP", EXITED: "STOP" },
    START_ERROR: {
      STOP: "STOP",
      IDLE: "STOP",
      START: "STOP",
      RUN: "STOP",
      EXIT: "STOP",
      EXITED: "STOP",
    },
    STOP: { IDLE: "IDLE", START: "IDLE", RUN: "IDLE", EXIT: "IDLE", EXITED: "IDLE" },
    IDLE: { START: "START", RUN: "START", STOP: "START", EXIT: "EXIT", EXITED: "EXIT" },
    STOP_ERROR: { EXIT: "EXIT", EXITED: "EXIT" },
    EXIT: { EXITED: "EXITED" },
    EXIT_ERROR: { EXITED: "EXITED" },
  };
  let pairs = 0;
  for (const from of statesOf(GRAPH)) {
    for (const to of statesOf(GRAPH)) {
      if (from === to) continue;
      const hop = nextHop(GRAPH, from, to);
      assert.equal(hop, expected[from]?.[to], `${from} to ${to}`);
      if (hop !== undefined) pairs += 1;
    }
  }
  assert.equal(pairs, 30);
});

test("31. the states of the graph are all names that appear in the table", () => {
  assert.deepEqual(
    [...statesOf(GRAPH)].sort(),
    [
      "EXIT",
      "EXITED",
      "EXIT_ERROR",
      "IDLE",
      "RUN",
      "START",
      "START_ERROR",
      "STOP",
      "STOP_ERROR",
    ].sort(),
  );
});

test("32. idle from started passes stop only; exited from fresh: enter, idle, exit, exited", () => {
  assert.deepEqual(path(GRAPH, "RUN", "IDLE"), ["STOP", "IDLE"]);
  const fresh = { ...GRAPH, INITIAL: ["ENTER"], ENTER: ["IDLE"] };
  const bus = new Bus();
  const ran: string[] = [];
  for (const state of statesOf(fresh)) bus.subscribe(state, () => void ran.push(state));
  for (const state of path(fresh, "INITIAL", "EXITED") ?? []) bus.publish(state);
  assert.deepEqual(ran, ["ENTER", "IDLE", "EXIT", "EXITED"]);
  assert.equal(path(fresh, "EXITED", "RUN"), undefined);
  assert.deepEqual(path(fresh, "RUN", "RUN"), []);
});

test("exit during the start skips the listeners that have not begun", async () => {
  const { bus, ran } = watchedBus();
  let aborted = false;
  let next = false;
  bus.subscribe("start", async ({ signal }) => {
    await later(20);
    aborted = signal.aborted;
  });
  bus.subscribe("start", () => void (next = true));
  const starting = bus.start();
  await later(5);
  assert.equal(await bus.exit(0), 0);
  await starting;
  assert.equal(bus.state, "exited");
  assert.ok(aborted && !next);
  assert.deepEqual(ran.slice(2), ["stop 1", "stop 2", "exit 1", "exit 2"]);
});

test("stop during the start leaves the bus idle, and it can start again", async () => {
  await using bus = new Bus();
  bus.subscribe("start", () => later(10));
  const starting = bus.start();
  await bus.stop();
  await starting;
  assert.equal(bus.state, "idle");
  await bus.start();
  assert.equal(bus.state, "started");
});

test("plan returns the order without running it, timeline the listeners that ran", async () => {
  const { bus, ran } = watchedBus();
  bus.subscribe("stop", () => undefined, { priority: 10, name: "first", timeoutMs: 5 });
  assert.deepEqual(bus.plan().stop[0], { listener: "first", priority: 10, limitMs: 5 });
  assert.equal(bus.plan().stop.length, 3);
  assert.deepEqual(ran, []);
  await bus.start();
  await bus.exit();
  const stops = bus.timeline.filter(({ channel }) => channel === "stop");
  assert.equal(stops[0]?.listener, "first");
  assert.equal(bus.timeline.length, 2 + 3 + 2);
});
