import { existsSync, globSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

import type { Build, OwnBuild } from "./build.ts";
import { parseBuildName } from "./build.ts";

/** The manifest of a copy, below its directory: the last file of a copy that is read when it is checked. */
const MANIFEST = "dist/build.json";

/** The files of a copy that still have to be written: the path below the copy, and the content. */
type Files = ReadonlyMap<string, Buffer>;

/**
 * The build that is in `directory`, if all its files are there with their sizes.
 *
 * @returns `undefined` when there is none or part of it is missing, as after a power cut
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
    // Cut off in the middle: the copy is not whole.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/**
 * Copies a build to `directory`, as a whole: the files are written to another directory and synced, then
 * that gets its name. A damaged copy of the name is replaced; a whole one that came about at the same time
 * is left.
 */
export async function writeCopy(build: OwnBuild, source: string, directory: string): Promise<void> {
  const temporary = join(dirname(directory), `.${build.name}.${process.pid}.new`);
  await rm(temporary, { recursive: true, force: true });
  try {
    const files = filesOf(build, source);
    for (const folder of new Set([...files.keys()].map((file) => dirname(join(temporary, file)))))
      mkdirSync(folder, { recursive: true, mode: 0o700 });
    const all = [...files].map(([file, content]) => writeDurably(join(temporary, file), content));
    await Promise.all(all);
    if (readCopy(directory, build.name) !== undefined) return;
    await rm(directory, { recursive: true, force: true });
    await rename(temporary, directory);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function writeDurably(path: string, content: Buffer): Promise<void> {
  const handle = await open(path, "wx", 0o600);
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

/**
 * koffi's native build for this machine, where the bundled koffi finds it: the package of the platform, or
 * what was compiled at installation. Of the builds for glibc and musl only the one in use is copied.
 */
function* nativeFiles(source: string): Generator<readonly [string, Buffer]> {
  const koffi = packageDirectory(createRequire(join(source, "package.json")).resolve("koffi"));
  const name = `@koromix/koffi-${process.platform}-${process.arch}`;
  const platform = findPackage(koffi, name);
  const [from, to] =
    platform === undefined ? [join(koffi, "build"), "build"] : [platform, `node_modules/${name}`];
  const files = globSync("**/*.{js,cjs,json,node}", { cwd: from });
  const foreign = isMusl() ? /linux_/ : /musl_/;
  const used = files.filter((file) => !foreign.test(file));
  const chosen = used.some((file) => file.endsWith(".node")) ? used : files;
  for (const file of chosen) yield [join(to, file), readFileSync(join(from, file))];
}

/** The directory of the package that a module belongs to. */
function packageDirectory(module: string): string {
  for (let directory = dirname(module); directory !== "/"; directory = dirname(directory))
    if (existsSync(join(directory, "package.json"))) return directory;
  return dirname(module);
}

/** Looked for as Node.js does: next to the package that needs it, or in any directory above. */
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
