// A WAL is never applied to a file it does not belong to, however a backup came to its place.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, cpSync, readdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { hasCode } from "../../../src/base/errors.ts";
import { openJobStore, restoreJobStore } from "../../../src/jobs/sqlite/index.ts";
import { type Scope, startProcess, temporaryDirectory } from "../../helpers/resources.ts";
import { openQueue } from "./many.ts";

const PROGRAM = fileURLToPath(new URL("fixtures/restored.ts", import.meta.url));
const CLI = fileURLToPath(new URL("../../../src/cli/main.ts", import.meta.url));
const COUNTER = `import { openJobStore } from ${JSON.stringify(
  fileURLToPath(new URL("../../../src/jobs/sqlite/index.ts", import.meta.url)),
)};
const store = await openJobStore(process.argv[1]);
const names = {};
for (let cursor; ; ) {
  const page = await store.search({}, { limit: 1000, cursor });
  for (const { job } of page.jobs) names[job.name] = (names[job.name] ?? 0) + 1;
  if ((cursor = page.cursor) === undefined) break;
}
console.log(JSON.stringify({ names, problems: await store.check("full") }));
await store.close();`;

/** The jobs of a file by their names, and the warnings at its opening. */
function contentOf(path: string): { names: unknown; problems: unknown; warnings: string } {
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ["--input-type=module", "-e", COUNTER, path],
    { encoding: "utf8" },
  );
  assert.notEqual(stdout, "", stderr);
  return { ...(JSON.parse(stdout) as { names: unknown; problems: unknown }), warnings: stderr };
}

function makeJobs(scope: Scope, end: "killed" | "stopped"): string {
  const path = join(temporaryDirectory(scope), "jobs.db");
  const { status, signal, stderr } = spawnSync(process.execPath, [PROGRAM, path, end], {
    encoding: "utf8",
  });
  assert.ok(end === "killed" ? signal === "SIGKILL" : status === 0, stderr);
  return path;
}

for (const end of ["killed", "stopped"] as const)
  for (const [how, put] of [
    ["moved", renameSync],
    ["copied", copyFileSync],
  ] as const)
    test(`a backup that is ${how} over a file whose process was ${end} has its own content`, (scope) => {
      const path = makeJobs(scope, end);
      put(`${path}.backup`, path);
      const { names, problems, warnings } = contentOf(path);
      assert.deepEqual({ names, problems }, { names: { old: 1_500 }, problems: [] });
      assert.equal(/NEWEL_E_JOBS_REPLACED/.test(warnings), end === "killed", warnings);
      // And it is used as any other file afterwards.
      assert.deepEqual(contentOf(path).names, { old: 1_500 });
    });

test("after a kill, the WAL of the file itself is applied", (scope) => {
  const path = makeJobs(scope, "killed");
  const { names, problems, warnings } = contentOf(path);
  assert.deepEqual({ names, problems }, { names: { old: 1_500, new: 1_520 }, problems: [] });
  assert.equal(warnings, "");
});

test("a whole directory that is copied after a kill keeps its WAL", (scope) => {
  const path = makeJobs(scope, "killed");
  const elsewhere = join(temporaryDirectory(scope), "copy");
  cpSync(join(path, ".."), elsewhere, { recursive: true });
  const { names, warnings } = contentOf(join(elsewhere, "jobs.db"));
  assert.deepEqual(names, { old: 1_500, new: 1_520 });
  assert.equal(warnings, "");
});

test("a file is restored by command while a process uses it", async (scope) => {
  const path = join(temporaryDirectory(scope), "jobs.db");
  const child = startProcess(scope, process.execPath, [PROGRAM, path, "running"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  assert.ok(child.stdout !== null && child.stdin !== null);
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const next = async (): Promise<unknown> => (await lines.next()).value;
  assert.equal(await next(), "ready");
  const page = readFileSync(
    fileURLToPath(new URL("../../../docs/guide/jobs-restore.md", import.meta.url)),
    "utf8",
  );
  const command = /^newel (jobs restore .+)$/m.exec(page)?.[1];
  assert.ok(command !== undefined);
  const words = command.replace("jobs.backup.db", "jobs.db.backup").split(" ");
  const restored = spawnSync(process.execPath, [CLI, ...words], {
    cwd: join(path, ".."),
    encoding: "utf8",
  });
  assert.equal(restored.status, 0, restored.stderr);
  child.stdin.write("refused\n");
  assert.equal(await next(), "NEWEL_E_JOBS_GONE");
  child.stdin.write("after\n");
  assert.equal(await next(), "added");
  child.stdin.end();
  await once(child, "exit");
  assert.deepEqual(contentOf(path).names, { old: 1_500, after: 1 });
  const kept = readdirSync(join(path, "..")).find((name) => /\.replaced-[\dTZ-]+$/.test(name));
  assert.ok(kept !== undefined, readdirSync(join(path, "..")).join());
  assert.deepEqual(contentOf(join(path, "..", kept)).names, { old: 1_500, new: 1_520 });
});

test("a file that is no backup changes nothing", async (scope) => {
  const path = join(temporaryDirectory(scope), "jobs.db");
  const queue = openQueue(scope, path);
  await queue.add("n", {});
  const isFile = (error: unknown): boolean => hasCode(error, "NEWEL_E_JOBS_FILE");
  await assert.rejects(restoreJobStore(`${path}.none`, path), isFile);
  await assert.rejects(restoreJobStore(PROGRAM, path), isFile);
  await queue.add("n", {});
  const store = await openJobStore(path);
  assert.equal((await store.counts())["bull:q"]?.["waiting"], 2);
  await store.close();
});
