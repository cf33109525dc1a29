// Bundles the programs that a home keeps a copy of (kernel, supervisor, preload) into dist/runtime/: one
// minified CommonJS file a program, quick to copy and to load. dist/build.json names the build by its content and
// lists the files of the copy with their sizes.
import { createHash } from "node:crypto";
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join, relative, resolve } from "node:path";

import { build } from "esbuild";

const HASH_LENGTH = 12;

// Every file has to be one directory below the root: modules find each other's programs by `../NAME`.
const PROGRAMS = ["kernel/main", "supervisor/main"];

// Modules with large packages that a daemon loads for few configurations: files of their own.
const LATE = ["supervisor/cron"];

const PRELOAD = "register/newel-preload.cjs";

// koffi has native code for the machine newel is installed on, so it is copied from there.
const NATIVE = "koffi";

// CommonJS, because an ES module that imports node:fs or node:http loads all that their getters lead to (undici,
// web streams, web crypto), 5 MB for the supervisor. A package.json next to the programs says so for their `.js`.
const URL_OF_FILE = "const urlOfFile = require('node:url').pathToFileURL(__filename).href;";

/** Writes `runtime/` and `build.json` into the compiled package at `dist`. */
export async function bundleRuntime(root, dist) {
  const outdir = join(dist, "runtime");
  const daemons = await build({
    absWorkingDir: root,
    bundle: true,
    platform: "node",
    target: "node24",
    format: "cjs",
    define: { "import.meta.url": "urlOfFile" },
    banner: { js: URL_OF_FILE },
    minifySyntax: true,
    minifyWhitespace: true,
    outdir,
    external: [NATIVE],
    legalComments: "none",
    logLevel: "warning",
    metafile: true,
    entryPoints: Object.fromEntries([...PROGRAMS, ...LATE].map((name) => [name, `src/${name}.ts`])),
    plugins: [late(root)],
  });
  mkdirSync(join(outdir, "register"));
  copyFileSync(join(dist, PRELOAD), join(outdir, PRELOAD));
  const inputs = Object.keys(daemons.metafile.inputs);
  writeFileSync(join(outdir, "package.json"), '{ "type": "commonjs" }\n');
  writeFileSync(join(outdir, "LICENSES"), licenses(root, inputs));
  writeFileSync(join(dist, "build.json"), `${JSON.stringify(describe(outdir), undefined, 2)}\n`);
}

/** Leaves the dynamic imports of late modules to the time of the call. */
function late(root) {
  return {
    name: "late",
    setup: (builder) =>
      builder.onResolve({ filter: /^\./ }, ({ path, resolveDir, kind }) => {
        const name = relative(join(root, "src"), resolve(resolveDir, path)).replace(/\.ts$/, "");
        return kind === "dynamic-import" && LATE.includes(name)
          ? { path: `../${name}.js`, external: true }
          : undefined;
      }),
  };
}

/** The name of the build by its content, and its files. */
function describe(directory) {
  const names = readdirSync(directory, { recursive: true })
    .filter((name) => statSync(join(directory, name)).isFile())
    .sort();
  const hash = createHash("sha256");
  const files = {};
  for (const name of names) {
    const content = readFileSync(join(directory, name));
    hash.update(`${name}\0${content.length}\0`).update(content);
    files[name] = content.length;
  }
  return { hash: hash.digest("hex").slice(0, HASH_LENGTH), files };
}

/** The licenses of the packages that are in the bundle. */
export function licenses(root, inputs) {
  const packages = inputs.flatMap((input) => {
    const [found] = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input) ?? [];
    return found === undefined ? [] : [found];
  });
  return [...new Set(packages)]
    .sort((a, b) => a.localeCompare(b))
    .map((name) => `${name.replace("node_modules/", "")}\n\n${licenseOf(join(root, name))}\n`)
    .join("\n");
}

function licenseOf(directory) {
  const file = readdirSync(directory).find((name) => /^licen[cs]e/i.test(name));
  if (file === undefined) throw new Error(`${directory} has no license file.`);
  return readFileSync(join(directory, file), "utf8").trim();
}
