// Runs the tests: all of them, or those of the folders or files named (`npm test -- bus kernel`).
// A warning on stderr fails the run, since a clean stderr is part of what is tested.
import { spawn } from "node:child_process";
import { existsSync, globSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

import { buildPreload } from "./preload.mjs";

/**
 * More than the processors of a small machine: most files mainly wait, for processes, timers and syncs. With three files
 * at once, two processors are idle for a third of the time.
 */
const AT_ONCE = 4;

// They keep both cores busy and hold a time limit of seconds: nothing runs beside them.
const ALONE = new Set(["test/register/roll.test.ts", "test/supervisor/zero-downtime.test.ts"]);

// The packed package is installed from the registry (`npm run test:package`); BullMQ's own stores show what
// the behaviours tried on ours are worth, and need their servers (`npm run soak -- jobs-stores`).
const ELSEWHERE = [
  "test/package/",
  "test/jobs/conformance/postgres.test.ts",
  "test/jobs/conformance/redis.test.ts",
  "test/jobs/client/postgres.test.ts",
  "test/jobs/client/redis.test.ts",
  "test/jobs/events/postgres.test.ts",
  "test/jobs/server/postgres.test.ts",
  "test/jobs/server/redis.test.ts",
  "test/jobs/events/redis.test.ts",
];

// Thousands of Node.js processes start in a run, and each would strip and compile the same sources again: two
// thirds of the CPU time of a start. They share one compile cache, which a run of all tests begins empty,
// since programs in temporary directories leave entries in it that no later run can use.
const COMPILED = join(
  dirname(dirname(fileURLToPath(import.meta.url))),
  "node_modules/.cache/newel/compiled",
);

const asked = process.argv.slice(2);
const flags = asked.filter((word) => word.startsWith("-"));
const folders = asked.filter((word) => !word.startsWith("-"));
const files = (folders.length === 0 ? ["."] : folders).flatMap(filesOf).sort();
if (files.length === 0) {
  console.error(`No tests for: ${asked.join(" ")}`);
  process.exit(2);
}
// Services of the tests run from the sources, and have the preload that is built from them now.
buildPreload();
if (folders.length === 0) rmSync(COMPILED, { recursive: true, force: true });
const together = files.filter((file) => !ALONE.has(file));
const alone = files.filter((file) => ALONE.has(file));
const codes = [await run(together, AT_ONCE), await run(alone, 1)];
process.exit(codes.find((code) => code !== 0) ?? 0);

function filesOf(name) {
  const path = existsSync(name) ? name : `test/${name}`;
  if (existsSync(path) && statSync(path).isFile()) return [path];
  const found = globSync(name === "." ? "test/**/*.test.ts" : `${path}/**/*.test.ts`);
  return name === "."
    ? found.filter((file) => !ELSEWHERE.some((part) => file.startsWith(part)))
    : found;
}

async function run(some, concurrency) {
  if (some.length === 0) return 0;
  const child = spawn(
    process.execPath,
    [
      "--test",
      `--test-concurrency=${concurrency}`,
      "--test-timeout=300000",
      "--test-reporter=spec",
      ...flags,
      ...some,
    ],
    {
      stdio: ["ignore", "inherit", "pipe"],
      env: { ...process.env, NODE_COMPILE_CACHE: COMPILED },
    },
  );
  let warned = false;
  child.stderr.on("data", (chunk) => {
    process.stderr.write(chunk);
    if (/Warning:/.test(String(chunk))) warned = true;
  });
  const code = await new Promise((resolve) => {
    child.on("close", resolve);
  });
  if (!warned) return code ?? 1;
  console.error("A warning was printed during the tests (see above): that is a failure.");
  return 1;
}
