import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { job, Jobs } from "../../../src/jobs/index.ts";
import { cleanUp, freePort } from "../../helpers/resources.ts";
import { makeWorld, startServer } from "../server/world.ts";

const plain = job("plain", {}, (input: unknown) => ({ was: input }));
const unknown = job("never-heard-of", {}, () => undefined);

test("a program that only has the address and the key has its jobs run", async (t) => {
  const world = makeWorld(t);
  const port = await freePort();
  const authKeyFile = join(world.directory, "key");
  writeFileSync(authKeyFile, "between us\n", { mode: 0o600 });
  const where = ["--host", "", "--port", String(port), "--authkey-file", authKeyFile];
  await startServer(t, world, where);

  const jobs = new Jobs({ store: `jobs://127.0.0.1:${port}`, authKeyFile });
  cleanUp(t, () => jobs.close());
  const run = await jobs.enqueue(plain, "from afar", { by: "anna" });
  const states: string[] = [];
  for await (const { state, result } of jobs.events(run.id, { by: "anna" })) {
    states.push(state);
    if (state === "done")
      assert.equal((result as { readonly was: unknown } | undefined)?.was, "from afar");
  }
  assert.equal(states.at(-1), "done");
  assert.equal((await jobs.get(run.id))?.state, "done");
  await assert.rejects(jobs.enqueue(unknown), { code: "NEWEL_E_JOB_UNKNOWN" });

  const wrong = new Jobs({ store: `jobs://127.0.0.1:${port}`, authKey: "guessed" });
  cleanUp(t, () => wrong.close());
  await assert.rejects(wrong.stats(), { code: "NEWEL_E_SECRET" });
});
