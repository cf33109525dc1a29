import assert from "node:assert/strict";
import { test } from "node:test";

import { World } from "./world.ts";

test("up --profile starts the services of a profile, and commands take tags", async (t) => {
  const world = new World(t);
  const service = (more: object): object => ({
    run: 'echo "$NEWEL_PROCESS $LEVEL"; exec sleep 1000',
    ready: { after: "1ms" },
    ...more,
  });
  world.configure({
    name: "tagged",
    env: { LEVEL: "plain" },
    profileEnv: { development: { LEVEL: "development" } },
    services: {
      web: service({ tags: ["front"] }),
      mock: service({ profiles: ["development"], tags: ["front", "back"] }),
      db: service({ tags: ["back"] }),
    },
  });
  const unknown = await world.newel("up", "--profile", "developments");
  assert.equal(unknown.code, 6);
  assert.match(unknown.stderr, /no profile "developments"\. Did you mean "development"\?/);
  const up = await world.newel("up", "--profile", "development");
  assert.equal(up.code, 0, up.stderr);
  const listed = await world.newel("ps", "@back", "--json");
  const services = JSON.parse(listed.stdout) as readonly { readonly name: string }[];
  assert.deepEqual(services.map(({ name }) => name).toSorted(), ["db", "mock"]);
  const restarted = await world.newel("restart", "@front");
  assert.equal(restarted.code, 0, restarted.stderr);
  // The file is compared as it was applied.
  assert.doesNotMatch(restarted.stderr, /changes that do not run yet|db/);
  const logs = await world.newel("logs", "@back", "--raw");
  assert.deepEqual(logs.stdout.trim().split("\n").toSorted(), [
    "db.1 development",
    "mock.1 development",
    "mock.1 development",
  ]);
  const missing = await world.newel("stop", "@backs");
  assert.deepEqual(
    [missing.code, /Did you mean @back\?/.test(missing.stderr)],
    [4, true],
    missing.stderr,
  );
  const plain = await world.newel("up");
  assert.equal(plain.code, 0, plain.stderr);
  assert.match(plain.stdout + plain.stderr, /mock/);
  const left = await world.newel("ps", "--json");
  const after = JSON.parse(left.stdout) as readonly { readonly name: string }[];
  assert.deepEqual(after.map(({ name }) => name).toSorted(), ["db", "web"]);
});
