import assert from "node:assert/strict";
import { test } from "node:test";

import { restartQuickly } from "../load/restart-scenario.ts";

test("restarts leave no descriptor, no child and no warning in kernel and supervisor", async (t) => {
  const report = await restartQuickly(t, { restarts: 150, every: 30 });
  const [before, after] = [report.atRest.at(0), report.atRest.at(-1)];
  if (before === undefined || after === undefined) throw new Error("the report has no rest");
  for (const daemon of ["kernel", "supervisor"] as const) {
    assert.equal(after[daemon].children, before[daemon].children, daemon);
    const was: readonly string[] = before[daemon].descriptors;
    const is: readonly string[] = after[daemon].descriptors;
    assert.ok(is.length <= was.length, `${daemon}: ${was.join(" ")}, then ${is.join(" ")}`);
  }
  const most = (of: "listed" | "spoolDirectories" | "archiveFiles"): number =>
    Math.max(...report.samples.map((sample) => sample[of]));
  assert.ok(most("listed") <= 12, "the kernel's list is bounded");
  assert.ok(most("spoolDirectories") <= 12, "the spool is bounded");
  assert.ok(most("archiveFiles") <= 16, "the archive is bounded");
  for (const log of report.logs) assert.doesNotMatch(log, /Warning/);
});
