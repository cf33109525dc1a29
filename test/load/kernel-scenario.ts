/**
 * The kernel killed, or replaced by itself, again and again, while children write numbered lines and
 * two web replicas serve a constant load: for the test, and at full counts for the soak.
 */
import assert from "node:assert/strict";
import { closeSync, constants, openSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { type Home, homeAt } from "../../src/base/home.ts";
import { preloadPath } from "../../src/base/modules.ts";
import type { KernelEvent } from "../../src/kernel/api.ts";
import { connectKernel } from "../../src/kernel/client/client.ts";
import type { KernelClient } from "../../src/kernel/client-api.ts";
import {
  cleanUp,
  eventually,
  isAlive,
  type Scope,
  temporaryDirectory,
} from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";
import { startLoadProcess } from "./process.ts";

const path = (name: string): string => fileURLToPath(new URL(`../../${name}`, import.meta.url));

const WRITERS = ["writer.1", "writer.2", "writer.3", "writer.4", "writer.5"] as const;
const WEBS = ["web.1", "web.2"] as const;
/** More than a writer says in all: nothing is dropped because a reader is late. */
const KEPT_BYTES = 1 << 30;
const PAUSE_MS = 500;
/** The exit codes of a child that was asked to end, and of one that ends by itself. */
const EXIT_CODE = 7;
const LOAD_LIMIT_SECONDS = 900;
const ENDS_LIMIT_MS = 60_000;

/** The faults of the kernel, and their number. */
export interface KernelPlan {
  readonly action: "kill" | "upgrade";
  readonly count: number;
  /** The children write as fast as they can, in bursts. Default: steadily, 2 MB/s each. */
  readonly fullSpeed?: boolean;
}

export interface KernelReport {
  readonly lines: number;
  readonly requests: number;
  readonly events: number;
  readonly slowestRequestMs: number;
  /** From the kill, or the demand, to the new kernel's answer. */
  readonly slowestReturnMs: number;
}

/** A kernel that its clients start; its processes end with the scope, and then the kernel. */
export async function connectScenario(
  scope: Scope,
  home: Home = homeAt(temporaryDirectory(scope)),
): Promise<KernelClient> {
  const kernel = await connectKernel({ home, timeoutMs: 60_000 });
  cleanUp(scope, async () => {
    for (const { name, running } of await kernel.processes.list())
      if (running) await kernel.processes.signal(name, "KILL", "tree");
    const { pid } = await kernel.status();
    await kernel.close();
    sendSignal(pid, "SIGTERM");
    await eventually(() => !isAlive(pid), "the kernel ends");
  });
  return kernel;
}

/** Kills the kernel and waits for the next one, which its clients start. */
export async function killKernel(kernel: KernelClient): Promise<number> {
  const { pid } = await kernel.status();
  sendSignal(pid, "SIGKILL");
  await eventually(() => !isAlive(pid), "the kernel is gone");
  const next = await kernel.status();
  assert.notEqual(next.pid, pid);
  return next.pid;
}

/** Opens a process's FIFOs too, as the supervisor does, so that no last close loses their bytes. */
async function holdFifos(scope: Scope, kernel: KernelClient): Promise<void> {
  const fifos = (await kernel.processes.list()).flatMap((process) => process.fifos);
  const held = fifos.map((fifo) => openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK));
  cleanUp(scope, () => held.forEach((fd) => closeSync(fd)));
}

/** Runs a plan and asserts that nothing was lost. */
export async function runKernelScenario(scope: Scope, plan: KernelPlan): Promise<KernelReport> {
  const kernel = await connectScenario(scope);
  const port = await startChildren(kernel, plan.fullSpeed === true ? ["full"] : []);
  await holdFifos(scope, kernel);
  const pids = await pidsOf(kernel);
  const claims = await claimTwice(scope, kernel);
  const events = collectEvents(scope, kernel);
  const writers = WRITERS.map((name) => readLines(kernel, name));
  await kernel.values.set("constant", "a value");
  const load = startLoadProcess(scope, port, { limitSeconds: LOAD_LIMIT_SECONDS });

  let slowestReturnMs = 0;
  for (let round = 1; round <= plan.count; round += 1) {
    await sleep(Math.random() * PAUSE_MS);
    await kernel.values.set("round", String(round));
    await makeBrief(kernel, round);
    const started = performance.now();
    if (plan.action === "kill") await killKernel(kernel);
    else await upgradeKernel(kernel);
    slowestReturnMs = Math.max(slowestReturnMs, performance.now() - started);
    assert.equal(await kernel.values.get("round"), String(round), "the newest value is there");
    await claims.stillHeld();
  }

  const report = await load.stop();
  assert.deepEqual(report.failed, [], "no request failed");
  assert.ok(report.requests > plan.count, "the replicas were under load");
  assert.deepEqual(await pidsOf(kernel), pids, "the same processes run");
  assert.equal(await kernel.values.get("constant"), "a value");
  for (const name of WRITERS) await kernel.processes.signal(name, "TERM");
  const lines = await Promise.all(writers);
  await checkEvents(kernel, events, plan);
  return {
    lines: lines.reduce((sum, one) => sum + one, 0),
    requests: report.requests,
    events: events.length,
    slowestRequestMs: Math.round(report.slowestMs),
    slowestReturnMs: Math.round(slowestReturnMs),
  };
}

/** Two replicas on one socket, and the writers; gives the socket's port. */
async function startChildren(kernel: KernelClient, speed: string[]): Promise<number> {
  const env = { PATH: process.env["PATH"] ?? "" };
  const { port = 0 } = await kernel.sockets.make({ name: "web", backlog: 4_096 });
  const listen = JSON.stringify([{ name: "web", port }]);
  for (const name of WEBS)
    await kernel.processes.make({
      name,
      args: [process.execPath, "--require", preloadPath(), path("test/fixtures/apps/http.ts")],
      sockets: ["web"],
      notify: true,
      env: {
        ...env,
        PORT: String(port),
        NEWEL_LISTEN: listen,
        NEWEL_PROCESS: name,
        NEWEL_ENTRY: "1",
      },
    });
  const program = path("test/fixtures/programs/steady-lines.mjs");
  for (const name of WRITERS)
    await kernel.processes.make({
      name,
      args: [process.execPath, program, ...speed],
      bufsize: KEPT_BYTES,
      env,
    });
  await eventually(async () => {
    const processes = await kernel.processes.list();
    const serving = processes.filter(({ ready }) => ready).length === WEBS.length;
    return serving && processes.every(({ name, output }) => isWeb(name) || (output.out?.end ?? 0));
  }, "every child does its work");
  return port;
}

function isWeb(name: string): boolean {
  return WEBS.some((web) => web === name);
}

async function pidsOf(kernel: KernelClient): Promise<Record<string, number>> {
  const processes = await kernel.processes.list("web.*", "writer.*");
  assert.ok(processes.every(({ running }) => running));
  return Object.fromEntries(processes.map(({ name, pid }) => [name, pid]));
}

/** A child that ends about when the kernel does. */
async function makeBrief(kernel: KernelClient, round: number): Promise<void> {
  const seconds = (Math.random() * 0.2).toFixed(3);
  const args = ["/bin/sh", "-c", `sleep ${seconds}; exit ${EXIT_CODE}`];
  await kernel.processes.make({ name: `brief.${round}`, args });
}

async function upgradeKernel(kernel: KernelClient): Promise<void> {
  const before = await kernel.status();
  const after = await kernel.upgrade();
  assert.equal(after.pid, before.pid, "an upgraded kernel is the same process");
}

/** Holds a claim that another client waits for. */
async function claimTwice(
  scope: Scope,
  kernel: KernelClient,
): Promise<{ stillHeld(): Promise<void> }> {
  const { home } = await kernel.status();
  const held = await kernel.claim("only-one");
  const other = await connectKernel({ home: homeAt(home), timeoutMs: 60_000 });
  let taken: number | undefined;
  const waiting = other.claim("only-one").then(
    ({ epoch }) => (taken = epoch),
    // Closed at the end of the test, still waiting.
    () => undefined,
  );
  cleanUp(scope, async () => {
    await other.close();
    await waiting;
  });
  const stillHeld = async (): Promise<void> => {
    const [claim] = await kernel.claims.list("only-one");
    assert.equal(claim?.epoch, held.epoch, "the claim keeps its number");
    assert.equal(claim?.holder.pid, process.pid);
    assert.equal(taken, undefined, "the waiting client got the claim");
  };
  const isWaiting = async (): Promise<boolean> =>
    (await kernel.claims.list("only-one"))[0]?.waiting === 1;
  await eventually(isWaiting, "the other client waits");
  return { stillHeld };
}

/** Every event from now on, by one iterator. */
function collectEvents(scope: Scope, kernel: KernelClient): KernelEvent[] {
  const events: KernelEvent[] = [];
  const stop = new AbortController();
  const collecting = (async () => {
    for await (const event of kernel.events({ since: 0, signal: stop.signal })) events.push(event);
  })();
  cleanUp(scope, async () => {
    stop.abort();
    await collecting;
  });
  return events;
}

async function checkEvents(
  kernel: KernelClient,
  events: readonly KernelEvent[],
  { action, count }: KernelPlan,
): Promise<void> {
  const mortal = [...WRITERS, ...Array.from({ length: count }, (_, index) => `brief.${index + 1}`)];
  const endsOf = (name: string): KernelEvent[] =>
    events.filter((event) => event.type === "ended" && event.name === name);
  await eventually(
    () => mortal.every((name) => endsOf(name).length > 0),
    "every end is told",
    ENDS_LIMIT_MS,
  );
  for (const [index, { seq }] of events.entries())
    assert.ok(index === 0 || seq > (events[index - 1]?.seq ?? 0), `event ${seq} came twice`);
  for (const name of mortal) {
    const codes = endsOf(name).map(({ exitCode }) => exitCode);
    assert.equal(codes.length, 1, `${name} ended once`);
    // A process that was adopted after a crash is no child of the kernel: null, and never a guess.
    const known = action === "upgrade" ? [EXIT_CODE] : [EXIT_CODE, null];
    assert.ok(
      known.some((code) => code === codes[0]),
      `${name} ended with ${codes[0]}`,
    );
  }
  for (const { name, exitCode } of await kernel.processes.list("brief.*"))
    assert.equal(exitCode, endsOf(name)[0]?.exitCode, `list and event agree on ${name}`);
}

/**
 * Reads a writer to its end across kernel failures: each line once, in order, no gap.
 *
 * @returns how many lines
 */
async function readLines(kernel: KernelClient, name: string): Promise<number> {
  let next = 0;
  let rest = "";
  for await (const piece of kernel.processes.watch(name)) {
    if ("ended" in piece) {
      assert.equal(rest, "", `${name} ended in the middle of a line`);
      return next;
    }
    assert.equal(piece.gap, 0, `${name} lost ${piece.gap} bytes before ${piece.offset}`);
    const lines = (rest + piece.data.toString("latin1")).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (Number(line) !== next || line.length !== 99)
        assert.fail(`${name}: line ${next} is ${JSON.stringify(line)}`);
      next += 1;
    }
  }
  return assert.fail(`${name}: the reader ended before the writer did`);
}
