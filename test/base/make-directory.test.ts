import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { makeDirectory } from "../../src/base/make-directory.ts";
import { temporaryDirectory } from "../helpers/resources.ts";

test("a directory is made with its parents, and again without an error", (t) => {
  const path = join(temporaryDirectory(t), "a/b/c");
  makeDirectory(path, 0o700);
  makeDirectory(path, 0o700);
  assert.equal(statSync(path).mode & 0o777, 0o700);
});

test("a file in the way is named as such", (t) => {
  const file = join(temporaryDirectory(t), "file");
  writeFileSync(file, "");
  assert.throws(() => makeDirectory(join(file, "a/b")), { code: "ENOTDIR" });
});

const MODULE = new URL("../../src/base/make-directory.ts", import.meta.url).href;

const canMount =
  spawnSync("unshare", ["--mount", "--map-root-user", "true"]).status === 0
    ? false
    : "needs root or user namespaces";

test("a read-only file system is the reason, at every depth", { skip: canMount }, (t) => {
  const directory = temporaryDirectory(t);
  const script = `import { makeDirectory } from ${JSON.stringify(MODULE)};
    for (const name of ["a", "a/b/c"])
      try { makeDirectory(process.argv[1] + "/" + name); } catch (error) { console.log(error.code); }`;
  const line = `mount -t tmpfs -o ro none "$0" && exec "$1" --input-type=module -e "$2" "$0"`;
  const { stdout, stderr } = spawnSync(
    "unshare",
    ["--mount", "--map-root-user", "sh", "-c", line, directory, process.execPath, script],
    { encoding: "utf8" },
  );
  assert.equal(stdout, "EROFS\nEROFS\n", stderr);
  assert.equal(existsSync(join(directory, "a")), false);
});
