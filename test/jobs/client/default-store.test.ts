import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { absoluteStore, defaultStore } from "../../../src/jobs/default-store.ts";
import { parseConnection } from "../../../src/jobs/sqlite/connection.ts";
import { temporaryDirectory } from "../../helpers/resources.ts";

const JOBS = fileURLToPath(new URL("../../../src/jobs/index.ts", import.meta.url));

test("programs in different directories of a project enqueue into the same default file", (scope) => {
  const project = realpathSync(temporaryDirectory(scope));
  const inner = join(project, "src/web");
  mkdirSync(inner, { recursive: true });
  writeFileSync(join(project, "package.json"), '{"type":"module"}');
  const program = `
    const { jobs, job } = await import(${JSON.stringify(JOBS)});
    await job("one", {}, () => 1).enqueue({});
    console.log(jobs.store, (await jobs.list()).runs.length);
    await jobs.close();`;
  const env = { ...process.env };
  delete env["NEWEL_JOBS_STORE"];
  const file = join(inner, "program.mjs");
  writeFileSync(file, program);
  for (const [cwd, count] of [
    [inner, 1],
    [project, 2],
  ] as const) {
    const { stdout, stderr } = spawnSync(process.execPath, [file], { cwd, env, encoding: "utf8" });
    assert.equal(`${stdout}${stderr}`, `sqlite:${project}/data/jobs.db ${count}\n`);
  }
  assert.ok(!existsSync(join(inner, "data")));
});

test("the path of a file is kept as it is, with all its characters", (scope) => {
  const project = join(temporaryDirectory(scope), "a b%20c#d?e");
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), "{}");
  assert.equal(parseConnection(defaultStore(project)).path, join(project, "data/jobs.db"));
  const given = "sqlite:./x%3Fy.db?synchronous=normal";
  const { path, synchronous } = parseConnection(absoluteStore(given, project));
  assert.deepEqual([path, synchronous], [join(project, "x?y.db"), "normal"]);
  for (const url of ["sqlite:/a/b.db", "redis://host:6379", "sqlite:///a/b.db", "jobs://h:1"])
    assert.equal(absoluteStore(url, project), url);
});
