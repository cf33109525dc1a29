import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { eventually, temporaryDirectory } from "../helpers/resources.ts";
import { collect, World } from "./world.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const MAIN = join(ROOT, "src/cli/main.ts");

const { engines } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
  readonly engines: { readonly node: string };
};
/** The oldest Node.js, as `24.15`. */
const OLDEST = engines.node.replace(/^>=/, "");
const [MAJOR = 0, MINOR = 0] = OLDEST.split(".").map(Number);

/** Runs a program on a Node.js that says it is of an older version. */
function runOnOldNode(program: string, old: string): { status: number | null; stderr: string } {
  const pretend = `Object.defineProperty(process, "versions", { value: { ...process.versions, node: "${old}" } });
    Object.defineProperty(process, "version", { value: "v${old}" });`;
  const preload = `data:text/javascript,${encodeURIComponent(pretend)}`;
  return spawnSync(process.execPath, ["--import", preload, program], { encoding: "utf8" });
}

/** The first line of a program that refuses a version. */
const refusal = (old: string): string => `newel needs Node.js ${OLDEST} or newer; this is v${old}.`;

test("on an old Node.js: a sentence with the version of package.json, what to do, the code; exit code 1", () => {
  for (const old of ["20.1.0", `${MAJOR}.${MINOR - 1}.9`]) {
    const { status, stderr } = runOnOldNode(MAIN, old);
    assert.equal(status, 1);
    assert.equal(stderr.split("\n")[0], refusal(old));
    assert.match(stderr, /\(NEWEL_E_NODE_TOO_OLD\)\n$/);
  }
});

test("npm start on an old Node.js says what to do", () => {
  const old = `${MAJOR}.${MINOR - 1}.9`;
  const { status, stderr } = runOnOldNode(join(ROOT, "scripts/start.mjs"), old);
  assert.equal(status, 1);
  assert.equal(stderr.split("\n")[0], refusal(old));
  assert.match(stderr, /\n {2}npm rebuild node\n/);
});

test("the documentation names the oldest Node.js of package.json", () => {
  for (const page of ["docs/guide/getting-started.md", "docs/reference/cli.md"]) {
    const text = readFileSync(join(ROOT, page), "utf8");
    const named = [
      ...text.matchAll(/Node\.js (?:older than )?(\d+(?:\.\d+)?)(?= or newer| ends)/g),
    ];
    assert.deepEqual(
      named.map(([, version]) => version),
      [OLDEST],
      page,
    );
  }
});

test("the files that an old Node.js has to parse use no newer syntax", () => {
  for (const file of ["src/cli/main.ts", "src/base/error-codes.ts", "scripts/start.mjs"]) {
    const text = readFileSync(join(ROOT, file), "utf8");
    for (const newer of [/\?\?/, /\?\.[\w([]/, /\|\|=|&&=/, /#\w+[;(=]/, /^(await|using)\b/m])
      assert.doesNotMatch(text, newer, file);
  }
  assert.doesNotMatch(
    readFileSync(MAIN, "utf8"),
    /^import /m,
    "nothing is loaded before the check",
  );
});

test("ps loads no package, and neither the kernel nor the supervisor themselves", () => {
  const loaded = new Map<string, string>();
  const visit = (file: string): void => {
    if (loaded.has(file)) return;
    loaded.set(file, "");
    const text = readFileSync(file, "utf8");
    for (const [, name = ""] of text.matchAll(
      /^(?:import|export)\s(?!type\s)(?:[^;"]*?\sfrom\s)?"([^"]+)"/gm,
    )) {
      if (name.startsWith(".")) visit(join(dirname(file), name));
      else loaded.set(name, file);
    }
  };
  visit(join(ROOT, "src/cli/cli.ts"));
  visit(join(ROOT, "src/cli/commands/ps.ts"));
  const names = [...loaded.keys()];
  assert.ok(
    names.some((name) => name.endsWith("src/wire/session.ts")),
    "the walk goes deep",
  );
  assert.deepEqual(
    names.filter((name) => !name.startsWith("/") && !name.startsWith("node:")),
    [],
  );
  for (const heavy of [
    "kernel/daemon.ts",
    "supervisor/daemon.ts",
    "config/schema.ts",
    "posix/libc.ts",
  ])
    assert.ok(!names.some((name) => name.endsWith(heavy)), heavy);
});

test("NEWEL_DEBUG=1 prints the stack, without it there is none", (t) => {
  const { directory, environment } = new World(t);
  const ask = (debug: string): string =>
    spawnSync(process.execPath, [MAIN, "check"], {
      cwd: directory,
      env: { ...environment, NEWEL_DEBUG: debug },
      encoding: "utf8",
    }).stderr;
  assert.match(ask("1"), /\n {4}at /);
  assert.doesNotMatch(ask(""), /\n {4}at /);
});

test("the kernel: status, --detach, and a second one in the foreground is refused", async (t) => {
  const world = new World(t);
  assert.equal((await world.newel("kernel", "status")).code, 5);
  const { pid } = await world.json<{ pid: number }>("kernel", "--detach");
  const status = await world.json<{ v: number; pid: number; home: string }>("kernel", "status");
  assert.deepEqual([status.v, status.pid, status.home], [1, pid, world.home]);
  assert.match((await world.succeed("kernel", "status")).stdout, /^kernel .* \(pid \d+\) in /);
  const { code, stderr } = await world.newel("kernel");
  assert.equal(code, 1);
  assert.match(stderr, /newel's kernel already runs for .*\(NEWEL_E_KERNEL_RUNNING\)\n$/s);
});

test("kernel and supervisor serve in the foreground until a signal ends them", async (t) => {
  const world = new World(t);
  for (const name of ["kernel", "supervisor"]) {
    const child = world.start(name);
    const log = collect(child.stdout);
    const ended = once(child, "exit");
    await eventually(() => log().includes(`The ${name} serves its home`), name);
    const version = await world.json<Record<string, { pid: number } | null>>("version");
    assert.equal(version[name]?.pid, child.pid);
    child.kill("SIGTERM");
    assert.deepEqual(await ended, [0, null]);
  }
});

test("build makes the new dist next to the old one, executable, and links the command", (t) => {
  const copy = temporaryDirectory(t);
  for (const name of ["src", "scripts", "package.json", "tsconfig.json", "tsconfig.build.json"])
    cpSync(join(ROOT, name), join(copy, name), { recursive: true });
  const build = (): { status: number | null; stderr: string } =>
    spawnSync(process.execPath, ["scripts/build.mjs"], { cwd: copy, encoding: "utf8" });
  const without = build();
  assert.deepEqual(
    [without.status, without.stderr],
    [0, "newel: TypeScript or esbuild is not installed, so dist/ is left as it is.\n"],
  );
  assert.ok(!existsSync(join(copy, "dist")));
  mkdirSync(join(copy, "node_modules"));
  for (const name of readdirSync(join(ROOT, "node_modules")).filter(
    (each) => !each.startsWith("."),
  ))
    symlinkSync(join(ROOT, "node_modules", name), join(copy, "node_modules", name));
  for (const time of ["first", "again"]) {
    const { status, stderr } = build();
    assert.deepEqual([status, stderr], [0, ""], time);
    assert.equal(statSync(join(copy, "dist/cli/main.js")).mode & 0o111, 0o111);
    const { stdout } = spawnSync(join(copy, "node_modules/.bin/newel"), ["help"], {
      encoding: "utf8",
    });
    assert.match(stdout, /^newel COMMAND/);
  }
});
