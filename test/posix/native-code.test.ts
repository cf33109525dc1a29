import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";

const MODULES = {
  bus: ["bus/index"],
  wire: ["wire/client", "wire/server", "wire/session", "wire/tcp", "wire/unix", "wire/contract"],
  pool: ["pool/index", "pool/worker/index"],
  singleton: ["singleton/index"],
  "the job store on a file": ["jobs/sqlite/owners", "jobs/sqlite/wal-pair"],
  "the kernel's client": ["kernel/index"],
  "the supervisor's client": ["supervisor/index"],
  "the supervisor's program": ["supervisor/daemon"],
  "the kernel's program": ["kernel/daemon"],
};

/** The native modules that a process has mapped after it ran a program. */
function nativeModules(program: string): string[] {
  const code = `${program}
    const { readFileSync } = await import("node:fs");
    console.log(readFileSync("/proc/self/maps", "utf8").match(/\\S+\\.node$/gm)?.join("\\n") ?? "");`;
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", code], {
    encoding: "utf8",
  });
  assert.equal(stderr, "");
  return [...new Set(stdout.trim().split("\n"))].filter((path) => path !== "");
}

const urlOf = (name: string): string =>
  JSON.stringify(new URL(`../../src/${name}.ts`, import.meta.url).href);

for (const [part, names] of Object.entries(MODULES)) {
  test(`importing ${part} loads no native code`, () => {
    const imports = names.map((name) => `await import(${urlOf(name)});`);
    assert.deepEqual(nativeModules(imports.join("\n")), []);
  });
}

test("the first system call loads the FFI library", () => {
  const program = `
    const { openPidfd } = await import(${urlOf("posix/process")});
    openPidfd(process.pid);`;
  const loaded = nativeModules(program);
  assert.equal(loaded.length, 1, loaded.join("\n"));
  assert.match(loaded[0] ?? "", /koffi/);
});
