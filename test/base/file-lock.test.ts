import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { isDeadLock, lockHolder, tryPathLock } from "../../src/base/file-lock.ts";
import { temporaryDirectory } from "../helpers/resources.ts";

const ROUNDS = 300;
const LOCK = fileURLToPath(new URL("../../src/base/file-lock.ts", import.meta.url));
const FIXTURE = fileURLToPath(new URL("fixtures/lock-rounds.ts", import.meta.url));

test("a lock has one holder at a time, also after processes died with it", async (t) => {
  const path = join(temporaryDirectory(t), ".copy.lock");
  for (let count = 0; count < 3; count += 1) {
    const code = `import { tryPathLock } from ${JSON.stringify(LOCK)};
      if (tryPathLock(${JSON.stringify(path)}) !== undefined) console.log("held");
      setInterval(() => undefined, 1_000);`;
    const child = spawn(process.execPath, ["--input-type=module", "--eval", code], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    t.after(() => child.kill("SIGKILL"));
    await once(child.stdout, "data");
    assert.equal(lockHolder(path), child.pid);
    assert.equal(tryPathLock(path), undefined, "a living process has it");
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  const left = readdirSync(join(path, ".."));
  assert.equal(left.length, 3);
  assert.ok(left.every(isDeadLock), left.join(" "));
  const run = promisify(execFile);
  const runs = Array.from({ length: 4 }, () =>
    run(process.execPath, [FIXTURE, path, String(ROUNDS)]),
  );
  for (const { stdout } of await Promise.all(runs)) assert.equal(stdout, `held ${ROUNDS} times\n`);
  const release = tryPathLock(path);
  assert.ok(release !== undefined);
  release();
  assert.deepEqual(readdirSync(join(path, "..")), left, "each process removes its own file");
});

test("a process that got the pid of a dead one does not have its lock", (t) => {
  const path = join(temporaryDirectory(t), ".copy.lock");
  const name = `${path}.${process.pid}-1-0`;
  writeFileSync(name, "");
  assert.equal(lockHolder(path), undefined);
  assert.ok(isDeadLock(`.copy.lock.${process.pid}-1-0`));
  const release = tryPathLock(path);
  assert.ok(release !== undefined);
  const own = readdirSync(join(path, "..")).filter((each) => !name.endsWith(each));
  assert.equal(own.length, 1);
  assert.ok(!own.some(isDeadLock), "its process lives");
  release();
});
