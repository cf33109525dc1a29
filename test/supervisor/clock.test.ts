import assert from "node:assert/strict";
import { globSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { cleanUp, eventually } from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";
import { SupervisedApp } from "../helpers/supervised.ts";

const LIBRARY = globSync("/usr/lib/*/faketime/libfaketime.so.1")[0];
const missing =
  LIBRARY === undefined ? "libfaketime is missing: apt-get install libfaketime" : false;

/** Starts the daemons of an app under a wall clock that {@link stepClock} sets. */
function fakeClock(app: SupervisedApp): void {
  stepClock(app, 0);
  const variables = {
    LD_PRELOAD: LIBRARY ?? "",
    FAKETIME_TIMESTAMP_FILE: join(app.directory, "clock"),
    FAKETIME_NO_CACHE: "1",
    FAKETIME_DONT_FAKE_MONOTONIC: "1",
    FAKETIME_DONT_RESET: "1",
    NO_FAKE_STAT: "1",
  };
  // The daemons inherit the environment of the process that starts them.
  Object.assign(process.env, variables);
}

/** Sets the wall clock of the daemons, by seconds from the real one. */
function stepClock(app: SupervisedApp, seconds: number): void {
  writeFileSync(join(app.directory, "clock"), `${seconds < 0 ? "" : "+"}${seconds}`);
}

for (const hours of [-2, 26]) {
  test(
    `a step of the wall clock by ${hours} h stops no service and delays no restart`,
    { skip: missing },
    async (t) => {
      const app = new SupervisedApp(t);
      cleanUp(t, () => {
        for (const name of Object.keys(process.env))
          if (name === "LD_PRELOAD" || /FAKE(TIME|_STAT)/.test(name)) delete process.env[name];
      });
      fakeClock(app);
      const worker = {
        run: "exec sleep 1000",
        replicas: 2,
        ready: { after: "300ms", stable: "10ms", timeout: "3s" },
        restart: { policy: "always", backoff: { min: "50ms", max: "200ms" } },
      };
      assert.ok((await app.up({ services: { worker } })).ok);
      const pids = async (): Promise<readonly number[]> => Object.values(await app.pids("worker"));
      const isReady = async (): Promise<boolean> => (await app.service("worker")).ready === 2;

      // While it runs: nothing happens, and a crash is answered at once.
      const first = await pids();
      stepClock(app, hours * 3_600);
      const [victim = 0, ...others] = first;
      sendSignal(victim, "SIGKILL");
      await eventually(
        async () => !(await pids()).includes(victim) && isReady(),
        "it was restarted",
      );
      assert.ok(await includesAll(pids, others));

      // While the supervisor is down: it finds its services in order.
      const second = await pids();
      stepClock(app, 0);
      await app.killSupervisor();
      stepClock(app, hours * 3_600);
      await eventually(isReady, "the next supervisor has them ready");
      await new Promise((resolve) => setTimeout(resolve, 3_500));
      assert.deepEqual(new Set(await pids()), new Set(second));
      const view = await app.service("worker");
      const fakeNowMs = Date.now() + hours * 3_600_000;
      assert.ok(Math.abs(fakeNowMs - view.sinceMs) < 600_000, "its age is no step of the clock");

      const reload = await app.verb("reload", "worker");
      assert.ok(reload.ok, JSON.stringify(reload.failed));
      assert.ok(await isReady());
    },
  );
}

async function includesAll(
  pids: () => Promise<readonly number[]>,
  wanted: readonly number[],
): Promise<boolean> {
  const present = await pids();
  return wanted.every((pid) => present.includes(pid));
}
