// Everything but the tests: types, lint with layers and cycles, format, prose, dead code, the package.
import { spawnSync } from "node:child_process";
import process from "node:process";

const CHECKS = [
  { name: "types", command: "tsc", args: ["-p", "tsconfig.json"] },
  { name: "types on TypeScript 5.9", command: "node", args: ["scripts/older-types.mjs", "5.9"] },
  { name: "types on TypeScript 6", command: "node", args: ["scripts/older-types.mjs", "6"] },
  {
    name: "types for browsers",
    command: "tsc",
    args: ["-p", "src/jobs/web/browser/tsconfig.json"],
  },
  {
    name: "types of the dashboard's page",
    command: "tsc",
    args: ["-p", "src/dashboard/browser/tsconfig.json"],
  },
  {
    name: "lint, layers, cycles",
    command: "oxlint",
    args: ["src", "test", "scripts", "bench", "examples"],
  },
  {
    name: "format",
    command: "oxfmt",
    args: ["--check", "src", "test", "scripts", "bench", "examples"],
  },
  { name: "prose", command: "node", args: ["scripts/prose.mjs"] },
  {
    name: "spelling",
    command: "cspell",
    args: ["lint", "--no-progress", "--cache", "--cache-location", "node_modules/.cache/cspell"],
  },
  {
    name: "pages describe the code",
    command: "node",
    args: [
      "--test",
      ...["architecture", "links", "workflows"].map((name) => `test/docs/${name}.test.ts`),
    ],
  },
  { name: "public types", command: "node", args: ["scripts/api.mjs"] },
  { name: "API reference", command: "node", args: ["scripts/reference.mjs"] },
  { name: "size", command: "node", args: ["scripts/size.mjs"] },
  { name: "dead code", command: "knip", args: ["--no-progress"] },
  { name: "package", command: "publint", args: ["--strict"] },
  {
    name: "package types",
    command: "attw",
    args: ["--pack", ".", "--profile", "esm-only", "--quiet"],
  },
];

let failed = 0;
for (const { name, command, args } of CHECKS) {
  const started = performance.now();
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: "utf8" });
  const seconds = Math.round((performance.now() - started) / 100) / 10;
  console.log(`${status === 0 ? "ok  " : "FAIL"} ${name} (${seconds} s)`);
  if (status === 0) continue;
  failed += 1;
  console.log(stdout + stderr);
}
if (failed > 0) console.log(`${failed} of ${CHECKS.length} checks failed.`);
process.exit(failed === 0 ? 0 : 1);
