import assert from "node:assert/strict";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { eventually } from "../helpers/resources.ts";
import { SupervisedApp } from "../helpers/supervised.ts";

/** The kind of each open descriptor of a process, sorted. The output of the last replicas stays open. */
function descriptorsOf(pid: number): string[] {
  const directory = `/proc/${pid}/fd`;
  return readdirSync(directory)
    .map((fd) => readlinkSync(join(directory, fd)).replace(/:\[\d+\]$|(?<=\/spool\/).*/, ""))
    .sort();
}

function childrenOf(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
  return children.split(" ").filter(Boolean).length;
}

test("restarts leave no descriptor, no child and no warning in kernel and supervisor", async (t) => {
  const app = new SupervisedApp(t);
  const up = await app.up({
    services: {
      quick: {
        // Until the file is there it lives, so that `up` succeeds.
        run: ["/bin/sh", "-c", "[ -e quick ] || exec sleep 1000"],
        restart: { max: 1_000_000, within: "1s", backoff: { min: "1ms", max: "2ms" } },
      },
    },
  });
  assert.ok(up.ok, JSON.stringify(up.failed));
  app.write("quick", "");
  for (const pid of Object.values(await app.pids("quick"))) process.kill(pid, "SIGKILL");
  const kernel = await app.kernel();
  const pids = [(await kernel.status()).pid, (await (await app.supervisor()).hello()).pid];
  const restartsReach = (count: number): Promise<boolean> =>
    eventually(
      async () => (await app.service("quick")).restarts >= count,
      `${count} restarts`,
      120_000,
    );
  const atRest = async (): Promise<object> => {
    assert.ok((await app.verb("stop", "quick")).ok);
    await eventually(
      async () => (await kernel.processes.list()).every(({ running }) => !running),
      "all have ended",
    );
    return { descriptors: pids.map(descriptorsOf), children: pids.map(childrenOf) };
  };

  await restartsReach(30);
  const before = await atRest();
  // It ends too soon to be called ready, and is started again all the same.
  void app.verb("start", "quick");
  await restartsReach(150);
  assert.deepEqual(await atRest(), before);
  for (const log of [app.home.kernelLog, app.home.supervisorLog])
    assert.doesNotMatch(readFileSync(log, "utf8"), /Warning/, log);
});
