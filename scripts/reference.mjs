// The API reference: one page for each subpath in docs/reference/api/, from the TSDoc of the built types.
//
//   node scripts/reference.mjs          fails when an export has no TSDoc, when a member that is not in
//                                       scripts/api/undocumented.json has none, and when a page differs
//   node scripts/reference.mjs --write  writes the pages, and takes documented members off the list (`npm run api`)
//
// It reads dist/; scripts/api.mjs builds that first where a source is newer.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";

import { exportsOf, renderPage, undocumented } from "./api/pages.ts";
import { Surface } from "./api/surface.ts";

const root = join(import.meta.dirname, "..");
const folder = join(root, "docs/reference/api");
const listFile = join(root, "scripts/api/undocumented.json");
const write = process.argv[2] === "--write";
const pages = new Map();
const problems = [];
const lacking = [];

const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const surface = new Surface();
for (const [subpath, conditions] of Object.entries(exports)) {
  if (typeof conditions === "string") continue;
  const name = subpath === "." ? "newel" : `newel${subpath.slice(1)}`;
  const exported = exportsOf(surface, join(root, conditions.types));
  const missing = undocumented(exported);
  problems.push(...missing.exports.map((each) => `${name}: ${each} has no TSDoc`));
  lacking.push(...missing.members.map((each) => `${name}: ${each}`));
  if (exported.length > 0) pages.set(`${name.replaceAll("/", "-")}.md`, renderPage(name, exported));
}
const links = [...pages.keys()].map((file) => `- [${file.slice(0, -3)}](${file})`);
pages.set(
  "README.md",
  `# API reference\n\nOne page for each subpath of the package.\n\n${links.join("\n")}\n`,
);

const known = new Set(JSON.parse(readFileSync(listFile, "utf8")));
if (write) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const [file, text] of pages) writeFileSync(join(folder, file), text);
  const left = lacking.filter((each) => known.has(each));
  writeFileSync(listFile, `${JSON.stringify(left.sort(), undefined, 2)}\n`);
}
problems.push(...lacking.filter((each) => !known.has(each)).map((each) => `${each} has no TSDoc`));
for (const [file, text] of pages) {
  if (read(join(folder, file)) !== text)
    problems.push(`docs/reference/api/${file} is not up to date: run \`npm run api\``);
}
console.log(`${lacking.length} members without TSDoc, ${known.size} allowed`);
for (const problem of problems) console.log(problem);
if (problems.length > 0) process.exitCode = 1;

function read(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
