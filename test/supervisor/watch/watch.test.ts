import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { test } from "node:test";

import { ignoreRules } from "../../../src/supervisor/watch/ignored.ts";
import { OwnWrites } from "../../../src/supervisor/watch/own-writes.ts";
import { ServiceWatch } from "../../../src/supervisor/watch/service-watch.ts";
import { watchRoot } from "../../../src/supervisor/watch/watch-paths.ts";
import { cleanUp, eventually, type Scope, temporaryDirectory } from "../../helpers/resources.ts";

/** A watched directory and the files that changed in it, relative to it, since the last look. */
class Project {
  readonly directory: string;
  readonly restarts: string[][] = [];
  readonly failures: Error[] = [];
  readonly watch: ServiceWatch;

  constructor(
    scope: Scope,
    files: readonly string[],
    options: { paths?: string[]; program?: string } = {},
  ) {
    this.directory = join(temporaryDirectory(scope), "app");
    for (const file of ["server.js", ...files]) this.write(file);
    this.watch = new ServiceWatch({
      paths: options.paths ?? ["."],
      ignore: ["*.css", "src/generated"],
      debounceMs: 20,
      base: this.directory,
      programs: [join(this.directory, options.program ?? "server.js")],
      restart: async (changed) => {
        this.restarts.push(changed.map((file) => relative(this.directory, file)).sort());
      },
      leftOut: () => undefined,
      failed: (error) => this.failures.push(error),
    });
    cleanUp(scope, () => this.watch.close());
  }

  write(file: string, text = `${Math.random()}`): void {
    const path = join(this.directory, file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }

  /** Waits until a file has caused a restart; returns all files of the restarts since the last look. */
  async seen(file: string): Promise<string[]> {
    await eventually(() => this.restarts.flat().includes(file), `${file} is seen`, 30_000);
    return [...new Set(this.restarts.splice(0).flat())].sort();
  }
}

test("a write, a rename over a file, a removal and a new directory are seen", async (t) => {
  const project = new Project(t, ["src/app.js"]);
  project.write("src/app.js");
  assert.deepEqual(await project.seen("src/app.js"), ["src/app.js"]);
  project.write("src/.app.js.swp");
  renameSync(join(project.directory, "src/.app.js.swp"), join(project.directory, "src/app.js"));
  assert.deepEqual(await project.seen("src/app.js"), ["src/app.js"]);
  project.write("src/app.js");
  assert.deepEqual(await project.seen("src/app.js"), ["src/app.js"]);
  rmSync(join(project.directory, "src/app.js"));
  assert.deepEqual(await project.seen("src/app.js"), ["src/app.js"]);
  project.write("lib/deep/down/a.js");
  assert.deepEqual(await project.seen("lib/deep/down/a.js"), ["lib/deep/down/a.js"]);
  project.write("lib/deep/down/a.js");
  assert.deepEqual(await project.seen("lib/deep/down/a.js"), ["lib/deep/down/a.js"]);
});

test("a directory that is removed and made again is watched again, the root too", async (t) => {
  const project = new Project(t, ["src/app.js"]);
  for (const name of ["src", "."]) {
    rmSync(join(project.directory, name), { recursive: true });
    project.write("src/app.js");
    await project.seen("src/app.js");
    project.write("src/app.js", "again");
    await project.seen("src/app.js");
  }
  renameSync(join(project.directory, "src"), join(project.directory, "source"));
  await project.seen("source/app.js");
  project.write("source/app.js");
  assert.deepEqual(await project.seen("source/app.js"), ["source/app.js"]);
});

test("dependencies, dotfiles, outputs, logs and ignored names cause nothing; .env does", async (t) => {
  const project = new Project(t, ["node_modules/x/index.js", "dist/app.js", "logs/a.txt"]);
  const { size } = project.watch;
  assert.equal(size, 1);
  for (const file of [
    "node_modules/x/index.js",
    ".git/HEAD",
    "dist/app.js",
    "logs/a.txt",
    "server.log",
    "data.sqlite-wal",
    "package-lock.json",
    "style.css",
    "src/generated/a.js",
  ])
    project.write(file);
  project.write(".env");
  assert.deepEqual(await project.seen(".env"), [".env"]);
});

test("the directory of the program is watched even where it is a build output", async (t) => {
  const project = new Project(t, ["dist/server.js"], { program: "dist/server.js" });
  project.write("dist/server.js");
  assert.deepEqual(await project.seen("dist/server.js"), ["dist/server.js"]);
});

test("paths are directories, files and patterns", async (t) => {
  const project = new Project(t, ["src/a.ts", "src/a.json", "conf/x.json", "other.js"], {
    paths: ["src/**/*.ts", "conf/x.json"],
  });
  project.write("other.js");
  project.write("src/a.json");
  project.write("conf/y.json");
  project.write("src/a.ts");
  assert.deepEqual(await project.seen("src/a.ts"), ["src/a.ts"]);
  project.write("conf/x.json");
  assert.deepEqual(await project.seen("conf/x.json"), ["conf/x.json"]);
  const { directory, enters } = watchRoot("src/*/*.ts", "/app");
  assert.equal(directory, "/app/src");
  assert.deepEqual([enters("/app/src/a"), enters("/app/src/a/b")], [true, false]);
});

test("changes during a restart cause one more restart, after it", async (t) => {
  const directory = temporaryDirectory(t);
  const begun: string[][] = [];
  let release = (): void => undefined;
  let interruptions = 0;
  const watch = new ServiceWatch({
    paths: ["."],
    ignore: [],
    debounceMs: 10,
    base: directory,
    programs: [],
    restart: (files) => {
      begun.push(files.map((file) => relative(directory, file)).sort());
      return new Promise<void>((resolve) => (release = resolve));
    },
    interrupted: () => (interruptions += 1),
    leftOut: () => undefined,
    failed: assert.fail,
  });
  cleanUp(t, () => watch.close());
  writeFileSync(join(directory, "a.js"), "");
  await eventually(() => begun.length === 1, "the first restart", 30_000);
  writeFileSync(join(directory, "b.js"), "");
  await eventually(() => interruptions > 0, "the second change", 30_000);
  assert.deepEqual(begun, [["a.js"]]);
  release();
  await eventually(() => begun.length === 2, "the second restart", 30_000);
  assert.deepEqual(begun, [["a.js"], ["b.js"]]);
  release();
});

test("a data file that the program writes at each start is left out after three restarts", () => {
  const left: string[] = [];
  const writes = new OwnWrites((file) => left.push(file));
  for (let now = 0; now < 4; now += 1) {
    assert.equal(writes.leavesOut("/app/data.json", now * 5_000), false);
    writes.began(["/app/data.json"]);
    writes.leavesOut("/app/data.json", now * 5_000 + 100);
    writes.ended(now * 5_000 + 4_000);
  }
  assert.deepEqual(left, ["/app/data.json"]);
  assert.equal(writes.leavesOut("/app/data.json", 1e6), true);
});

test("a source, and a data file that is edited at leisure, are never left out", () => {
  const writes = new OwnWrites(assert.fail);
  for (let now = 0; now < 20; now += 1) {
    assert.equal(writes.leavesOut("/app/server.ts", now * 100), false);
    assert.equal(writes.leavesOut("/app/data.json", now * 100), false);
    writes.began(["/app/server.ts"]);
    writes.ended(now * 100 + 50);
  }
});

test("a pattern without a slash is a name at any depth, one with a slash a path", () => {
  const isIgnored = ignoreRules({
    root: "/app",
    base: "/app",
    patterns: ["*.snap", "test/data", "./docs/"],
    programs: [],
  });
  const files = ["a.snap", "test/x/a.snap", "test/data/a.js", "lib/test/data/a.js", "docs/a.md"];
  assert.deepEqual(
    files.filter((file) => isIgnored(`/app/${file}`, false)),
    ["a.snap", "test/x/a.snap", "test/data/a.js", "docs/a.md"],
  );
  assert.equal(isIgnored("/app/build", true), true);
  assert.equal(isIgnored("/app/src/build", true), false);
});

/** Runs a script where this user may have three inotify watches. */
function withFewWatches(
  script: string,
  directory: string,
): { status: number | null; stdout: string } {
  const line = 'echo 3 > /proc/sys/user/max_inotify_watches && exec "$@"';
  const command = [
    "-Ur",
    "/bin/sh",
    "-c",
    line,
    "sh",
    process.execPath,
    "--input-type=module-typescript",
  ];
  return spawnSync("unshare", [...command, "-e", script, directory], { encoding: "utf8" });
}

const canLimit = spawnSync("unshare", ["-Ur", "true"]).status === 0;

test(
  "without inotify watches left, a coded error names the directory and the limit",
  { skip: canLimit ? false : "this user may make no user namespace" },
  (t) => {
    const directory = temporaryDirectory(t);
    for (const name of ["a", "b", "c", "d", "e"]) mkdirSync(join(directory, name));
    const module = new URL("../../../src/supervisor/watch/service-watch.ts", import.meta.url);
    const script = `
      const { ServiceWatch } = await import(${JSON.stringify(module.href)});
      const base = process.argv[1];
      new ServiceWatch({ paths: ["."], ignore: [], debounceMs: 10, base, programs: [],
        failed: (error) => console.log(error.code, error.message) });`;
    const { status, stdout } = withFewWatches(script, directory);
    assert.equal(status, 0);
    assert.match(
      stdout,
      /^NEWEL_E_WATCH_LIMIT .*\/[a-e] cannot be watched \(ENOSPC\): this user has reached the limit fs\.inotify\.max_user_watches\.\n$/,
    );
  },
);
