import assert from "node:assert/strict";
import { test } from "node:test";

import { eventOf, openTestKernel, outputOf, runToEnd } from "../helpers/kernel.ts";
import { eventually, isAlive } from "../helpers/resources.ts";

/** A same-group child, one that ignores SIGTERM, and a grandchild in its own session; prints their pids. */
const FAMILY = `
  sleep 1000 & echo group $!
  (trap '' TERM; while :; do sleep 1; done) & echo stubborn $!
  setsid sh -c 'echo session $$; exec sleep 1000' &
  wait`;

test("a signal to the tree reaches the group, processes that ignore SIGTERM and processes in other sessions, and lists them", async (t) => {
  const { kernel } = openTestKernel(t);
  kernel.processes.make({
    name: "family",
    args: ["/bin/sh", "-c", FAMILY],
    env: { PATH: "/bin:/usr/bin" },
  });
  const pids = await eventually(async () => {
    const text = (await Array.fromAsync(outputOf(kernel, "family")))
      .map(({ data }) => data.toString())
      .join("");
    const found = [...text.matchAll(/\d+/g)].map(Number);
    return found.length === 3 && found;
  }, "the family prints its pids");
  const { signalled } = kernel.processes.signal("family", "KILL", "tree");
  const hit = signalled.map(({ pid }) => pid);
  for (const pid of pids) {
    assert.ok(hit.includes(pid), `pid ${pid} in ${JSON.stringify(signalled)}`);
    await eventually(() => !isAlive(pid), `pid ${pid} is gone`);
  }
  await eventOf(kernel, ({ type }) => type === "closed");
});

test("a descendant is found by its mark when its parents are gone and it leads its own session", async (t) => {
  const { kernel } = openTestKernel(t);
  const script = "setsid sh -c 'echo $$; exec sleep 1000' & sleep 0.2";
  const env = { PATH: "/bin:/usr/bin", NEWEL_MARK: "only-this-one" };
  await runToEnd(kernel, { name: "marked", args: ["/bin/sh", "-c", script], env });
  const [chunk] = await Array.fromAsync(outputOf(kernel, "marked"));
  const pid = Number(chunk?.data.toString());
  assert.ok(isAlive(pid));
  const { signalled } = kernel.processes.signal("marked", "KILL", "tree");
  assert.deepEqual(signalled, [{ pid, command: "sleep" }]);
  await eventually(() => !isAlive(pid), "the orphan is gone");
});

test("an orphan is reaped by the kernel as subreaper", async (t) => {
  const { kernel } = openTestKernel(t);
  await runToEnd(kernel, { name: "parent", args: ["/bin/sh", "-c", "sleep 0.2 & echo $!"] });
  const [chunk] = await Array.fromAsync(outputOf(kernel, "parent"));
  const pid = Number(chunk?.data.toString());
  await eventually(() => !isAlive(pid), "no zombie is left");
});

test("exit codes and signals are reported, and a signal to an ended process reaches no process", async (t) => {
  const { kernel } = openTestKernel(t);
  assert.equal(await runToEnd(kernel, { name: "seven", args: ["/bin/sh", "-c", "exit 7"] }), 7);
  kernel.processes.make({ name: "sleeper", args: ["/bin/sleep", "1000"] });
  assert.equal(kernel.processes.signal("sleeper", "SIGUSR1", "process").signalled.length, 1);
  const { exitCode } = await eventOf(
    kernel,
    ({ name, type }) => name === "sleeper" && type === "ended",
  );
  assert.equal(exitCode, -10);
  assert.deepEqual(kernel.processes.signal("sleeper", 9, "process").signalled, []);
  assert.throws(() => kernel.processes.signal("sleeper", "NOPE", "process"), /Unknown signal NOPE/);
});
