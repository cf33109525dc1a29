// Removes the declarations that no public declaration leads to: dist/ ships the types of its subpaths only.
import { existsSync, globSync, readFileSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

const SPECIFIER = /(?:from|import)\s*\(?\s*["'](\.[^"']+)["']/g;

export function pruneTypes(root, dist) {
  const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const reached = new Set();
  for (const conditions of Object.values(exports))
    if (typeof conditions === "object")
      visit(join(dist, conditions.types.replace("./dist/", "")), reached);
  for (const file of globSync("**/*.d.ts", { cwd: dist }))
    if (!reached.has(join(dist, file))) rmSync(join(dist, file));
}

function visit(file, reached) {
  if (reached.has(file)) return;
  if (!existsSync(file)) throw new Error(`The types lead to ${file}, which does not exist.`);
  reached.add(file);
  const text = readFileSync(file, "utf8").replaceAll(/\/\*[^]*?\*\//g, "");
  for (const [, specifier] of text.matchAll(SPECIFIER))
    visit(resolve(dirname(file), specifier.replace(/\.(ts|js)$/, ".d.ts")), reached);
}
