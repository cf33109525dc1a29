import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

import { homeAt } from "../../src/base/home.ts";
import { connectKernel } from "../../src/kernel/client/client.ts";
import { singleton } from "../../src/singleton/index.ts";
import { cleanUp, eventually, isAlive } from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";
import type { Counter } from "./fixtures/counter.ts";
import { leaving, otherProcess, singletonHome } from "./world.ts";

const MODULE = new URL("fixtures/counter.ts", import.meta.url);

test("an instance in a separate process outlives its first caller", async (t) => {
  const home = singletonHome(t);
  const options = { name: "counter", home, export: "Counter", args: [40] } as const;
  const { child, said } = await otherProcess<{ pid: number; value: number }>(t, "hosting", options);
  assert.equal(said.value, 41);
  assert.notEqual(said.pid, child.pid);
  if (child.exitCode === null) await once(child, "exit");
  assert.equal(child.exitCode, 0);
  assert.ok(isAlive(said.pid));

  const counter = leaving(t, await singleton<typeof Counter>(MODULE, options));
  assert.deepEqual([counter.isOwner, counter.createdNewInstance], [false, false]);
  assert.equal(await counter.increment(), 42);
  assert.equal(await counter.pid(), said.pid);

  // After a kill the next caller makes it again.
  const hanging = counter.hang();
  sendSignal(said.pid, "SIGKILL");
  await assert.rejects(hanging, { code: "NEWEL_E_OWNER_LOST" });
  assert.equal(await counter.increment(), 41);
  assert.equal(counter.epoch, 2);
});

test("several concurrent callers start one process", async (t) => {
  const home = singletonHome(t);
  const options = { name: "counter", home, export: "Counter" } as const;
  const said = await Promise.all(
    Array.from({ length: 5 }, () => otherProcess<{ pid: number }>(t, "hosting", options)),
  );
  assert.equal(new Set(said.map((each) => each.said.pid)).size, 1);
});

test("a module that cannot be loaded, and one without the class, are reported with their last lines", async (t) => {
  const home = singletonHome(t);
  const broken = join(home, "broken.mjs");
  writeFileSync(broken, 'throw new Error("the database is missing");\n');
  const failed = { code: "NEWEL_E_SINGLETON_HOST" };
  await assert.rejects(singleton(pathToFileURL(broken), { name: "broken", home }), {
    ...failed,
    message: /ended with 1\n.*the database is missing/,
  });
  await assert.rejects(singleton(MODULE, { name: "many", home }), {
    ...failed,
    message: /several classes/,
  });
  await assert.rejects(singleton(MODULE, { name: "absent", home, export: "Nobody" }), {
    ...failed,
    message: /no class Nobody/,
  });
});

test("the process ends on release, and when it is idle", async (t) => {
  const home = singletonHome(t);
  const options = { name: "counter", home, export: "Counter" } as const;
  const idle = leaving(
    t,
    await singleton<typeof Counter>(MODULE, { ...options, name: "idle", idleMs: 100 }),
  );
  const idlePid = await idle.pid();
  await eventually(() => !isAlive(idlePid), "the idle one has ended");
  const counter = leaving(t, await singleton<typeof Counter>(MODULE, options));
  const pid = await counter.pid();
  await counter.leave();
  sendSignal(pid, "SIGTERM");
  await eventually(() => !isAlive(pid), "the other one has ended");
  const kernel = await connectKernel({ home: homeAt(home) });
  cleanUp(t, () => kernel.close());
  assert.deepEqual(await kernel.claims.list("singleton/*"), []);
  assert.notEqual(await idle.pid(), idlePid);
});
