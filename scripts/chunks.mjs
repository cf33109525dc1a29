// Bundles what Node.js runs of the package: each subpath and program is one small file that imports shared chunks,
// and each module of src/ is in exactly one file, so that every class and registry exists once in a process.
import { readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";

import { build } from "esbuild";

/** The subpaths of the package, as in `exports` of package.json. */
const SUBPATHS = [
  "index",
  "bus/index",
  "kernel/index",
  "singleton/index",
  "supervisor/index",
  "jobs/index",
  "jobs/sqlite/index",
  "pool/index",
  "pool/worker/index",
];

/** The modules that run as a process or a thread of their own (`programPath`). */
const PROGRAMS = [
  "kernel/main",
  "supervisor/main",
  "supervisor/config/evaluator",
  "singleton/main",
  "jobs/runner/worker",
  "jobs/sqlite/store-thread",
  "pool/worker/process-main",
  "pool/worker/thread-main",
];

const COMMAND = "cli/main";

/** Imports and programs whose start is measured: what they do not need is in other chunks. */
const HOT = ["bus/index", "pool/index", "pool/worker/process-main", "pool/worker/thread-main"];

/**
 * The chunks: a module belongs to the first one that takes it, by its folder and, where roots are named, only if one
 * of them imports it. Lower chunks come first. A caller of jobs elsewhere must not load BullMQ, so modules that do
 * without it have a chunk. Chunks that only newel's own programs load ship without source maps (2.5 MB).
 */
const CHUNKS = [
  { name: "core", folder: "base/", roots: HOT },
  { name: "core", folder: "wire/", roots: HOT },
  { name: "core-rest", folder: "base/" },
  { name: "core-rest", folder: "posix/" },
  { name: "core-rest", folder: "jobs/bullmq.ts" },
  // The store on a file and all that reads it share these.
  { name: "core-rest", folder: "jobs/failure.ts" },
  { name: "core-rest", folder: "jobs/stored-json.ts" },
  { name: "core-rest", folder: "jobs/unreadable.ts" },
  { name: "core-rest", folder: "kernel/", roots: ["kernel/index", "singleton/index"] },
  { name: "wire", folder: "wire/" },
  { name: "bus", folder: "bus/", roots: ["bus/index"] },
  { name: "bus-rest", folder: "bus/" },
  { name: "kernel", folder: "kernel/", own: true },
  {
    name: "pool-worker",
    folder: "pool/",
    roots: ["pool/worker/index", "pool/worker/process-main", "pool/worker/thread-main"],
  },
  { name: "pool", folder: "pool/" },
  { name: "singleton", folder: "singleton/" },
  { name: "translate", folder: "supervisor/translate/", own: true },
  { name: "define", folder: "supervisor/", roots: ["index"] },
  { name: "cron", folder: "supervisor/cron.ts", own: true },
  { name: "wire", folder: "supervisor/", roots: ["supervisor/client"] },
  { name: "config", folder: "supervisor/", roots: ["supervisor/config/load"] },
  { name: "locate", folder: "supervisor/", roots: ["supervisor/config/locate"], own: true },
  { name: "supervisor", folder: "supervisor/", own: true },
  { name: "deploy", folder: "deploy/", own: true },
  { name: "dashboard", folder: "dashboard/", own: true },
  { name: "jobs-file", folder: "jobs/sqlite/" },
  { name: "jobs", folder: "jobs/", roots: ["jobs/index"] },
  {
    name: "jobs-remote",
    folder: "jobs/",
    roots: [
      "jobs/remote/client",
      "jobs/remote/address",
      "jobs/server/control",
      "jobs/server/settings",
      "jobs/store/url",
    ],
  },
  { name: "jobs-store", folder: "jobs/", roots: ["jobs/store/open"] },
  { name: "jobs-runner", folder: "jobs/", roots: ["jobs/runner/worker"] },
  { name: "jobs-server", folder: "jobs/", own: true },
];

/** Chunks that callers load whose programs have no BullMQ. */
const WITHOUT_BULLMQ = ["core", "core-rest", "jobs", "jobs-remote", "jobs-runner", "jobs-file"];

/** Packages that are in the bundles, because a small part of them is used; the others stay dependencies. */
const INLINED = ["valibot", "yaml", "cron-parser", "luxon"];

/** The files of inlined packages that need no module of Node.js, where a package has several. */
const FILES = { yaml: "node_modules/yaml/browser/dist/index.js" };

const OPTIONS = {
  bundle: true,
  platform: "node",
  target: "node24",
  format: "esm",
  legalComments: "none",
  logLevel: "warning",
  metafile: true,
  sourcemap: true,
  write: true,
};

/**
 * Writes the bundles of the sources at `root` into `dist`.
 *
 * @returns the packages that are in the bundles, as paths of their modules
 */
export async function bundlePackage(root, dist) {
  const graph = await readGraph(root);
  const outputs = new Map();
  const run = async (options) => {
    const result = await build({ ...OPTIONS, absWorkingDir: root, ...options });
    for (const [file, output] of Object.entries(result.metafile.outputs))
      if (!file.endsWith(".map")) outputs.set(relative(dist, resolve(root, file)), output);
  };
  const own = new Set(CHUNKS.flatMap(({ name, own }) => (own === true ? [name] : [])));
  for (const name of new Set(CHUNKS.map((chunk) => chunk.name)))
    await buildChunk(
      name,
      graph,
      (options) => run({ ...options, sourcemap: !own.has(name) }),
      dist,
    );
  for (const name of [...SUBPATHS, ...PROGRAMS]) {
    const own = (module) => module === `src/${name}.ts`;
    await run({
      entryPoints: [`src/${name}.ts`],
      outfile: join(dist, `${name}.js`),
      plugins: [builtins(graph, own), linkTo(graph, own, toChunks(name))],
    });
  }
  const isCommand = (module) => module.startsWith("src/cli/");
  await run({
    entryPoints: { main: `src/${COMMAND}.ts` },
    outdir: join(dist, "cli"),
    splitting: true,
    sourcemap: false,
    chunkNames: "[name]-[hash]",
    plugins: [builtins(graph, isCommand), linkTo(graph, isCommand, "../chunks", true)],
  });
  // Only an old Node.js reads it, which could not parse the chunk that has the table.
  await run({
    entryPoints: ["src/base/error-codes.ts"],
    outfile: join(dist, TOO_OLD),
    target: "node12",
    sourcemap: false,
  });
  checkOnce(outputs, graph);
  return [...outputs.values()]
    .flatMap(({ inputs }) => Object.keys(inputs))
    .filter((input) => input.includes("node_modules/"));
}

const TOO_OLD = "cli/error-codes.js";

async function buildChunk(name, graph, run, dist) {
  const modules = [...graph.chunkOf]
    .filter(([, chunk]) => chunk === name)
    .map(([module]) => module);
  if (modules.length === 0) throw new Error(`The chunk ${name} has no module.`);
  const wanted = new Set(modules.flatMap((module) => graph.exportsOf.get(module)));
  const outfile = join(dist, "chunks", `${name}.js`);
  const contents = modules
    .map((module) => `export * from ${JSON.stringify(`./${module}`)};`)
    .join("\n");
  await run({
    stdin: { contents, resolveDir: graph.root, sourcefile: `${name}.chunk.ts`, loader: "ts" },
    outfile,
    plugins: [
      builtins(graph, (module) => modules.includes(module)),
      linkTo(graph, (module) => modules.includes(module), "."),
    ],
  });
  // An ambiguous name is not exported at all, though the metafile of esbuild lists it.
  const found = exportsIn(readFileSync(outfile, "utf8"));
  const lost = [...wanted].filter((each) => !found.has(each));
  if (lost.length > 0)
    throw new Error(`Two modules of the chunk ${name} export ${lost.join(", ")}: rename one.`);
}

/** The names that a bundle exports. */
function exportsIn(text) {
  const lists = [...text.matchAll(/^export \{([^}]*)\}/gm)].map(([, list]) => list.split(","));
  return new Set(lists.flat().map((each) => each.trim().split(" as ").at(-1)));
}

/** The way from a file to the chunks. */
function toChunks(name) {
  const path = relative(dirname(name), "chunks");
  return path.startsWith(".") ? path : `./${path}`;
}

const NAMED_BUILTINS = /^import \{([^}]*)\} from "(node:[^"]+)";$/gm;

/** Modules that take milliseconds to load; their functions load them at the first call. */
const LATE = [
  "node:child_process",
  "node:crypto",
  "node:module",
  "node:net",
  "node:readline",
  "node:tls",
  "node:tty",
  "node:v8",
];

/**
 * Gets the modules of Node.js by `process.getBuiltinModule`. An import of `node:fs` or `node:crypto` by an ES module
 * would evaluate every getter of it, which loads undici, web streams and web crypto: most of the time of an import.
 */
function builtins({ builtinsOf }, isOwn) {
  return {
    name: "builtins",
    setup: (builder) => {
      builder.onResolve({ filter: /^node:/ }, ({ path, kind }) =>
        kind === "import-statement"
          ? { path, namespace: "builtin", sideEffects: false }
          : { path, external: true },
      );
      builder.onLoad({ filter: /.*/, namespace: "builtin" }, ({ path }) => {
        const names = new Set();
        for (const [module, found] of builtinsOf)
          if (isOwn(module)) for (const name of found.get(path) ?? []) names.add(name);
        const get = `process.getBuiltinModule(${JSON.stringify(path)})`;
        const late = [...names].filter((name) => LATE.includes(path) && /^[a-z]/.test(name));
        const early = [...names].filter((name) => !late.includes(name));
        const contents = [
          ...late.map((name) => `export const ${name} = (...args) => ${get}.${name}(...args);`),
          ...(early.length === 0 ? [] : [`export const { ${early.join(", ")} } = ${get};`]),
        ];
        return { contents: contents.join("\n"), loader: "js" };
      });
    },
  };
}

/** The names that a module imports of each module of Node.js. */
function namesOfBuiltins(root, module) {
  const found = new Map();
  const text = readFileSync(join(root, module), "utf8");
  for (const [, list, builtin] of text.matchAll(NAMED_BUILTINS)) {
    const names = list
      .split(",")
      .map((each) => each.trim())
      .filter((each) => each !== "" && !each.startsWith("type "))
      .map((each) => each.split(" as ")[0]);
    found.set(builtin, names);
  }
  return found;
}

/** Imports of modules that are not the bundle's own lead to their chunks. */
function linkTo(graph, isOwn, chunks, isCommand = false) {
  return {
    name: "chunks",
    setup: (builder) => {
      builder.onResolve({ filter: /^\.\.?\// }, ({ path, resolveDir, importer, kind }) => {
        const module = relative(graph.root, resolve(resolveDir, path));
        if (!module.startsWith("src/") || isOwn(module)) return undefined;
        if (
          isCommand &&
          importer.endsWith("cli/main.ts") &&
          kind === "dynamic-import" &&
          module === "src/base/error-codes.ts"
        )
          return { path: "./error-codes.js", external: true };
        const chunk = graph.chunkOf.get(module);
        if (chunk === undefined)
          throw new Error(`${importer} imports ${module}, which no chunk has.`);
        const file = chunks === "." ? `./${chunk}.js` : `${chunks}/${chunk}.js`;
        return kind === "dynamic-import"
          ? { path: file, external: true }
          : { path: module, namespace: "chunk", pluginData: file, sideEffects: false };
      });
      // The names of that module alone: `export *` would pass on those of the whole chunk.
      builder.onLoad({ filter: /.*/, namespace: "chunk" }, ({ path, pluginData: file }) => ({
        contents: `export { ${graph.exportsOf.get(path).join(", ")} } from ${JSON.stringify(file)};`,
        loader: "js",
      }));
      builder.onResolve({ filter: /.*/, namespace: "chunk" }, ({ path }) => ({
        path,
        external: true,
        sideEffects: false,
      }));
      builder.onResolve({ filter: /^[^./]/ }, ({ path }) =>
        path in FILES
          ? { path: join(graph.root, FILES[path]) }
          : INLINED.includes(path)
            ? undefined
            : { path, external: true },
      );
    },
  };
}

/** The modules that the entries lead to: their imports, exports and chunks. */
async function readGraph(root) {
  const names = [...SUBPATHS, ...PROGRAMS, COMMAND];
  const common = {
    absWorkingDir: root,
    format: "esm",
    outdir: "unused",
    write: false,
    metafile: true,
    logLevel: "warning",
  };
  const { metafile } = await build({
    ...common,
    bundle: true,
    splitting: true,
    platform: "node",
    packages: "external",
    entryPoints: names.map((name) => `src/${name}.ts`),
  });
  const modules = Object.keys(metafile.inputs).filter((input) => input.startsWith("src/"));
  const single = await build({ ...common, entryPoints: modules });
  const exportsOf = new Map(
    Object.values(single.metafile.outputs).map((output) => [output.entryPoint, output.exports]),
  );
  const importsOf = (module) => metafile.inputs[module]?.imports ?? [];
  const entries = new Set(names.map((name) => `src/${name}.ts`));
  const chunkOf = new Map();
  const closures = CHUNKS.map(({ roots }) => roots && closureOf(roots, importsOf));
  for (const module of modules) {
    if (entries.has(module) || module.startsWith("src/cli/")) continue;
    const chunk = CHUNKS.find(
      ({ folder }, index) =>
        module.startsWith(`src/${folder}`) && closures[index]?.has(module) !== false,
    );
    if (chunk === undefined) throw new Error(`No chunk takes ${module}.`);
    chunkOf.set(module, chunk.name);
  }
  const builtinsOf = new Map(modules.map((module) => [module, namesOfBuiltins(root, module)]));
  const graph = { root, builtinsOf, chunkOf, exportsOf, importsOf };
  checkCycles(graph);
  checkBullmq(graph);
  return graph;
}

/** The modules that are loaded together with the roots. */
function closureOf(roots, importsOf) {
  const found = new Set();
  const visit = (module) => {
    if (found.has(module)) return;
    found.add(module);
    for (const { path, external, kind } of importsOf(module))
      if (external !== true && kind !== "dynamic-import") visit(path);
  };
  for (const root of roots) visit(`src/${root}.ts`);
  return found;
}

/** Chunks that import each other would run in an order that no source shows. */
function checkCycles({ chunkOf, importsOf }) {
  const needs = new Map();
  for (const [module, chunk] of chunkOf) {
    const others = importsOf(module)
      .filter(({ kind }) => kind !== "dynamic-import")
      .flatMap(({ path }) => chunkOf.get(path) ?? []);
    const known = needs.get(chunk) ?? new Map();
    needs.set(chunk, known);
    for (const other of others) if (other !== chunk) known.set(other, module);
  }
  const visit = (chunk, path) => {
    if (path.includes(chunk))
      throw new Error(`Chunks import each other: ${[...path, chunk].join(" → ")}.`);
    for (const [other] of needs.get(chunk) ?? []) visit(other, [...path, chunk]);
  };
  for (const chunk of needs.keys()) visit(chunk, []);
}

function checkBullmq({ chunkOf, importsOf }) {
  for (const [module, chunk] of chunkOf)
    if (
      WITHOUT_BULLMQ.includes(chunk) &&
      importsOf(module).some(({ path, kind }) => path === "bullmq" && kind !== "dynamic-import")
    )
      throw new Error(`${module} imports bullmq, but the chunk ${chunk} has to do without.`);
}

/** Each module is in exactly one file. */
function checkOnce(outputs, { chunkOf }) {
  const homes = new Map();
  for (const [file, { inputs }] of outputs)
    for (const [input, { bytesInOutput }] of Object.entries(inputs))
      if (input.startsWith("src/") && bytesInOutput > 0 && file !== TOO_OLD)
        homes.set(input, [...(homes.get(input) ?? []), file]);
  for (const [module, files] of homes)
    if (files.length > 1) throw new Error(`${module} is in ${files.join(" and ")}.`);
  for (const module of chunkOf.keys())
    if (!outputs.has(`chunks/${chunkOf.get(module)}.js`))
      throw new Error(`${module} is in no file.`);
}
