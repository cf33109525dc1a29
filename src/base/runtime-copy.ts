import type * as FileSystem from "node:fs/promises";
import { existsSync, globSync, readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

import type { Build, OwnBuild } from "./build.ts";
import { parseBuildName } from "./build.ts";
import { makeDirectory } from "./make-directory.ts";

/** Loaded only when a copy is written, because it would stay in the memory of the supervisor. */
const files = (): typeof FileSystem => process.getBuiltinModule("node:fs/promises");

/** The manifest of a copy, relative to its directory: the check of a copy reads this file last. */
const MANIFEST = "dist/build.json";

/** The files of a copy that still have to be written: the path below the copy, and the content. */
type Files = ReadonlyMap<string, Buffer>;

/**
 * The build in `directory`, if all its files exist with their sizes.
 *
 * @returns `undefined` when there is no build or a part of it is missing, as after a power loss
 */
export function readCopy(directory: string, name: string): Build | undefined {
  const build = parseBuildName(name);
  const sizes = build === undefined ? undefined : readSizes(join(directory, MANIFEST));
  if (sizes === undefined) return undefined;
  const whole = Object.entries(sizes).every(([file, size]) => {
    return statSync(join(directory, file), { throwIfNoEntry: false })?.size === size;
  });
  return whole ? build : undefined;
}

function readSizes(manifest: string): Readonly<Record<string, number>> | undefined {
  if (!existsSync(manifest)) return undefined;
  try {
    const { files } = JSON.parse(readFileSync(manifest, "utf8")) as { readonly files?: unknown };
    if (typeof files !== "object" || files === null) return undefined;
    return files as Readonly<Record<string, number>>;
  } catch (error) {
    // A truncated manifest: the copy is incomplete.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/**
 * Copies a build to `directory` atomically: the files are written to another directory and synced, then that
 * directory is renamed. A damaged copy of the same name is replaced; a complete copy that another process
 * wrote at the same time stays.
 */
export async function writeCopy(build: OwnBuild, source: string, directory: string): Promise<void> {
  const { rename, rm } = files();
  const { threadId } = process.getBuiltinModule("node:worker_threads");
  const own = `.${build.name}.${process.pid}-${threadId}.new`;
  const temporary = join(dirname(directory), own);
  await rm(temporary, { recursive: true, force: true });
  try {
    const contents = filesOf(build, source);
    for (const folder of new Set(
      [...contents.keys()].map((file) => dirname(join(temporary, file))),
    ))
      makeDirectory(folder, 0o700);
    const all = [...contents].map(([file, content]) =>
      writeDurably(join(temporary, file), content),
    );
    await Promise.all(all);
    if (readCopy(directory, build.name) !== undefined) return;
    await rm(directory, { recursive: true, force: true });
    await rename(temporary, directory);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function writeDurably(path: string, content: Buffer): Promise<void> {
  const handle = await files().open(path, "wx", 0o600);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function filesOf({ files, name, version }: OwnBuild, source: string): Files {
  const all = new Map<string, Buffer>();
  for (const file of Object.keys(files)) all.set(`dist/${file}`, readFileSync(join(source, file)));
  for (const [file, content] of nativeFiles(source)) all.set(file, content);
  all.set("package.json", toJson({ name: "newel", version, type: "module" }));
  const sizes = Object.fromEntries([...all].map(([file, content]) => [file, content.length]));
  all.set(MANIFEST, toJson({ hash: name.slice(version.length + 1), files: sizes }));
  return all;
}

function toJson(value: object): Buffer {
  return Buffer.from(`${JSON.stringify(value)}\n`);
}

/** The files of koffi that a process loads; the package also has its sources, for a build at installation. */
const KOFFI_FILES = ["package.json", "index.cjs", "src/**/*.cjs", "build/**/*.node"];

/**
 * koffi with its native build for this machine, which the installation has and the bundle has not. Of the
 * builds for glibc and musl only the one in use is copied.
 */
function* nativeFiles(source: string): Generator<readonly [string, Buffer]> {
  const koffi = packageDirectory(createRequire(join(source, "package.json")).resolve("koffi"));
  yield* filesIn(koffi, KOFFI_FILES, "node_modules/koffi");
  const name = `@koromix/koffi-${process.platform}-${process.arch}`;
  const platform = findPackage(koffi, name);
  if (platform === undefined) return;
  const builds = globSync("**/*.node", { cwd: platform });
  const used = builds.filter((file) => file.startsWith(isMusl() ? "musl_" : "linux_"));
  const chosen = used.length > 0 ? used : builds;
  yield* filesIn(platform, ["package.json", "*.js", ...chosen], `node_modules/${name}`);
}

function* filesIn(
  directory: string,
  patterns: readonly string[],
  to: string,
): Generator<readonly [string, Buffer]> {
  for (const file of globSync([...patterns], { cwd: directory }))
    yield [join(to, file), readFileSync(join(directory, file))];
}

/** The directory of the package that a module belongs to. */
function packageDirectory(module: string): string {
  for (let directory = dirname(module); directory !== "/"; directory = dirname(directory))
    if (existsSync(join(directory, "package.json"))) return directory;
  return dirname(module);
}

/** Searches as Node.js does: next to the package that needs it, or in any directory above. */
function findPackage(from: string, name: string): string | undefined {
  for (let directory = from; ; directory = dirname(directory)) {
    const candidate = join(directory, "node_modules", name);
    if (existsSync(candidate)) return candidate;
    if (directory === dirname(directory)) return undefined;
  }
}

function isMusl(): boolean {
  if (process.platform !== "linux") return false;
  return readFileSync("/proc/self/maps", "latin1").includes("/ld-musl-");
}
