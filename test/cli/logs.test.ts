import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { eventually } from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";
import { collect, World } from "./world.ts";

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

/** Numbers, as fast as they come, each once; on stderr every tenth. */
const COUNTER = `
let n = 0;
setInterval(() => {
  for (let i = 0; i < 10; i += 1) {
    console.log("out " + n);
    if (n % 10 === 0) console.error("err " + n);
    n += 1;
  }
}, 5);
`;

/** Short lines and very long ones. */
const LONG = `
let text = "";
for (let n = 0; n < 10_000; n += 1) text += String(n).padStart(99, ".") + "\\n";
process.stdout.write(text + "x".repeat(2e6) + "\\n" + "y".repeat(3e6) + "\\n" + "last.\\n");
setInterval(() => {}, 1e6);
`;

interface Line {
  readonly v: number;
  readonly kernelName: string;
  readonly stream: string;
  readonly offset: number;
  readonly line: string;
}

const world = new World({ after });

before(async () => {
  world.write("counter.mjs", COUNTER);
  world.write(
    "words.mjs",
    `console.log("first"); console.error("second"); setInterval(() => {}, 1e6);`,
  );
  world.write("last.mjs", `process.stdout.write("no newline"); setTimeout(() => {}, 300);`);
  world.write("long.mjs", LONG);
  world.configure({
    name: "tiny",
    services: {
      long: { node: "long.mjs" },
      counter: { node: "counter.mjs", ready: { stable: "100ms" }, logs: { bufsize: "50MB" } },
      words: { node: "words.mjs" },
      last: { node: "last.mjs", restart: "never" },
    },
  });
  await world.succeed("up");
});

test("the last lines of one service, of one stream, raw, as JSON", async () => {
  const { stdout } = await world.succeed("logs", "words");
  assert.deepEqual(
    new Set(stdout.trimEnd().split("\n")),
    new Set(["words.1 | first", "words.1 | second"]),
  );
  assert.equal((await world.succeed("logs", "words", "--err")).stdout, "words.1 | second\n");
  assert.equal((await world.succeed("logs", "words.1", "--out", "--raw")).stdout, "first\n");
  const { v, stream, line } = await world.json<Line>("logs", "words", "--out");
  assert.deepEqual([v, stream, line], [1, "out", "first"]);
  assert.equal((await world.succeed("logs", "words", "-n", "0")).stdout, "");
  const timed = (await world.succeed("logs", "words", "--out", "--time")).stdout;
  assert.match(timed, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z words\.1 \| first\n$/);
});

test("of an ended process, also a last line that lacks its newline", async () => {
  const { stdout } = await world.succeed("logs", "last");
  assert.equal(stdout, "last.1 | no newline\n");
});

test("-n counts lines, and begins at the beginning of one", async () => {
  const lines = (await world.succeed("logs", "counter", "--out", "-n", "500", "--raw")).stdout
    .trimEnd()
    .split("\n");
  assert.equal(lines.length, 500);
  const first = Number(lines[0]?.split(" ")[1]);
  assert.deepEqual(
    lines,
    lines.map((_, index) => `out ${first + index}`),
  );
});

test("-n prints the last lines of any length, also with -f", async () => {
  const shown = async (lines: number): Promise<string[]> =>
    (await world.succeed("logs", "long", "-n", String(lines), "--raw")).stdout
      .trimEnd()
      .split("\n");
  await eventually(async () => (await shown(1_000_000)).length === 10_003, "all lines are kept");
  const lengths = (lines: readonly string[]): number[] => lines.map((line) => line.length);
  assert.deepEqual(lengths(await shown(3)), [2_000_000, 3_000_000, 5]);
  assert.deepEqual(lengths(await shown(1)), [5]);
  assert.equal((await shown(5_003))[0], "5000".padStart(99, "."));
  const child = spawn(process.execPath, [MAIN, "logs", "long", "-f", "-n", "5003", "--raw"], {
    cwd: world.directory,
    env: world.environment,
  });
  after(() => child.kill("SIGKILL"));
  const stdout = collect(child.stdout);
  await eventually(() => stdout().endsWith("last.\n"), "the last line");
  assert.deepEqual(stdout().trimEnd().split("\n"), await shown(5_003));
});

test("a reader that goes away ends the command without an error", async () => {
  const child = spawn(process.execPath, [MAIN, "logs", "counter", "-n", "all", "-f"], {
    cwd: world.directory,
    env: world.environment,
  });
  const stderr = collect(child.stderr);
  await once(child.stdout, "data");
  child.stdout.destroy();
  const [code] = (await once(child, "exit")) as [number];
  assert.deepEqual([code, stderr()], [0, ""]);
});

test("-f loses no line and repeats none, from the first byte on, across reloads", async () => {
  const child = world.start("logs", "counter", "-f", "-n", "all", "--json");
  const text = collect(child.stdout);
  const stderr = collect(child.stderr);
  await eventually(() => text().length > 0, "the first line");
  await world.succeed("reload", "counter");
  await world.succeed("restart", "counter");
  const length = text().length;
  await eventually(() => text().length > length + 50_000, "lines of the last run");
  child.kill("SIGTERM");
  await once(child, "close");
  const whole = text();
  const lines = whole
    .slice(0, whole.lastIndexOf("\n"))
    .split("\n")
    .map((line) => JSON.parse(line) as Line);
  const runs = Map.groupBy(lines, ({ kernelName, stream }) => `${kernelName} ${stream}`);
  assert.equal(runs.size, 6, "stdout and stderr of three runs");
  for (const [run, own] of runs) {
    const step = run.endsWith(" out") ? 1 : 10;
    for (const [index, { line }] of own.entries())
      assert.equal(line, `${run.split(" ")[1]} ${index * step}`, run);
    assert.ok(own.length > 10, run);
  }
  assert.equal(stderr(), "");
});

test("-f without -n continues after the last 50 lines, without a gap or a repetition", async () => {
  const child = world.start("logs", "counter.1", "--out", "-f", "--raw");
  const text = collect(child.stdout);
  await eventually(() => text().split("\n").length > 500, "lines that follow");
  child.kill("SIGTERM");
  await once(child, "close");
  const numbers = text()
    .split("\n")
    .slice(0, -1)
    .map((line) => Number(line.split(" ")[1]));
  // Runs that ended come first; the one that lives is the last.
  const from = numbers.lastIndexOf(Math.min(...numbers.slice(-450)));
  const living = numbers.slice(from);
  assert.deepEqual(
    living,
    living.map((_, index) => (living[0] ?? 0) + index),
  );
  assert.ok(living.length >= 450);
});

test("a service that has not started yet can be waited for; an unknown name cannot", async () => {
  await world.succeed("stop", "words");
  const { code, stderr } = await world.newel("logs", "wrods");
  assert.equal(code, 4);
  assert.match(stderr, /Did you mean words\?/);
});

test("logs need no supervisor", async () => {
  sendSignal(await world.supervisorPid(), "SIGKILL");
  assert.match((await world.succeed("logs", "counter", "-n", "3")).stdout, /counter\.1 \| /);
});

interface Pruned {
  readonly pruned: readonly string[];
  readonly bytes: number;
}

test("output is kept over restarts and down until it is pruned, which leaves a gap", async (t) => {
  const other = new World(t);
  const ON_START = `console.log("started"); setInterval(() => {}, 1e6);`;
  other.write("app.mjs", ON_START);
  const service = { node: "app.mjs", replicas: 2, stop: { grace: "1s" } };
  other.configure({ name: "kept", services: { web: service, api: { node: "app.mjs" } } });
  await other.succeed("up");
  for (let count = 0; count < 8; count += 1) await other.succeed("restart", "web");
  const lines = async (...args: string[]): Promise<string[]> =>
    (await other.succeed("logs", ...args)).stdout.split("\n").filter((line) => line !== "");
  await eventually(async () => (await lines("web", "-n", "all")).length === 18, "every start");
  assert.equal((await lines("web.2", "-n", "all")).length, 9);
  assert.equal((await lines("web", "-n", "7")).length, 7);
  await other.succeed("down");
  assert.equal((await lines("-n", "all", "--raw")).length, 19, "kept over down");

  const part = await other.newel("logs", "--prune", "web.1");
  assert.deepEqual([part.code, part.stdout], [2, ""]);
  const unknown = await other.newel("logs", "--prune", "wep");
  assert.notEqual(unknown.code, 0);
  const { pruned, bytes } = await other.json<Pruned>("logs", "--prune", "web");
  assert.deepEqual([pruned, bytes], [["kept/web"], 18 * "started\n".length]);
  const { stdout, stderr } = await other.succeed("logs", "-n", "all", "--raw");
  assert.equal(stdout, "started\n", "the other service is untouched");
  assert.match(stderr, /web: 144 bytes \(144B\) of its output are lost here: they were pruned\./);
});
