import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { isNewelError } from "../../src/base/errors.ts";
import { homeAt } from "../../src/base/home.ts";
import { connectKernel } from "../../src/kernel/client/client.ts";
import { cleanUp, eventually, startProcess, temporaryDirectory } from "../helpers/resources.ts";
import { MAIN } from "./client/daemon.ts";

test("a kernel without a free descriptor refuses processes with its limit and the way to raise it", async (t) => {
  const home = homeAt(temporaryDirectory(t));
  const script = 'ulimit -n 128; exec "$0" "$@"';
  startProcess(t, "/bin/sh", ["-c", script, process.execPath, MAIN, "--home", home.directory], {
    stdio: "ignore",
  });
  const kernel = await eventually(
    () => connectKernel({ home, autostart: false }).catch(() => undefined),
    "the kernel answers",
  );
  cleanUp(t, () => kernel.close());
  const pid = Number(readFileSync(home.kernelLock, "utf8"));
  const names: string[] = [];
  const fill = async (): Promise<unknown> => {
    for (let number = 1; number <= 100; number += 1) {
      const name = `sleeper.${number}`;
      try {
        await kernel.processes.make({ name, args: ["/bin/sleep", "1000"], env: {} });
      } catch (error) {
        return error;
      }
      names.push(name);
    }
    return undefined;
  };
  const refusal = await fill();
  assert.ok(isNewelError(refusal), String(refusal));
  assert.equal(refusal.code, "NEWEL_E_DESCRIPTORS");
  assert.match(refusal.message, new RegExp(`pid ${pid}.*EMFILE.*128 open files`));
  assert.match(refusal.fix ?? "", new RegExp(`prlimit --pid ${pid}`));
  assert.ok(names.length > 5);
  assert.equal(
    (await kernel.processes.list()).length,
    names.length,
    "the refused one is not there",
  );

  // Once descriptors are free again, it works.
  for (const name of names) await kernel.processes.signal(name, "SIGKILL");
  await eventually(
    async () => (await kernel.processes.list()).every(({ running }) => !running),
    "all have ended",
  );
  await kernel.processes.remove(...names);
  const { running } = await kernel.processes.make({
    name: "a",
    args: ["/bin/sleep", "1000"],
    env: {},
  });
  assert.ok(running);
  await kernel.processes.signal("a", "SIGKILL");
});
