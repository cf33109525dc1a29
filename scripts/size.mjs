// Compares the size of the package, and of the JavaScript that each subpath loads, with scripts/size-budget.json (in
// kB of 1,000 bytes). A subpath may load at most five files. `node scripts/size.mjs` reads dist/ as it is.
import { globSync, readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const MOST_FILES = 5;
const STATIC_IMPORT = /^(?:import|export)\b[^;]*?["'](\.[^"']+)["'];/gm;

const budget = JSON.parse(readFileSync(join(root, "scripts/size-budget.json"), "utf8"));
const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
let failed = false;

const files = globSync("dist/**", { cwd: root }).map((file) => statSync(join(root, file)));
report("dist", sum(files.map((file) => (file.isFile() ? file.size : 0))), budget.dist);
for (const [subpath, kilobytes] of Object.entries(budget.subpaths)) {
  const loaded = loadedBy(join(root, exports[subpath].default));
  report(subpath, sum([...loaded].map((file) => statSync(file).size)), kilobytes);
  if (loaded.size <= MOST_FILES) continue;
  console.log(`${subpath} loads ${loaded.size} files, and at most ${MOST_FILES} are allowed.`);
  failed = true;
}
process.exit(failed ? 1 : 0);

function report(name, bytes, kilobytes) {
  const size = Math.ceil(bytes / 1_000);
  const isOver = size > kilobytes;
  console.log(`${name}: ${size} kB, budget ${kilobytes} kB${isOver ? ": too large" : ""}`);
  failed ||= isOver;
}

function loadedBy(file, found = new Set()) {
  if (found.has(file)) return found;
  found.add(file);
  for (const [, path] of readFileSync(file, "utf8").matchAll(STATIC_IMPORT))
    loadedBy(resolve(dirname(file), path), found);
  return found;
}

function sum(numbers) {
  return numbers.reduce((total, number) => total + number, 0);
}
