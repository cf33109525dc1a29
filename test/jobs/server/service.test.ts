import assert from "node:assert/strict";
import { test } from "node:test";

import { Jobs } from "../../../src/jobs/jobs.ts";
import { cleanUp, eventually } from "../../helpers/resources.ts";
import { SupervisedApp } from "../../helpers/supervised.ts";
import { fixture, makeWorld, runs } from "./world.ts";

test("the job server as a service: ready when it takes jobs, restarted in the middle of one", async (scope) => {
  const world = makeWorld(scope);
  const app = new SupervisedApp(scope);
  const { ok, failed } = await app.up({
    services: { clock: { run: "echo $NEWEL_JOBS_STORE; exec sleep 1000" } },
    jobs: {
      modules: fixture("jobs"),
      store: world.store,
      processes: 1,
      grace: "1s",
      env: { NOTES: process.env["NOTES"] },
    },
  });
  assert.deepEqual(failed, []);
  assert.ok(ok);
  const jobs = new Jobs({ store: world.store });
  cleanUp(scope, () => jobs.close());
  const added = await world.queue("default").add("waiting", 1_500, { attempts: 1 });
  await eventually(() => world.notes().length === 1, "it runs");
  const before = Object.values(await app.pids("jobs"));
  assert.ok((await app.verb("restart", "jobs")).ok);
  assert.equal(before.some(runs), false);
  const run = await eventually(async () => {
    const found = await jobs.get(`default~${added.id}`);
    return found?.state === "done" ? found : undefined;
  }, "the run is done");
  assert.equal(run.result, "slept");
});
