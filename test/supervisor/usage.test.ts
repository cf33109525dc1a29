import assert from "node:assert/strict";
import { test } from "node:test";

import type { ProcessTree } from "../../src/kernel/process-api.ts";
import { UsageMeter } from "../../src/supervisor/usage.ts";

function treeOf(name: string, cpuTicks: number): ProcessTree {
  const common = { command: "sleep", parent: 1, group: 100, memoryBytes: 4_096 };
  const processes = [{ pid: 100, startTicks: 1, cpuTicks, ...common }];
  return { name, pid: 100, running: true, processes };
}

test("the CPU time of a tree counts from its last read, and trees of quick restarts are dropped", () => {
  const meter = new UsageMeter();
  meter.measure([treeOf("web", 0), treeOf("first", 0)], 0);
  for (let look = 1; look <= 1_500; look += 1)
    meter.measure([treeOf("web", look), treeOf(`quick ${look}`, 0)], look * 10);
  const usages = meter.measure([treeOf("web", 1_501), treeOf("first", 50)], 15_010);
  assert.equal(usages.get("web")?.cpuPercent, 100);
  assert.deepEqual(usages.get("first"), { memoryBytes: 4_096 });
});
