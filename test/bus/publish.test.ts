import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { test } from "node:test";

import { Bus } from "../../src/bus/bus.ts";
import type { Step } from "../../src/bus/channels.ts";
import { ChannelFailures, ExitRequest } from "../../src/bus/failures.ts";
import type { LogEntry } from "../../src/bus/log.ts";
import { BUS_STATES } from "../../src/bus/lifecycle/states.ts";

const LIFECYCLE = ["start", "stop", "restart", "graceful", "exit"] as const;
const STEP: Step = { signal: new AbortController().signal, limitMs: 1 };

/** A bus and the entries it logs. */
function quietBus(): { bus: Bus; entries: LogEntry[] } {
  const bus = new Bus();
  const entries: LogEntry[] = [];
  bus.subscribe("log", (entry) => void entries.push(entry));
  return { bus, entries };
}

test("1. listeners of every built-in channel run by priority, with and without an argument", () => {
  for (const channel of [...LIFECYCLE, ...BUS_STATES, "main" as const]) {
    const bus = new Bus();
    const runs: unknown[] = [];
    for (const priority of [100, 50, 0, 51])
      bus.subscribe(channel, (...args: unknown[]) => void runs.push([priority, ...args]), {
        priority,
      });
    bus.publish(channel as "start");
    bus.publish(channel as "start", STEP);
    const order = [0, 50, 51, 100];
    const isLifecycle = LIFECYCLE.some((name) => name === channel);
    // Without an argument, lifecycle listeners get a step of no limit.
    const withNone = runs.slice(0, 4).map((run) => run as [number, Step?]);
    assert.deepEqual(
      withNone.map(([priority, step]) => [priority, step?.limitMs]),
      order.map((priority) => [priority, isLifecycle ? Infinity : undefined]),
      channel,
    );
    assert.deepEqual(
      runs.slice(4),
      order.map((priority) => [priority, STEP]),
      channel,
    );
  }
  const bus = new Bus();
  const runs: unknown[] = [];
  for (const priority of [100, 50, 0, 51])
    bus.subscribe("log", (entry) => void runs.push([priority, entry.message]), { priority });
  bus.log("x");
  assert.deepEqual(
    runs,
    [0, 50, 51, 100].map((p) => [p, "x"]),
  );
});

test("2. the argument given to publish reaches every listener unchanged", () => {
  const bus = new Bus<{ order(order: object): void }>();
  const seen: object[] = [];
  bus.subscribe("order", (order) => void seen.push(order));
  bus.subscribe("order", (order) => void seen.push(order), { priority: 1 });
  const order = { code: "NEWL" };
  bus.publish("order", order);
  assert.equal(seen.length, 2);
  assert.ok(seen.every((value) => value === order));
});

test("3. a new channel name works like a built-in one", () => {
  const bus = new Bus();
  const runs: number[] = [];
  for (const priority of [100, 50, 0, 51])
    bus.subscribe("bugcatcher", () => void runs.push(priority), { priority });
  bus.publish("bugcatcher", "one");
  assert.deepEqual(runs, [0, 50, 51, 100]);
});

test("4. no priority means 50", () => {
  const bus = new Bus();
  const runs: string[] = [];
  bus.subscribe("x", () => void runs.push("none"));
  for (const priority of [10, 60, 40])
    bus.subscribe("x", () => void runs.push(String(priority)), { priority });
  bus.publish("x");
  assert.deepEqual(runs, ["10", "40", "none", "60"]);
});

test("5. one listener throws: publish throws ChannelFailures, a later one has run", async () => {
  const channels = [...LIFECYCLE, ...BUS_STATES, "main" as const, "custom"];
  for (const channel of channels) {
    for (const way of ["publish", "publishAsync"] as const) {
      const { bus } = quietBus();
      const seen: unknown[] = [];
      bus.subscribe(channel, () => {
        throw new Error("broken");
      });
      bus.subscribe(channel, (...args: unknown[]) => void seen.push(args[0]), { priority: 70 });
      await assert.rejects(
        async () => await bus[way](channel as "custom", STEP),
        (error) => error instanceof ChannelFailures && error.channel === channel,
      );
      assert.deepEqual(seen, [STEP], `${way} ${channel}`);
    }
  }
});

test("6. an unknown or empty channel gives an empty list", async () => {
  const bus = new Bus();
  assert.deepEqual(bus.publish("nobody", 1), []);
  assert.deepEqual(await bus.publishAsync("nobody", 1), []);
  bus.subscribe("left", () => 1)();
  assert.deepEqual(bus.publish("left"), []);
});

test("7. publish returns results in run order", async () => {
  const bus = new Bus<{ ask(n: number): number }>();
  bus.subscribe("ask", (n) => n + 3, { priority: 3 });
  bus.subscribe("ask", (n) => n + 1, { priority: 1 });
  bus.subscribe("ask", (n) => n + 2, { priority: 2 });
  assert.deepEqual(bus.publish("ask", 10), [11, 12, 13]);
  assert.deepEqual(await bus.publishAsync("ask", 10), [11, 12, 13]);
});

test("7a. publishAsync waits for each listener before the next", async () => {
  const bus = new Bus<{ ask(): number }>();
  const events: string[] = [];
  bus.subscribe("ask", async () => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    events.push("slow");
    return 1;
  });
  bus.subscribe("ask", () => events.push("fast"));
  assert.deepEqual(await bus.publishAsync("ask"), [1, 2]);
  assert.deepEqual(events, ["slow", "fast"]);
});

test("8. equal priorities run in subscription order", () => {
  const bus = new Bus();
  const runs: number[] = [];
  for (let n = 0; n < 20; n += 1) bus.subscribe("x", () => void runs.push(n), { priority: 5 });
  bus.publish("x");
  assert.deepEqual(
    runs,
    Array.from({ length: 20 }, (_, n) => n),
  );
});

test("9. subscribing the same function again keeps one listener with the new priority", () => {
  const bus = new Bus();
  const runs: string[] = [];
  const moved = (): void => void runs.push("moved");
  bus.subscribe("x", moved, { priority: 10 });
  bus.subscribe("x", () => void runs.push("fixed"), { priority: 20 });
  bus.subscribe("x", moved, { priority: 30 });
  bus.publish("x");
  assert.deepEqual(runs, ["fixed", "moved"]);
});

test("10. unsubscribing an unknown listener does nothing", () => {
  const bus = new Bus();
  bus.unsubscribe("nobody", () => undefined);
  bus.subscribe("x", () => 1);
  bus.unsubscribe("x", () => 1);
  assert.deepEqual(bus.publish("x"), [1]);
});

test("11. a priority attached to the function counts when subscribe gets none", () => {
  const bus = new Bus();
  const early = Object.assign(() => "early", { priority: 5 });
  bus.subscribe("x", () => "middle");
  bus.subscribe("x", early);
  assert.deepEqual(bus.publish("x"), ["early", "middle"]);
  bus.subscribe("x", early, { priority: 60 });
  assert.deepEqual(bus.publish("x"), ["middle", "early"]);
});

test("12. subscribe without a function gives a function that subscribes and returns it", () => {
  const bus = new Bus();
  const second = bus.subscribe("x", { priority: 60 })(() => "second");
  const first = bus.subscribe("x")(() => "first");
  assert.equal(second(), "second");
  assert.equal(first(), "first");
  assert.deepEqual(bus.publish("x"), ["first", "second"]);
});

test("13. a listener that is added or removed during a publish affects only the next publish", () => {
  const bus = new Bus();
  const runs: string[] = [];
  const late = (): void => void runs.push("late");
  const once = (): void => {
    runs.push("once");
    bus.unsubscribe("x", once);
    bus.subscribe("x", late, { priority: 99 });
  };
  bus.subscribe("x", once);
  bus.subscribe("x", () => void runs.push("after"));
  bus.publish("x");
  assert.deepEqual(runs, ["once", "after"]);
  bus.publish("x");
  assert.deepEqual(runs, ["once", "after", "after", "late"]);
});

test("14. ChannelFailures names every failure and keeps the other results", async () => {
  const { bus } = quietBus();
  const [first, second] = [new Error("first"), new TypeError("second")];
  bus.subscribe("x", () => "good", { priority: 2 });
  bus.subscribe("x", () => Promise.reject(second), { priority: 3, name: "two" });
  bus.subscribe("x", () => Promise.reject(first), { priority: 1, name: "one" });
  const failed = await bus.publishAsync("x").then(
    () => assert.fail("must reject"),
    (error: unknown) => error,
  );
  assert.ok(failed instanceof ChannelFailures && failed instanceof AggregateError);
  assert.deepEqual(failed.errors, [first, second]);
  assert.deepEqual(
    failed.failures.map(({ channel, listener, priority }) => [channel, listener, priority]),
    [
      ["x", "one", 1],
      ["x", "two", 3],
    ],
  );
  assert.ok(failed.failures.every(({ durationMs }) => durationMs !== undefined));
  assert.deepEqual(failed.results, ["good"]);
  assert.equal(failed.code, "NEWEL_E_BUS_LISTENERS");
  assert.match(failed.message, /Listeners of the channel "x" failed \(2\): one: first/);
});

test("15. an exit request stops the later listeners and is not wrapped", async () => {
  const { bus } = quietBus();
  const request = new ExitRequest(3);
  let later = 0;
  bus.subscribe("x", () => {
    throw request;
  });
  bus.subscribe("x", () => void (later += 1));
  assert.throws(
    () => bus.publish("x"),
    (error) => error === request,
  );
  await assert.rejects(bus.publishAsync("x"), (error) => error === request);
  assert.equal(later, 0);
});

test("16. an exit request with code 0 or none after a failure leaves with 1", async () => {
  for (const [asked, code] of [
    [0, 1],
    [undefined, 1],
    [3, 3],
  ] as const) {
    const { bus } = quietBus();
    bus.subscribe("x", () => assert.fail("earlier"));
    bus.subscribe("x", () => {
      throw new ExitRequest(asked);
    });
    const hasCode = (error: unknown): boolean =>
      error instanceof ExitRequest && error.exitCode === code;
    assert.throws(() => bus.publish("x"), hasCode);
    await assert.rejects(bus.publishAsync("x"), hasCode);
  }
});

test("17. each listener error is logged once, at error level, with its stack", async () => {
  for (const way of ["publish", "publishAsync"] as const) {
    const { bus, entries } = quietBus();
    bus.subscribe("x", function breaks() {
      throw new RangeError("too far");
    });
    await assert.rejects(async () => await bus[way]("x"));
    const errors = entries.filter(({ level }) => level === "error");
    assert.equal(errors.length, 1);
    assert.match(errors[0]!.message, /breaks.*"x"[^]*RangeError: too far\n\s+at breaks /);
  }
});

test("17a. a promise that rejects after a synchronous publish is logged", async () => {
  const { bus, entries } = quietBus();
  bus.subscribe("x", () => Promise.reject(new Error("later")));
  const [result] = bus.publish("x");
  await assert.rejects(result as Promise<void>, /later/);
  assert.equal(entries.filter(({ message }) => message.includes("later")).length, 1);
});

test("18. an error on log reaches neither log nor the caller nor the states", async (t) => {
  const bus = new Bus();
  const entries: string[] = [];
  const warnings: string[] = [];
  t.mock.method(process, "emitWarning", (text: string) => void warnings.push(text));
  bus.subscribe("log", function broken() {
    throw new Error("disk full");
  });
  bus.subscribe("log", ({ message }) => void entries.push(message));
  bus.log("hello");
  await bus.start();
  assert.equal(bus.state, "started");
  await bus.exit();
  assert.equal(bus.exitCode, 0);
  assert.ok(entries.includes("hello"));
  assert.ok(!entries.some((message) => message.includes("disk full")));
  assert.equal(warnings.length, 1, "said once, elsewhere");
  assert.match(warnings[0]!, /broken failed[^]*disk full/);
});

test("a listener that takes too long is a failure, its signal aborts, and the next runs", async () => {
  const { bus } = quietBus();
  let aborted = false;
  let later = false;
  bus.subscribe(
    "stop",
    ({ signal }) =>
      new Promise(() => {
        signal.addEventListener("abort", () => (aborted = true));
      }),
    { timeoutMs: 30, name: "hangs" },
  );
  bus.subscribe("stop", () => void (later = true));
  await bus.start();
  await assert.rejects(bus.stop(), (error) => {
    assert.ok(error instanceof ChannelFailures);
    assert.match(String(error.errors[0]), /hangs.*"stop".*30 ms/);
    return true;
  });
  assert.ok(aborted && later);
  await bus.exit();
});

test("an aborted signal unsubscribes", () => {
  const bus = new Bus();
  const controller = new AbortController();
  bus.subscribe("x", () => 1, { signal: controller.signal });
  assert.deepEqual(bus.publish("x"), [1]);
  controller.abort();
  assert.deepEqual(bus.publish("x"), []);
  bus.subscribe("x", () => 1, { signal: controller.signal });
  assert.deepEqual(bus.publish("x"), []);
});

test("keepContext runs a listener in the context it was subscribed in", () => {
  const bus = new Bus();
  const storage = new AsyncLocalStorage<string>();
  storage.run("mine", () => {
    bus.subscribe("x", () => storage.getStore(), { keepContext: true });
    bus.subscribe("x", () => storage.getStore());
  });
  assert.deepEqual(bus.publish("x"), ["mine", undefined]);
});

test("any thrown value is logged, and none keeps the bus from exiting", async () => {
  const circular = new Error("circular");
  circular.cause = circular;
  const unreadable = new Proxy(new Error("never seen"), {
    get: () => assert.fail("a property that throws"),
  });
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  const many = new AggregateError(
    Array.from({ length: 10_000 }, (_, n) => new Error(`part ${n}`)),
    "many",
  );
  for (const thrown of [circular, unreadable, proxy, many, Object.create(null), undefined]) {
    const { bus, entries } = quietBus();
    bus.subscribe("stop", () => {
      throw thrown;
    });
    assert.equal(await bus.exit(), 70);
    const [entry] = entries.filter(({ level }) => level === "error");
    assert.match(entry?.message ?? "", /^The listener anonymous of the channel "stop" failed\./);
    assert.ok((entry?.message.length ?? 0) < 100_000);
    assert.throws(() => bus.publish("stop"), ChannelFailures);
  }
});

test("a code that the system would truncate to 0 counts as 70", async () => {
  for (const code of [256, 512, -1, 1.5, Number.NaN]) {
    assert.equal(await new Bus().exit(code), 70);
    const { bus } = quietBus();
    bus.subscribe("exit", () => {
      throw new ExitRequest(code);
    });
    assert.equal(await bus.exit(), 70);
  }
});

test("the last of several requests counts until one is not 0, and the later listeners run", async () => {
  for (const channel of ["stop", "exit", "stopping", "exited"] as const) {
    const { bus } = quietBus();
    const ran: number[] = [];
    for (const code of [0, 7, 3])
      bus.subscribe(channel, () => {
        ran.push(code);
        throw new ExitRequest(code);
      });
    await bus.exit();
    assert.deepEqual([bus.exitCode, ran], [7, [0, 7, 3]], channel);
  }
});

test("a limit longer than the longest timer means no limit", async () => {
  const { bus, entries } = quietBus();
  bus.subscribe("start", () => new Promise((resolve) => setTimeout(resolve, 10)), {
    timeoutMs: 2 ** 31,
  });
  await bus.start();
  await bus.exit();
  assert.deepEqual(
    entries.filter(({ level }) => level !== "info"),
    [],
  );
});
