import assert from "node:assert/strict";
import { once } from "node:events";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";

import { Bus } from "../../src/bus/bus.ts";
import { signals } from "../../src/bus/plugins/signals.ts";
import { eventually, startProcess } from "../helpers/resources.ts";
import { later } from "./watched-bus.ts";
import { sendSignal } from "../helpers/signals.ts";

const FIXTURE = fileURLToPath(new URL("fixtures/signals.ts", import.meta.url));

interface Daemon {
  readonly output: () => string;
  readonly kill: (signal: NodeJS.Signals) => void;
  readonly ended: Promise<number | string>;
}

/** The fixture, once it is ready. */
async function daemon(t: TestContext, ...args: string[]): Promise<Daemon> {
  const child = startProcess(t, process.execPath, [FIXTURE, ...args]);
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.on("data", (chunk) => (output += String(chunk)));
  const ended = once(child, "close").then(([code, signal]) => code ?? signal);
  await eventually(() => output.includes("READY"), "the fixture is ready");
  return { output: () => output, kill: (signal) => void child.kill(signal), ended };
}

test("80. SIGTERM ends a foreground process", async (t) => {
  const { kill, ended, output } = await daemon(t);
  kill("SIGTERM");
  assert.equal(await ended, 0);
  assert.match(output(), /Daemon stopping\n.*Daemon stopped\n.*exiting\nexit listener\n.*exited\n/);
  assert.match(output(), /ended with 0\n$/);
});

test("48b. two signals share one shutdown, and the second is reported", async (t) => {
  const { kill, ended, output } = await daemon(t, "300");
  kill("SIGTERM");
  await eventually(() => output().includes("Daemon stopping"), "the shutdown began");
  kill("SIGINT");
  assert.equal(await ended, 0);
  assert.match(output(), /warn SIGINT again: .* waiting for the listener slow of .*"stop"/);
  assert.equal(output().match(/Daemon stopping/g)?.length, 1);
  assert.equal(output().match(/exit listener/g)?.length, 1);
});

test("a third signal ends the process immediately, with 128 + its number", async (t) => {
  const { kill, ended, output } = await daemon(t, "60000", "each");
  for (const n of [1, 2, 3]) {
    kill("SIGTERM");
    if (n < 3)
      await eventually(() => output().match(/Caught signal/g)?.length === n, `signal ${n}`);
  }
  assert.equal(await ended, 128 + 15);
  assert.match(output(), /error Ended by a third signal \(SIGTERM\) while waiting for .* slow/);
});

test("a Ctrl-C that is sent twice in quick succession counts once", async (t) => {
  const { kill, ended, output } = await daemon(t, "1500");
  for (const n of [1, 2, 3, 4]) {
    kill("SIGINT");
    await eventually(
      () => (output().match(/Caught signal SIGINT|SIGINT again, at once/g)?.length ?? 0) >= n,
      `signal ${n} arrived`,
    );
  }
  assert.equal(await ended, 0, output());
  // If the machine stalls between two of them, more than one counts.
  const counted = output().match(/Caught signal SIGINT/g)?.length ?? 0;
  assert.ok(counted < 4, output());
});

test("a listener of a signal that fails or hangs does not prevent the action of the signal", async (t) => {
  const failing = await daemon(t, "0", "listeners");
  failing.kill("SIGTERM");
  assert.equal(await failing.ended, 0, failing.output());
  assert.match(failing.output(), /error The listener anonymous of the channel "SIGTERM" failed/);
  const hanging = await daemon(t, "0", "listeners");
  hanging.kill("SIGINT");
  assert.equal(await hanging.ended, 0, hanging.output());
  assert.match(hanging.output(), /warn The listeners of SIGINT have not ended within 5000 ms/);
});

test("the deadline ends a shutdown that hangs, with 124", async (t) => {
  const { kill, ended, output } = await daemon(t, "60000", "deadline");
  kill("SIGTERM");
  assert.equal(await ended, 124);
  assert.match(output(), /error Ended by the deadline of 300 ms while waiting for .* slow/);
});

test("resources that keep the process alive after the exit are named, and the process ends", async (t) => {
  const { kill, ended, output } = await daemon(t, "0", "held");
  kill("SIGTERM");
  assert.equal(await ended, 0);
  assert.match(output(), /warn Leaving, although the process is still held by: .*Timeout/);
});

test("SIGUSR2 is graceful", async (t) => {
  const { kill, ended, output } = await daemon(t);
  kill("SIGUSR2");
  await eventually(() => output().includes("graceful listener"), "graceful ran");
  kill("SIGINT");
  assert.equal(await ended, 0);
});

test("82. after unsubscribe the application's own handler runs", async (t) => {
  const { kill, ended, output } = await daemon(t, "0", "own");
  kill("SIGTERM");
  assert.equal(await ended, 9);
  assert.match(output(), /own handler/);
  assert.doesNotMatch(output(), /Caught signal/);
});

test("83. an unknown signal is refused by setHandler and skipped by subscribe", async () => {
  const bus = new Bus();
  const lines: string[] = [];
  bus.subscribe("log", ({ message }) => void lines.push(message));
  using handlers = signals(bus, { map: { SIGNONSENSE: "exit" } });
  assert.ok(lines.some((line) => line.includes("SIGNONSENSE")));
  assert.throws(() => handlers.setHandler("SIGNONSENSE", "exit"), { code: "NEWEL_E_BUS_SIGNAL" });
  assert.throws(() => handlers.setHandler(4711, "exit"), { code: "NEWEL_E_BUS_SIGNAL" });
});

test("a signal's channel is published, and its handler can be changed by number", async () => {
  const bus = new Bus();
  using handlers = signals(bus);
  const heard: string[] = [];
  bus.subscribe("SIGCONT", () => void heard.push("channel"));
  handlers.setHandler(18, (name) => void heard.push(name));
  sendSignal(process.pid, "SIGCONT");
  await eventually(() => heard.length === 2, "both were called");
  assert.deepEqual(heard, ["channel", "SIGCONT"]);
  handlers.unsubscribe();
  assert.equal(process.listenerCount("SIGTERM"), 0);
  await later(0);
});
