import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { eventually, type Scope } from "../helpers/resources.ts";
import { SupervisedApp } from "../helpers/supervised.ts";

/** Notes each signal it gets, and ends half a second after the first, so that a second one is noted. */
const COUNT = `
  import { appendFileSync } from "node:fs";
  const [, , file, ...signals] = process.argv;
  for (const signal of signals)
    process.on(signal, () => {
      appendFileSync(file, signal + "\\n");
      setTimeout(() => process.exit(0), 500);
    });
  setInterval(() => {}, 1_000);
  console.log("counting " + process.pid);
`;

/** Starts the program of its arguments; passes SIGTERM and SIGINT on, and waits for it. */
const WRAPPER = `
  import { spawn } from "node:child_process";
  const [, , ...args] = process.argv;
  const child = spawn(process.execPath, args, { stdio: "inherit" });
  for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => child.kill(signal));
  child.on("exit", (code) => process.exit(code ?? 1));
`;

/** Passes the signal on, and ends at once. */
const HASTY = WRAPPER.replace("child.kill(signal)", "{ child.kill(signal); process.exit(0); }");

/** A cluster primary that ends its workers itself, by the same signal. */
const CLUSTER = `
  import cluster from "node:cluster";
  if (cluster.isPrimary) {
    cluster.fork();
    const end = (signal) => {
      for (const worker of Object.values(cluster.workers)) worker.process.kill(signal);
    };
    process.on("SIGTERM", () => end("SIGTERM"));
    cluster.on("exit", () => process.exit(0));
  } else await import("./count.mjs");
`;

interface Shape {
  readonly run: string | readonly string[];
  readonly signal?: string;
  /** Signals that the program must have noted. Default: the stop signal, once. */
  readonly noted?: readonly string[];
}

class Shapes {
  readonly app: SupervisedApp;
  readonly #shapes = new Map<string, Shape>();

  constructor(scope: Scope) {
    this.app = new SupervisedApp(scope);
    this.app.write("count.mjs", COUNT);
    this.app.write("wrapper.mjs", WRAPPER);
    this.app.write("hasty.mjs", HASTY);
    this.app.write("cluster.mjs", CLUSTER);
    const start = { start: "node count.mjs npm SIGTERM SIGINT SIGQUIT SIGUSR2" };
    this.app.write(
      "package.json",
      JSON.stringify({ name: "shapes", private: true, scripts: start }),
    );
  }

  /** The words that start the counting program. */
  count(name: string): string {
    return `${process.execPath} count.mjs ${name} SIGTERM SIGINT SIGQUIT SIGUSR2`;
  }

  /** Starts a program that ends after its first signal when the file `go` is there. */
  async startSlow(name: string): Promise<void> {
    const held = COUNT.replace(
      "process.exit(0), 500",
      'existsSync("go") && process.exit(0), 100',
    ).replace("setTimeout", "setInterval");
    this.app.write("slow.mjs", held.replace("appendFileSync", "appendFileSync, existsSync"));
    const run = this.count(name).replace("count.mjs", "slow.mjs");
    const slow = { run, ready: { log: "counting", timeout: "120s" }, stop: { grace: "1h" } };
    const up = await this.app.up({ services: { [name]: slow } });
    assert.ok(up.ok, JSON.stringify(up.failed));
  }

  add(name: string, shape: Shape): void {
    this.#shapes.set(name, shape);
  }

  /** Starts all of them, stops all of them, and compares the signals that each has noted. */
  async stopAll(): Promise<void> {
    const services = Object.fromEntries(
      [...this.#shapes].map(([name, { run, signal = "SIGTERM" }]) => [
        name,
        {
          run,
          restart: "never",
          ready: { log: "counting", timeout: "120s" },
          stop: { grace: "60s", signal },
        },
      ]),
    );
    const up = await this.app.up({ services });
    assert.ok(up.ok, JSON.stringify(up.failed));
    const stop = await this.app.verb("stop");
    assert.ok(stop.ok, JSON.stringify(stop.failed));
    assert.deepEqual(stop.killed, []);
    for (const [name, { signal = "SIGTERM", noted = [signal] }] of this.#shapes)
      assert.deepEqual(this.notes(name), noted, name);
  }

  notes(name: string): string[] {
    const file = join(this.app.directory, name);
    return existsSync(file) ? readFileSync(file, "utf8").trimEnd().split("\n") : [];
  }
}

for (const signal of ["SIGTERM", "SIGINT", "SIGQUIT", "SIGUSR2"])
  test(`${signal} reaches the program exactly once, below shells and npm too`, async (t) => {
    const shapes = new Shapes(t);
    shapes.add("list", { signal, run: shapes.count("list").split(" ") });
    shapes.add("text", { signal, run: shapes.count("text") });
    shapes.add("and", { signal, run: `true && ${shapes.count("and")}` });
    shapes.add("then", { signal, run: `${shapes.count("then")}; sleep 1000` });
    shapes.add("bash", { signal, run: ["bash", "-c", `${shapes.count("bash")}; sleep 1000`] });
    shapes.add("pipe", { signal, run: `${shapes.count("pipe")} | cat` });
    shapes.add("npm", { signal, run: "npm start" });
    await shapes.stopAll();
  });

test("a program below one that passes the signal on gets the signal from that one only", async (t) => {
  const shapes = new Shapes(t);
  const under = (wrapper: string, name: string): string =>
    shapes.count(name).replace("count.mjs", `${wrapper} count.mjs`);
  shapes.add("wrapped", { run: under("wrapper.mjs", "wrapped").split(" ") });
  shapes.add("text-wrapped", { run: under("wrapper.mjs", "text-wrapped") });
  shapes.add("hasty", { run: under("hasty.mjs", "hasty") });
  shapes.add("cluster", { run: `${process.execPath} cluster.mjs cluster SIGTERM` });
  shapes.add("timeout", { run: ["timeout", "1000", ...shapes.count("timeout").split(" ")] });
  const trap = `trap 'kill -TERM $pid' TERM; ${shapes.count("trap")} & pid=$!; wait $pid; wait $pid`;
  shapes.add("trap", { run: ["bash", "-c", trap] });
  await shapes.stopAll();
});

test("a program whose parents cannot pass the signal on gets the signal", async (t) => {
  const shapes = new Shapes(t);
  shapes.app.write("plain.mjs", WRAPPER.replace(/for \(const signal.*\n/, ""));
  const plain = shapes.count("plain").replace("count.mjs", "plain.mjs count.mjs");
  // Node.js ends by the signal without a handler, and its child is left.
  shapes.add("plain", { run: plain.split(" ") });
  shapes.add("background", { run: `${shapes.count("background")} & sleep 1000` });
  shapes.add("session", { run: `setsid ${shapes.count("session")} & wait` });
  shapes.add("reader", { run: `sleep 1000 | ${shapes.count("reader")}` });
  shapes.add("loop", { run: `while true; do ${shapes.count("loop")}; done` });
  await shapes.stopAll();
});

test("a stop that another supervisor or a second stop continues sends no second signal", async (t) => {
  const shapes = new Shapes(t);
  const { app } = shapes;
  await shapes.startSlow("slow");
  const first = app.verb("stop", "slow").catch(() => undefined);
  await eventually(() => shapes.notes("slow").length > 0, "the program has the signal");
  await app.killSupervisor();
  await first;
  const second = app.verb("stop", "slow");
  const third = app.verb("stop", "slow");
  await eventually(async () => (await app.service("slow")).state === "stopping", "it stops again");
  app.write("go", "");
  await Promise.all([second, third]);
  await eventually(async () => (await app.service("slow")).state === "stopped", "it has stopped");
  assert.deepEqual(shapes.notes("slow"), ["SIGTERM"]);
});
