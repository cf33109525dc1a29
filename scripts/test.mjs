// Runs the tests: all of them, or those of the folders named (`npm test -- bus kernel`).
// A warning on stderr fails the run, since a clean stderr is part of what is tested.
import { spawn } from "node:child_process";
import { existsSync, globSync, statSync } from "node:fs";
import process from "node:process";

const asked = process.argv.slice(2);
const flags = asked.filter((word) => word.startsWith("-"));
const folders = asked.filter((word) => !word.startsWith("-"));
const files = (folders.length === 0 ? ["."] : folders).flatMap((name) => {
  const path = existsSync(name) ? name : `test/${name}`;
  if (existsSync(path) && statSync(path).isFile()) return [path];
  const found = globSync(name === "." ? "test/**/*.test.ts" : `${path}/**/*.test.ts`);
  // The packed package is installed from the registry: `npm run test:package`.
  return name === "." ? found.filter((file) => !file.startsWith("test/package/")) : found;
});
if (files.length === 0) {
  console.error(`No tests for: ${asked.join(" ")}`);
  process.exit(2);
}

const child = spawn(
  process.execPath,
  [
    "--test",
    "--test-concurrency=2",
    "--test-timeout=300000",
    "--test-reporter=spec",
    ...flags,
    ...files.sort(),
  ],
  { stdio: ["ignore", "inherit", "pipe"] },
);
let warned = false;
child.stderr.on("data", (chunk) => {
  process.stderr.write(chunk);
  if (/Warning:/.test(String(chunk))) warned = true;
});
child.on("close", (code) => {
  if (warned)
    console.error("A warning was printed during the tests (see above): that is a failure.");
  process.exit(code === 0 && warned ? 1 : (code ?? 1));
});
