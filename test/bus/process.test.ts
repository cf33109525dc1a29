import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";

import { eventually, freePort, startProcess } from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";
import { later } from "./watched-bus.ts";

const fixture = (name: string): string =>
  fileURLToPath(new URL(`fixtures/${name}.ts`, import.meta.url));

interface Ended {
  readonly code: number | string;
  readonly output: string;
  readonly errors: string;
}

/** Runs a fixture until it ends. Its output is not read for the first 300 ms: the pipe fills up. */
async function run(t: TestContext, name: string, ...args: string[]): Promise<Ended> {
  const child = startProcess(t, process.execPath, [fixture(name), ...args]);
  const ended = once(child, "close");
  let output = "";
  let errors = "";
  child.stderr?.on("data", (chunk) => (errors += String(chunk)));
  child.stdout?.on("data", (chunk) => (output += String(chunk)));
  child.stdout?.pause();
  await later(300);
  child.stdout?.resume();
  const [code, signal] = await ended;
  return { code: code ?? signal, output, errors };
}

/** The limits that passed, with their listeners: the log of the bus has a line for each. */
function limitsOf(output: string): string[] {
  return [
    ...output.matchAll(/The listener (\S+) of the channel "\w+" did not finish within (.+)\./g),
  ].map(([, listener, limit]) => `${listener} ${limit}`);
}

/** The number of runs of each listener of a channel. */
function runsOf(output: string, channel: string): number[] {
  return [1, 2, 3].map((n) => output.split(`ran ${channel} ${n}\n`).length - 1);
}

const WAYS = ["ok", "throws", "hangs", "exits", "signals"] as const;
const STEPS = ["start", "main", "graceful", "stop", "exit"] as const;

/** The exit code of a misbehaviour: the table of EXIT_CODES, spelled out. */
function expectedCode(step: (typeof STEPS)[number], way: (typeof WAYS)[number]): number {
  const counts = step === "start" || step === "stop" || step === "exit";
  if (way === "throws" || way === "hangs") return counts ? 70 : 0;
  return way === "exits" && step === "start" ? 70 : 0;
}

for (const step of STEPS) {
  for (const way of WAYS) {
    test(`matrix: ${way} in ${step}: later steps run once, code and last line as documented`, async (t) => {
      const { code, output, errors } = await run(t, "steps", step, way);
      const last = output.replace(/x{1000,}/, "x…x");
      assert.equal(code, expectedCode(step, way), `${last}\n${errors}`);
      assert.deepEqual(runsOf(output, "stop"), [1, 1, 1], last);
      assert.deepEqual(runsOf(output, "exit"), [1, 1, 1], last);
      const startBrokenOff = step === "start" && (way === "exits" || way === "signals");
      assert.deepEqual(runsOf(output, "start"), [1, 1, startBrokenOff ? 0 : 1], last);
      assert.ok(output.includes(`\n${"x".repeat(2 ** 20)}\n`), last);
      assert.match(last, /THE END\n$/);
      // Only the limit of the listener that hangs ended a wait.
      assert.deepEqual(limitsOf(output), way === "hangs" ? ["middle 150 ms"] : [], last);
      if (way === "signals") assert.ok(output.includes("warn SIGINT again"), last);
    });
  }
}

test("47. exit inside a start listener: final state, non-zero code, one shutdown", async (t) => {
  const { code, output } = await run(t, "steps", "start", "exits");
  assert.equal(code, 70);
  assert.match(output.slice(-500), /info Bus exited\n/);
  assert.deepEqual(runsOf(output, "stop"), [1, 1, 1]);
  assert.deepEqual(runsOf(output, "exit"), [1, 1, 1]);
});

test("49. a failing stop listener does not prevent the exit listeners", async (t) => {
  const { code, output } = await run(t, "steps", "stop", "throws");
  assert.equal(code, 70);
  assert.deepEqual(runsOf(output, "exit"), [1, 1, 1]);
});

test("72. a start listener error ends the process with a non-zero code", async (t) => {
  const { code, output, errors } = await run(t, "steps", "start", "throws");
  assert.equal(code, 70);
  assert.match(
    output.slice(0, 2_000),
    /error The listener middle of the channel "start" failed.\nError: it broke/,
  );
  assert.match(errors, /ChannelFailures/, "uncaught: Node prints it");
});

test("66. a server that cannot start makes start fail, and the bus shuts down", async (t) => {
  const port = await freePort();
  const settings = JSON.stringify({ port });
  const first = startProcess(t, process.execPath, [fixture("daemon"), settings]);
  let said = "";
  first.stdout?.on("data", (chunk) => (said += String(chunk)));
  await eventually(() => said.includes("READY"), "the first has the port");
  const { code, output } = await run(t, "daemon", settings);
  assert.equal(code, 70);
  assert.match(output, /The listener server of the channel "start" failed.\n.*EADDRINUSE/);
  assert.match(output, /Daemon exited\n/);
});

test("78. SIGHUP to a process on a terminal ends it", async (t) => {
  // script(1) gives its command a separate terminal.
  const command = `'${process.execPath}' '${fixture("signals")}'`;
  const terminal = startProcess(t, "script", ["-qec", `echo $$; exec ${command}`, "/dev/null"]);
  let output = "";
  terminal.stdout?.on("data", (chunk) => (output += String(chunk)));
  await eventually(() => output.includes("READY"), "it runs");
  const ended = once(terminal, "close");
  sendSignal(Number.parseInt(output, 10), "SIGHUP");
  assert.equal((await ended)[0], 0);
  assert.match(output, /Caught signal SIGHUP[^]*ended with 0/);
});

test("88. a loop that ended without block() or exit() is caught", async (t) => {
  const { code, output, errors } = await run(t, "left");
  assert.equal(code, 0);
  assert.match(errors, /The event loop ended while the bus was started, without block\(\)/);
  assert.equal(output, "ran stop\nran exit\n");
});

test("an idle bus wakes up at most twice in 5 s", async (t) => {
  const child = startProcess(t, process.execPath, [fixture("signals")]);
  await once(child.stdout ?? assert.fail(), "data");
  await later(1_000);
  const switches = (): number => {
    const status = readFileSync(`/proc/${child.pid}/task/${child.pid}/status`, "utf8");
    return Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1]);
  };
  const before = switches();
  await later(5_000);
  assert.ok(switches() - before <= 2, `${switches() - before} wake-ups`);
});
