import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { homeAt } from "../../src/base/home.ts";
import { World } from "./world.ts";
import { sendSignal } from "../helpers/signals.ts";

interface Listed {
  readonly processes: readonly { readonly pid: number }[];
}

test("while the supervisor is stopped, ps and logs read the kernel, and every error names its process", async (t) => {
  const world = new World(t);
  const run = "echo hello; exec sleep 1000";
  world.configure({ name: "app", services: { web: { run, ready: { after: "50ms" } } } });
  await world.succeed("up");
  const pid = await world.supervisorPid();
  const [before] = await world.json<Listed[]>("ps");
  sendSignal(pid, "SIGSTOP");
  try {
    await whileStopped(world, pid, before?.processes[0]?.pid);
  } finally {
    sendSignal(pid, "SIGCONT");
  }
  assert.equal((await world.newel("ps", "web")).code, 0);
});

async function whileStopped(world: World, pid: number, service: number | undefined): Promise<void> {
  const hangs = new RegExp(
    `The supervisor \\(pid ${pid}\\) does not answer .*\\n?.*kill -CONT ${pid}[^]*kill -KILL ${pid} && newel up`,
  );
  const listed = await world.newel("ps", "--json");
  assert.equal(listed.code, 0);
  assert.match(listed.stderr, hangs);
  const [after] = JSON.parse(listed.stdout) as Listed[];
  assert.equal(after?.processes[0]?.pid, service);
  assert.equal((await world.newel("ps", "web")).code, 3);
  const logs = await world.succeed("logs", "web", "--raw");
  assert.equal(logs.stdout, "hello\n");
  assert.match(logs.stderr, hangs);
  const stop = await world.newel("stop", "web");
  assert.equal(stop.code, 5);
  assert.match(stop.stderr, hangs);
}

test("while the kernel is stopped, commands that need it fail, with its pid and the command to run", async (t) => {
  const world = new World(t);
  const run = "echo hello; exec sleep 1000";
  world.configure({ name: "app", services: { web: { run, ready: { after: "50ms" } } } });
  await world.succeed("up");
  const [before] = await world.json<Listed[]>("ps");
  const pid = Number(readFileSync(homeAt(world.home).kernelLock, "utf8"));
  const hangs = new RegExp(
    `newel's kernel \\(pid ${pid}\\) does not answer\\. .*kill -CONT ${pid}[^]*kill -KILL ${pid} && newel ps`,
  );
  sendSignal(pid, "SIGSTOP");
  try {
    const commands = [["logs", "web"], ["show", "web"], ["events"], ["reload", "web"]];
    const ran = await Promise.all(commands.map((words) => world.newel(...words)));
    for (const { code, stderr } of ran) {
      assert.equal(code, 5, stderr);
      assert.match(stderr, hangs);
    }
  } finally {
    sendSignal(pid, "SIGKILL");
  }
  const [after] = await world.json<Listed[]>("ps");
  assert.equal(after?.processes[0]?.pid, before?.processes[0]?.pid);
});
