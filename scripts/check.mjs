// Everything but the tests: types, lint with floors and cycles, format, dead code, the package.
import { spawnSync } from "node:child_process";
import process from "node:process";

const CHECKS = [
  ["types", "tsc", ["-p", "tsconfig.json"]],
  ["lint, floors, cycles", "oxlint", ["src", "test", "scripts", "bench", "examples"]],
  ["format", "oxfmt", ["--check", "src", "test", "scripts", "bench", "examples"]],
  ["dead code", "knip", ["--no-progress"]],
  ["package", "publint", ["--strict"]],
  ["package types", "attw", ["--pack", ".", "--profile", "esm-only", "--quiet"]],
];

let failed = 0;
for (const [name, command, args] of CHECKS) {
  const started = performance.now();
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: "utf8" });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${status === 0 ? "ok  " : "FAIL"} ${name} (${String(seconds)} s)`);
  if (status === 0) continue;
  failed += 1;
  console.log(stdout + stderr);
}
if (failed > 0) console.log(`${failed} of ${CHECKS.length} checks failed.`);
process.exit(failed === 0 ? 0 : 1);
