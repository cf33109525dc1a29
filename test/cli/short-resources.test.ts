import assert from "node:assert/strict";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { homeAt } from "../../src/base/home.ts";
import { smallFileSystem } from "../helpers/small-file-system.ts";
import { World } from "./world.ts";

const SLEEPER = { run: "exec sleep 1000", ready: { after: "0ms" } };

for (const limit of [24, 32, 48, 64]) {
  test(`with ${limit} open files no daemon starts, and the error names the limit`, async (t) => {
    const world = new World(t);
    world.write(
      "newel.config.mjs",
      `export default ${JSON.stringify({ services: { web: SLEEPER } })};`,
    );
    const { kernelLock, supervisorLock, runtimeDirectory } = homeAt(world.home);
    const up = await world.newelAfter(`ulimit -n ${limit}`, "up");
    assert.equal(up.code, 5, up.stderr);
    assert.match(up.stderr, new RegExp(`limit of open files .* is ${limit}, .* too low: `));
    assert.match(up.stderr, /ulimit -n 65536.*\(NEWEL_E_OPEN_FILES\)/);
    const down = await world.newelAfter(`ulimit -n ${limit}`, "down");
    assert.deepEqual([down.code, down.stderr], [0, "Nothing to do: nothing runs.\n"]);
    for (const path of [kernelLock, supervisorLock, runtimeDirectory])
      assert.equal(existsSync(path), false, path);
  });
}

test("a full disk is named as the reason why no daemon starts", async (t) => {
  const world = new World(t);
  const disk = smallFileSystem(t, 256 << 10);
  if (disk === undefined) return t.skip("mounting is not allowed");
  world.configure({ name: "app", services: { web: SLEEPER } });
  const home = join(disk, "h");
  mkdirSync(home, { mode: 0o700 });
  assert.throws(() => writeFileSync(join(disk, "full"), Buffer.alloc(1 << 20)), /ENOSPC/);
  const { code, stderr } = await world.newelAt(home, "up");
  assert.equal(code, 5, stderr);
  assert.match(stderr, /its home cannot be written \(ENOSPC: no space left on device/);
});

test("a low soft limit is raised to the hard one; where that is reached, up changes nothing and down works", async (t) => {
  const world = new World(t);
  const limit = "ulimit -Sn 24; ulimit -Hn 128";
  world.configure({ name: "app", services: { web: SLEEPER } });
  const first = await world.newelAfter(limit, "up");
  assert.equal(first.code, 0, first.stderr);
  world.configure({ name: "app", services: { web: SLEEPER, many: { ...SLEEPER, replicas: 40 } } });
  const refused = await world.newel("up");
  assert.equal(refused.code, 1, refused.stderr);
  assert.match(refused.stderr, /no file descriptor left .*EMFILE.*: its limit is 128 open files/);
  assert.match(refused.stderr, /prlimit --pid \d+ --nofile=65536/);
  const services = await world.json<{ name: string; ready: number }[]>("ps");
  assert.deepEqual(
    services.map(({ name, ready }) => ({ name, ready })),
    [{ name: "web", ready: 1 }],
  );
  await world.succeed("down");
});
