import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { buildSync } from "esbuild";

import { type Scope, temporaryDirectory } from "../../helpers/resources.ts";

export const ROOT: string = fileURLToPath(new URL("../../..", import.meta.url));
const GUIDE = join(ROOT, "docs/guide/jobs-web.md");
export const FRAMEWORKS: string = join(ROOT, "test/web-frameworks");

/** The programs of the guide: those of its code blocks that begin with their file's name. */
export function guideFiles(): ReadonlyMap<string, string> {
  const blocks = readFileSync(GUIDE, "utf8").matchAll(
    /^```\w+\n\/\/ (?<name>\S+\.\w+)\n(?<code>.*?)^```$/gms,
  );
  return new Map([...blocks].map(({ groups }) => [groups?.["name"] ?? "", groups?.["code"] ?? ""]));
}

/** The reason why tests of a framework with its own folder are skipped, for `{ skip }`; `false` when they run. */
export function without(framework: "nest" | "next"): string | false {
  return existsSync(join(FRAMEWORKS, framework, "node_modules"))
    ? false
    : `needs its packages: npm ci --prefix test/web-frameworks/${framework}`;
}

/**
 * A project as a reader of the guide has it: its files, newel (the sources of this repo) and the packages.
 *
 * @returns its directory
 */
export function makeProject(scope: Scope): string {
  const directory = temporaryDirectory(scope);
  for (const [name, code] of guideFiles()) write(join(directory, name), code);
  write(join(directory, "package.json"), JSON.stringify({ type: "module" }));
  const newel = join(directory, "newel");
  const exports = {
    "./jobs": "./src/jobs/index.ts",
    "./jobs/element": "./element.js",
    "./jobs/react": {
      node: "./src/jobs/web/browser/react-server.ts",
      default: "./src/jobs/web/browser/react.ts",
    },
  };
  write(join(newel, "package.json"), JSON.stringify({ name: "newel", type: "module", exports }));
  symlinkSync(join(ROOT, "src"), join(newel, "src"));
  write(join(newel, "element.js"), elementScript());
  const modules = join(directory, "node_modules");
  mkdirSync(modules);
  symlinkSync(newel, join(modules, "newel"));
  for (const packages of [ROOT, join(FRAMEWORKS, "nest")])
    link(join(packages, "node_modules"), modules);
  return directory;
}

/** The built element for browsers. */
export function elementScript(): string {
  const entryPoints = [join(ROOT, "src/jobs/web/browser/element.ts")];
  const { outputFiles } = buildSync({
    entryPoints,
    bundle: true,
    minify: true,
    format: "esm",
    write: false,
  });
  return outputFiles[0]?.text ?? "";
}

export function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

function link(from: string, to: string): void {
  if (!existsSync(from)) return;
  for (const name of readdirSync(from))
    if (!existsSync(join(to, name))) symlinkSync(join(from, name), join(to, name));
}
