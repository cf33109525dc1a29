import assert from "node:assert/strict";
import { test } from "node:test";

import { compareVersions, parseBuildName } from "../../src/base/build.ts";
import { mountOptions } from "../../src/base/mounts.ts";
import { chooseBuild } from "../../src/base/runtime.ts";

test("versions are ordered by the rules of semantic versioning", () => {
  const ordered = [
    "0.9.9",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.0.1",
    "1.2.0",
    "1.10.0",
    "2.0.0-0",
    "2.0.0",
  ];
  for (const [index, a] of ordered.entries())
    for (const [other, b] of ordered.entries())
      assert.equal(Math.sign(compareVersions(a, b)), Math.sign(index - other), `${a} and ${b}`);
  assert.equal(compareVersions("1.0.0+build.1", "1.0.0+build.2"), 0);
});

test("the name of a copy has its version, and other names of the directory are not builds", () => {
  const name = "1.0.0-beta.2-0123456789ab";
  assert.deepEqual(parseBuildName(name), { name, version: "1.0.0-beta.2" });
  for (const other of ["current", "next", `.${name}.lock`, `.${name}.17.new`, "1.0.0", "1.0.0-abc"])
    assert.equal(parseBuildName(other), undefined, other);
});

test("the choice of the build from which a daemon is started", () => {
  const build = (version: string, hash = "0123456789ab"): { name: string; version: string } => ({
    name: `${version}-${hash}`,
    version,
  });
  const [runs, stands] = [() => true, () => false];
  const one = build("1.0.0");
  for (const hasDaemon of [runs, stands]) {
    assert.equal(chooseBuild(one, undefined, hasDaemon), "own", "the first start");
    assert.equal(chooseBuild(one, one, hasDaemon), "current");
    assert.equal(chooseBuild(one, build("1.1.0"), hasDaemon), "current", "never an older one");
  }
  assert.equal(chooseBuild(build("1.1.0"), one, runs), "current", "an upgrade is asked for");
  assert.equal(chooseBuild(build("1.1.0"), one, stands), "own");
  assert.equal(chooseBuild(build("1.0.0", "ba9876543210"), one, runs), "current");
  assert.equal(chooseBuild(build("1.0.0", "ba9876543210"), one, stands), "own");
});

test("the options of the mount of a path", () => {
  const mounts = [
    "22 1 0:21 / / rw,relatime shared:1 - ext4 /dev/root rw",
    "23 22 0:22 / /srv rw,noexec - tmpfs tmpfs rw",
    "24 23 0:23 / /srv/with\\040space rw,nosuid - tmpfs tmpfs rw",
    "25 23 0:24 / /srv/twice rw - tmpfs tmpfs rw",
    "26 25 0:25 / /srv/twice rw,noexec,nodev - tmpfs tmpfs rw",
    "",
  ].join("\n");
  const isNoexec = (path: string): boolean => mountOptions(mounts, path).includes("noexec");
  assert.deepEqual(mountOptions(mounts, "/home/me"), ["rw", "relatime"]);
  assert.ok(isNoexec("/srv") && isNoexec("/srv/newel/runtime") && isNoexec("/srv/twice/x"));
  assert.ok(!isNoexec("/srv/with space/runtime") && !isNoexec("/srvother"));
  assert.deepEqual(mountOptions("", "/home/me"), []);
});
