// Compiles the type tests, and the sources they import, with an older TypeScript: `node scripts/older-types.mjs 5.9`.
// Its language service must also show the documentation and the definition of methods on proxies
// (test/types/documented.ts). That of TypeScript 7.0 shows no documentation for any mapped type, `Pick` included
// (microsoft/typescript-go#4677). The compilers are in a separate package, because each has a command `tsc`.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import process from "node:process";

const types = join(import.meta.dirname, "..", "test", "types");
const compilers = join(types, "compilers");
const version = process.argv[2] ?? "5.9";
const library = join(compilers, "node_modules", `typescript-${version}`, "lib");

if (!existsSync(library)) run("npm", ["ci", "--prefix", compilers, "--no-audit", "--no-fund"]);
run(process.execPath, [join(library, "tsc.js"), "-p", join(types, "tsconfig.json")]);
const missing = undocumented(createRequire(import.meta.url)(join(library, "typescript.js")));
for (const line of missing) console.error(`TypeScript ${version} shows no documentation: ${line}`);
process.exitCode = missing.length === 0 ? 0 : 1;

/** The lines of documented.ts whose method has no documentation or no definition in the same file. */
function undocumented(ts) {
  const file = join(types, "documented.ts");
  const config = ts.getParsedCommandLineOfConfigFile(join(types, "tsconfig.json"), undefined, {
    ...ts.sys,
    onUnRecoverableConfigFileDiagnostic: () => undefined,
  });
  const service = ts.createLanguageService({
    ...ts.sys,
    useCaseSensitiveFileNames: () => ts.sys.useCaseSensitiveFileNames,
    getScriptFileNames: () => [file],
    getScriptVersion: () => "1",
    getScriptSnapshot: (path) =>
      ts.sys.fileExists(path) ? ts.ScriptSnapshot.fromString(ts.sys.readFile(path)) : undefined,
    getCompilationSettings: () => config.options,
    getDefaultLibFileName: (options) => ts.getDefaultLibFilePath(options),
  });
  const text = readFileSync(file, "utf8");
  const places = [...text.matchAll(/\.\/\* here \*\/\s*/g)];
  if (places.length === 0) throw new Error("documented.ts has no places");
  return places
    .map((place) => place.index + place[0].length)
    .filter((at) => {
      const shown = service.getQuickInfoAtPosition(file, at)?.documentation;
      const defined = service.getDefinitionAtPosition(file, at) ?? [];
      return (
        !ts.displayPartsToString(shown).startsWith("Documented: ") ||
        !defined.some(({ fileName }) => fileName === file)
      );
    })
    .map((at) => text.slice(0, at).split("\n").length)
    .map((line) => `${file}:${line}`);
}

function run(command, args) {
  const { status } = spawnSync(command, args, { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}
