import assert from "node:assert/strict";
import { constants } from "node:os";
import { test } from "node:test";

import type { ProcessTree } from "../../src/kernel/process-api.ts";
import type { OpenKernel } from "../../src/kernel/kernel.ts";
import { eventOf, openTestKernel, outputOf } from "../helpers/kernel.ts";
import { eventually, isAlive } from "../helpers/resources.ts";

const PATH = "/bin:/usr/bin";

function treeOf(kernel: OpenKernel, name: string, detail = false): ProcessTree | undefined {
  return kernel.processes.trees([name], detail)[0];
}

async function printed(kernel: OpenKernel, name: string): Promise<string> {
  return (await Array.fromAsync(outputOf(kernel, name)))
    .map(({ data }) => data.toString())
    .join("");
}

/** The pids that a script has printed, once there are `count` of them. */
function pidsOf(kernel: OpenKernel, name: string, count: number): Promise<number[]> {
  return eventually(async () => {
    const found = [...(await printed(kernel, name)).matchAll(/\d+/g)].map(Number);
    return found.length === count && found;
  }, `${name} prints ${count} pids`);
}

test("a tree lists the process, its children and those in other sessions", async (t) => {
  const { kernel } = openTestKernel(t);
  const script = "sleep 1000 & echo $!; setsid sh -c 'echo $$; exec sleep 1000' & wait";
  const args = ["/bin/sh", "-c", script];
  const { pid } = kernel.processes.make({ name: "a", args, env: { PATH, NEWEL_MARK: "tree-a" } });
  kernel.processes.make({ name: "b", args: ["/bin/sleep", "1000"], env: { NEWEL_MARK: "tree-b" } });
  const pids = await pidsOf(kernel, "a", 2);
  const tree = treeOf(kernel, "a");
  assert.equal(tree?.running, true);
  assert.equal(tree.processes[0]?.pid, pid);
  for (const child of pids) assert.ok(tree.processes.some((each) => each.pid === child));
  assert.ok(tree.processes.every(({ memoryBytes }) => memoryBytes > 0));
  assert.deepEqual(
    kernel.processes.trees([], false).map(({ name }) => name),
    ["a", "b"],
  );
});

test("a background child without a mark belongs to its process after the end of that process", async (t) => {
  const { kernel } = openTestKernel(t);
  // Without a mark, only its group identifies it, up to the moment in which its process ended.
  const script = "sleep 1000 & echo $!";
  kernel.processes.make({ name: "a", args: ["/bin/sh", "-c", script], env: { PATH } });
  const [child = 0] = await pidsOf(kernel, "a", 1);
  await eventOf(kernel, ({ name, type }) => name === "a" && type === "closed");
  const tree = treeOf(kernel, "a");
  assert.equal(tree?.running, false);
  assert.deepEqual(
    tree.processes.map(({ pid }) => pid),
    [child],
  );
  kernel.processes.signal("a", "KILL", "tree");
  await eventually(() => !isAlive(child), "the child is gone");
  assert.equal(treeOf(kernel, "a"), undefined);
});

test("a signal to exact processes reaches only those, and is remembered", async (t) => {
  const { kernel } = openTestKernel(t);
  const script = "sleep 1000 & echo $!; sleep 1000 & echo $!; wait";
  const env = { PATH, NEWEL_MARK: "exact" };
  kernel.processes.make({ name: "a", args: ["/bin/sh", "-c", script], env });
  const [first = 0, second = 0] = await pidsOf(kernel, "a", 2);
  const found = treeOf(kernel, "a")?.processes.filter(({ pid }) => pid === first) ?? [];
  assert.equal(found.length, 1);
  // The same pid with another start time is another process.
  const others = found.map(({ pid, startTicks }) => ({ pid, startTicks: startTicks + 1 }));
  assert.deepEqual(kernel.processes.signal("a", "TERM", "tree", others).signalled, []);
  const { signalled } = kernel.processes.signal("a", "URG", "tree", found);
  assert.deepEqual(
    signalled.map(({ pid }) => pid),
    [first],
  );
  const asked = treeOf(kernel, "a", true)?.processes.map(({ pid, detail }) => [
    pid,
    detail?.asked?.signal,
  ]);
  assert.deepEqual(
    asked?.filter(([, signal]) => signal !== undefined),
    [[first, constants.signals.SIGURG]],
  );
  kernel.processes.signal("a", "TERM", "tree", found);
  await eventually(() => !isAlive(first), "the first is gone");
  assert.ok(isAlive(second));
});

test("details have the program, its arguments, descriptors and signal dispositions", async (t) => {
  const { kernel } = openTestKernel(t);
  const script = "trap 'echo got it' TERM; trap '' USR2; echo $$; sleep 1000 | cat";
  const env = { PATH, NEWEL_MARK: "detail" };
  kernel.processes.make({ name: "a", args: ["/bin/sh", "-c", script], env });
  await pidsOf(kernel, "a", 1);
  const [shell, ...children] = await eventually(() => {
    const processes = treeOf(kernel, "a", true)?.processes ?? [];
    const programs = processes.map(({ detail }) => detail?.program);
    return programs.includes("sleep") && programs.includes("cat") && processes;
  }, "the pipeline runs");
  const has = (mask: string | undefined, signal: number): boolean =>
    ((BigInt(`0x${mask ?? "0"}`) >> BigInt(signal - 1)) & 1n) === 1n;
  assert.ok(has(shell?.detail?.caught, 15));
  assert.ok(has(shell?.detail?.ignored, 12));
  assert.deepEqual(shell?.detail?.args, ["/bin/sh", "-c", script]);
  const [sleep, cat] = ["sleep", "cat"].map((name) =>
    children.find(({ detail }) => detail?.program === name),
  );
  assert.match(sleep?.detail?.stdout ?? "", /^pipe:\[\d+\]$/);
  assert.equal(sleep?.detail?.stdout, cat?.detail?.stdin);
});
