import assert from "node:assert/strict";
import { once } from "node:events";
import { closeSync, constants, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { hasCode } from "../../src/base/errors.ts";
import type { ProcessInfo } from "../../src/kernel/process-api.ts";
import type { KernelClient } from "../../src/kernel/client-api.ts";
import { connectKernel } from "../../src/kernel/client/client.ts";
import {
  cleanUp,
  eventually,
  isAlive,
  startProcess,
  temporaryDirectory,
} from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";
import { runClaimScenario } from "../load/claim-scenario.ts";
import { connectScenario, killKernel, runKernelScenario } from "../load/kernel-scenario.ts";
import { startDaemon } from "./client/daemon.ts";

const HOLDER = fileURLToPath(new URL("../fixtures/programs/hold-claim.ts", import.meta.url));
const PATH = process.env["PATH"] ?? "";

for (const plan of [
  { action: "kill", count: 6 },
  { action: "upgrade", count: 4 },
] as const) {
  test(`${plan.action} × ${plan.count} under load: no line, request, value, claim or event is lost`, async (t) => {
    const report = await runKernelScenario(t, plan);
    assert.ok(report.lines > 10_000, `${report.lines} lines were read`);
  });
}

test("20 clients wait for a claim while its kernel is killed and upgraded: the holder keeps it", async (t) => {
  const { handedOnMs } = await runClaimScenario(t, 6);
  assert.ok(handedOnMs < 2_000, `handed on after ${handedOnMs} ms`);
});

/** 60 kB into a pipe without a reader, then the end. */
const LAST_WORDS = "sleep 0.7; head -c 60000 /dev/zero | tr '\\0' x; exit 3";

/** Makes the child, kills the kernel, and returns the child's state in the next one. */
async function endWithoutKernel(
  kernel: KernelClient,
  meanwhile: (fifos: readonly string[]) => void,
): Promise<{ bytes: number; gap: number; exitCode: number | null; info: ProcessInfo }> {
  const { pid, fifos } = await kernel.processes.make({
    name: "last",
    args: ["/bin/sh", "-c", LAST_WORDS],
    env: { PATH },
  });
  meanwhile(fifos);
  const { pid: kernelPid } = await kernel.status();
  sendSignal(kernelPid, "SIGSTOP");
  await eventually(() => !isAlive(pid) || isZombie(pid), "the child ends, nobody reads");
  sendSignal(kernelPid, "SIGKILL");
  await eventually(() => !isAlive(kernelPid), "the kernel is dead");
  let [bytes, gap] = [0, 0];
  for await (const piece of kernel.processes.watch("last")) {
    if ("ended" in piece) {
      const [info] = await kernel.processes.list("last");
      assert.ok(info !== undefined);
      return { bytes, gap, exitCode: piece.exitCode, info };
    }
    bytes += piece.data.length;
    gap += piece.gap;
  }
  throw new Error("no end");
}

function isZombie(pid: number): boolean {
  return / Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
}

test("last output while no kernel reads: all of it is kept when another process holds the pipe", async (t) => {
  const kernel = await connectScenario(t);
  const { bytes, gap, exitCode, info } = await endWithoutKernel(kernel, (fifos) => {
    const held = fifos.map((fifo) => openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK));
    cleanUp(t, () => held.forEach((fd) => closeSync(fd)));
  });
  assert.deepEqual([bytes, gap, exitCode, info.incomplete], [60_000, 0, null, undefined]);
});

test("last output while no kernel reads, and no other process holds the pipe: the loss is reported", async (t) => {
  const kernel = await connectScenario(t);
  const { bytes, exitCode, info } = await endWithoutKernel(kernel, () => undefined);
  assert.deepEqual([bytes, exitCode, info.incomplete], [0, null, true]);
  const { notices } = await kernel.status();
  assert.match(notices.join(), /last ended while no kernel ran.*may have been lost/);
  await killKernel(kernel);
  assert.equal((await kernel.processes.list("last"))[0]?.incomplete, true, "it stays known");
});

async function readText(kernel: KernelClient, name: string): Promise<string> {
  let text = "";
  for await (const piece of kernel.processes.watch(name, { follow: false }))
    if (!("ended" in piece)) text += piece.data.toString();
  return text;
}

/**
 * One process in the group, one that ignores SIGTERM, one in its own session, one in its own session without
 * a parent.
 */
const FAMILY = `
  sleep 1000 & echo $!
  (trap '' TERM; while :; do sleep 1; done) & echo $!
  setsid sh -c 'echo $$; exec sleep 1000' &
  setsid sh -c '(sh -c "echo \\$\\$; exec sleep 1000" &) ; exit 0' &
  wait; sleep 1000`;

test("stop after a recovery leaves no descendant", async (t) => {
  const kernel = await connectScenario(t);
  const family = await kernel.processes.make({
    name: "family",
    args: ["/bin/sh", "-c", FAMILY],
    env: { PATH, NEWEL_MARK: "recovery-test" },
  });
  const pids = await eventually(async () => {
    const found = (await readText(kernel, "family")).match(/\d+/g)?.map(Number) ?? [];
    return found.length === 4 && [family.pid, ...found];
  }, "the family prints its pids");
  await killKernel(kernel);
  assert.ok(pids.every(isAlive), "they all outlived the kernel");
  const { signalled } = await kernel.processes.signal("family", "KILL", "tree");
  const hit = signalled.map(({ pid }) => pid);
  for (const pid of pids) {
    assert.ok(hit.includes(pid), `pid ${pid} in ${JSON.stringify(signalled)}`);
    await eventually(() => !isAlive(pid), `pid ${pid} is gone`);
  }
});

test("exit codes: known after an upgrade, null after a crash, and never a guess", async (t) => {
  const kernel = await connectScenario(t);
  const until = (signal: string): string => `trap 'exit 7' ${signal}; while :; do sleep 0.05; done`;
  for (const name of ["upgraded", "adopted"])
    await kernel.processes.make({
      name,
      args: ["/bin/sh", "-c", `echo up; ${until("USR1")}`],
      env: { PATH },
    });
  for (const name of ["upgraded", "adopted"])
    await eventually(async () => (await readText(kernel, name)) === "up\n", `${name} is up`);
  const endOf = async (name: string): Promise<number | null | undefined> =>
    eventually(async () => {
      const [info] = await kernel.processes.list(name);
      return info?.closed === true && { code: info.exitCode };
    }, `${name} ends`).then(({ code }) => code);
  await kernel.upgrade();
  await kernel.processes.signal("upgraded", "USR1");
  assert.equal(await endOf("upgraded"), 7);
  await killKernel(kernel);
  assert.equal(await endOf("upgraded"), 7, "what was known stays known");
  await kernel.processes.signal("adopted", "USR1");
  assert.equal(await endOf("adopted"), null);
});

test("an upgrade to a build that cannot boot is refused, and the old kernel continues", async (t) => {
  const kernel = await connectScenario(t);
  const directory = temporaryDirectory(t);
  const builds: Record<string, string> = {
    "throws.ts": 'throw new Error("a broken build");\n',
    "silent.ts": "export {};\n",
    "lies.ts": 'console.log("all is well");\n',
    "half.ts": 'import "./missing.ts";\n',
  };
  for (const [name, code] of Object.entries(builds)) writeFileSync(join(directory, name), code);
  const before = await kernel.status();
  const { pid } = await kernel.processes.make({ name: "child", args: ["/bin/sleep", "1000"] });
  await kernel.values.set("a", "1");
  const isRefusal = (error: unknown): boolean => hasCode(error, "NEWEL_E_UPGRADE_REFUSED");
  for (const name of [...Object.keys(builds), "none.ts"])
    await assert.rejects(kernel.upgrade({ program: join(directory, name) }), isRefusal, name);
  await assert.rejects(
    kernel.upgrade({ program: join(directory, "throws.ts") }),
    /a broken build/,
    "the refusal says why",
  );
  const after = await kernel.status();
  assert.equal(after.pid, before.pid);
  assert.ok(after.uptimeMs > before.uptimeMs, "it was never replaced");
  assert.deepEqual(after.counts, { sockets: 0, values: 1, processes: 1, claims: 0 });
  assert.equal((await kernel.processes.list("child"))[0]?.pid, pid);
  assert.equal((await kernel.upgrade()).pid, before.pid, "a sound build is taken");
  assert.equal((await kernel.processes.list("child"))[0]?.running, true);
});

test("a holder that is killed while no kernel runs loses its claim, the number grows", async (t) => {
  const { home, child } = await startDaemon(t);
  const holder = startProcess(t, process.execPath, [HOLDER, home.directory, "only-one"]);
  const { stdout } = holder;
  assert.ok(stdout !== null);
  assert.equal(String((await once(stdout, "data"))[0]), "1\n");

  child.kill("SIGKILL");
  await once(child, "exit");
  holder.kill("SIGKILL");
  await once(holder, "exit");

  await startDaemon(t, { home });
  await using kernel = await connectKernel({ home, autostart: false });
  assert.equal((await kernel.claim("only-one")).epoch, 2);
  const released = [];
  const stop = new AbortController();
  for await (const event of kernel.events({ since: 0, signal: stop.signal })) {
    if (event.noun === "claim") released.push([event.type, event.pid]);
    if (released.length === 3) break;
  }
  assert.deepEqual(released, [
    ["claimed", holder.pid],
    ["released", holder.pid],
    ["claimed", process.pid],
  ]);
});
