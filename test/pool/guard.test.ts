import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { hasCode, systemCode } from "../../src/base/errors.ts";
import { Guard, MARK_VARIABLE } from "../../src/pool/guard.ts";
import { cleanUp, eventually, startProcess, type Scope } from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";
import { fixture, isRunning } from "./pools.ts";

/**
 * A program with a pool that runs a blocked handler, and one with a subshell and a detached child.
 */
const PROGRAM = `
  import { Pool } from ${JSON.stringify(new URL("../../src/pool/pool.ts", import.meta.url).href)};
  const told = [];
  const pool = new Pool({
    worker: ${JSON.stringify(fixture("group"))},
    size: 2,
    concurrency: 1,
    processGroup: true,
    onResult: ({ pids }) => {
      told.push(...pids);
      if (told.length === 5) console.log(JSON.stringify(told));
    },
  });
  await pool.start();
  void pool.run({ end: "spin", tell: true });
  void pool.run({ end: "deaf", shell: true, detached: true, tell: true });
`;

interface Started {
  readonly program: ChildProcess;
  readonly guard: number;
  /** The workers, and the processes that they started. */
  readonly pids: readonly number[];
}

async function startProgram(scope: Scope): Promise<Started> {
  const program = startProcess(scope, process.execPath, ["--input-type=module", "-e", PROGRAM], {
    detached: true,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const pids = await new Promise<number[]>((resolve) => {
    program.stdout?.once("data", (chunk: Buffer) => resolve(JSON.parse(String(chunk)) as number[]));
  });
  cleanUp(scope, () => {
    for (const pid of pids) if (isRunning(pid)) sendSignal(pid, "SIGKILL");
  });
  // Both tasks have reported all processes; the spinning one is about to spin.
  await sleep(100);
  return { program, pids, guard: guardOf(program.pid) };
}

/** The guard that is a child of this process. */
function guardOf(pid = 0): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
  const isGuard = (child: string): boolean => {
    try {
      return readFileSync(`/proc/${child}/cmdline`, "utf8").includes("newel-pool-guard");
    } catch (error) {
      // The child has ended by now.
      if (systemCode(error) === "ENOENT" || systemCode(error) === "ESRCH") return false;
      throw error;
    }
  };
  return Number(children.find((child) => child !== "" && isGuard(child)) ?? 0);
}

async function allEnd(pids: readonly number[]): Promise<void> {
  await eventually(() => !pids.some(isRunning), `the end of ${pids.join(", ")}`);
}

test("when a program is killed, its workers and all processes that they started end", async (t) => {
  const { program, guard, pids } = await startProgram(t);
  assert.equal(pids.length, 5);
  assert.ok(pids.every(isRunning));
  program.kill("SIGKILL");
  await allEnd([...pids, guard]);
});

test("the guard survives a signal to the program's group, and is replaced when it is killed", async (t) => {
  const { program, guard, pids } = await startProgram(t);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const)
    sendSignal(guard, signal);
  await sleep(100);
  assert.ok(isRunning(guard));
  sendSignal(guard, "SIGKILL");
  const next = await eventually(() => {
    const pid = guardOf(program.pid);
    return pid !== 0 && pid !== guard && pid;
  }, "another guard");
  // A signal to the whole group at once, as a terminal or a service manager sends it.
  sendSignal(-(program.pid ?? 0), "SIGKILL");
  await allEnd([...pids, next]);
});

test("a removed group is not signalled, and a process that left it is found by its mark", async (t) => {
  const guard = new Guard("test", (error) => assert.fail(error));
  const start = (mark: string): number => {
    const child = spawn("sleep", ["1000"], {
      detached: true,
      stdio: "ignore",
      env: { ...process.env, [MARK_VARIABLE]: mark },
    });
    cleanUp(t, () => void child.kill("SIGKILL"));
    return child.pid ?? 0;
  };
  const [first, second] = [guard.newMark(), guard.newMark()];
  const [mine, marked, others] = [start("foreign"), start(first), start(second)];
  guard.add(mine, first);
  guard.add(others, second);
  guard.remove(mine);
  await eventually(() => !isRunning(marked), "the marked one is ended");
  assert.ok(isRunning(mine), "its number may be another's by now");
  assert.ok(isRunning(others));
  const { pid } = guard;
  await guard.close();
  assert.ok(!isRunning(pid) && !isRunning(others) && isRunning(mine));
});

test("without a shell, or with one that exits, the pool is notified once", async () => {
  for (const shell of ["/nowhere/sh", "/bin/false"]) {
    const told: Error[] = [];
    const guard = new Guard("test", (error) => void told.push(error), shell);
    guard.add(999_999_999, guard.newMark());
    await eventually(() => told.length > 0, "it is told");
    guard.remove(999_999_999);
    await guard.close();
    assert.equal(told.length, 1);
    assert.ok(hasCode(told[0], "NEWEL_E_POOL_GUARD"));
  }
});

test("an idle pool with a guard does not keep the program running", async (t) => {
  const program = startProcess(
    t,
    process.execPath,
    [
      "--input-type=module",
      "-e",
      `${PROGRAM.slice(0, PROGRAM.indexOf("const told"))}
      const pool = new Pool({ worker: ${JSON.stringify(fixture("group"))}, size: 1, processGroup: true });
      console.log(JSON.stringify(await pool.run({ end: "return", shell: true, detached: true })));`,
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const output = new Promise<string>((resolve) => {
    program.stdout?.once("data", (chunk: Buffer) => resolve(String(chunk)));
  });
  assert.deepEqual(await once(program, "exit"), [0, null]);
  await allEnd((JSON.parse(await output) as { readonly pids: number[] }).pids);
});
