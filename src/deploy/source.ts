import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdirSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { type Readable, Transform } from "node:stream";
import { promisify } from "node:util";

import { messageOf, newelError, systemCode } from "../base/errors.ts";

const execute = promisify(execFile);

/** Where the files of a release come from. */
export type Source =
  | {
      readonly kind: "git";
      /** The top directory of the repository. */
      readonly top: string;
      readonly ref: string;
      readonly commit: string;
    }
  | { readonly kind: "directory"; readonly directory: string }
  | {
      readonly kind: "stdin";
      readonly stream: Readable;
      /** A description of the stream's origin, and its commit if the sending machine reported one. */
      readonly from?: string;
      readonly commit?: string;
    };

/**
 * Reads what `newel deploy` was given: `-`, a directory, or a ref of the repository of the caller's directory.
 *
 * @param word - default `HEAD`
 * @throws NEWEL_E_DEPLOY_SOURCE
 */
export async function findSource(
  word: string | undefined,
  { cwd, stdin }: { readonly cwd: string; readonly stdin: Readable },
): Promise<Source> {
  if (word === "-") return { kind: "stdin", stream: stdin };
  const path = word === undefined ? undefined : resolve(cwd, word);
  // A ref with the name of a directory can be written as refs/heads/NAME.
  if (path !== undefined && isDirectory(path))
    return { kind: "directory", directory: realpathSync(path) };
  const ref = word ?? "HEAD";
  const top = await git(["rev-parse", "--show-toplevel"], cwd, ref);
  const commit = await git(["rev-parse", "--verify", "--quiet", `${ref}^{commit}`], cwd, ref);
  return { kind: "git", top, ref, commit };
}

/** The source in words. */
export function describeSource(source: Source): string {
  if (source.kind === "git") return `git ${source.ref}`;
  return source.kind === "directory" ? source.directory : (source.from ?? "stdin");
}

/**
 * Writes the files of a source into a new directory below `into`, whose name is that of the source's directory: an
 * app without a configured name has the name of its directory.
 *
 * @param name - the name of that directory, for a stream
 * @returns the directory
 * @throws NEWEL_E_DEPLOY_SOURCE when it cannot be read or written
 */
export async function fetchSource(source: Source, into: string, name: string): Promise<string> {
  const target = join(into, directoryName(source, name));
  mkdirSync(target, { recursive: true });
  const unpack = spawn("tar", ["-x", "-C", target], { stdio: ["pipe", "ignore", "pipe"] });
  const whole = new WholeTar();
  if (source.kind === "stdin") source.stream.pipe(whole).pipe(unpack.stdin);
  const pack = source.kind === "stdin" ? undefined : packing(source, into);
  pack?.stdout?.pipe(unpack.stdin);
  // The process that ends first breaks the pipe of the other: its exit code is the reason.
  unpack.stdin.on("error", () => undefined);
  const failures = await Promise.all([
    pack === undefined ? "" : failureOf(pack),
    failureOf(unpack),
  ]);
  const cut =
    source.kind === "stdin" && !whole.isWhole
      ? "the stream ended before the end of the archive"
      : "";
  const why = [...failures, cut].find((failure) => failure !== "");
  if (why !== undefined)
    throw newelError("NEWEL_E_DEPLOY_SOURCE", { source: describeSource(source), why });
  return target;
}

/** A tar archive ends with two blocks of zeros. Without the check, a lost connection would give a part of a release. */
class WholeTar extends Transform {
  #last = Buffer.alloc(0);

  override _transform(chunk: Buffer, _: string, done: (error: null, chunk: Buffer) => void): void {
    this.#last = Buffer.concat([this.#last, chunk]).subarray(-END_BYTES);
    done(null, chunk);
  }

  get isWhole(): boolean {
    return this.#last.length === END_BYTES && this.#last.every((byte) => byte === 0);
  }
}

/** Two blocks. */
const END_BYTES = 1_024;

function directoryName(source: Source, name: string): string {
  if (source.kind === "git") return basename(source.top);
  return source.kind === "directory" ? basename(source.directory) : name;
}

function packing(source: Exclude<Source, { kind: "stdin" }>, into?: string): ChildProcess {
  const stdio = ["ignore", "pipe", "pipe"] as const;
  if (source.kind === "git")
    return spawn("git", ["archive", "--format=tar", source.commit], {
      cwd: source.top,
      stdio: [...stdio],
    });
  // The releases may lie in the directory that is deployed.
  const own = into === undefined ? ".." : relative(source.directory, dirname(into));
  const without = own.startsWith("..") ? [] : [`--exclude=./${own}`];
  return spawn("tar", ["-c", "--exclude=./.git", ...without, "-C", source.directory, "."], {
    stdio: [...stdio],
  });
}

/** Why a process failed: its last words, or how it ended; empty when it did not fail. */
async function failureOf(child: ChildProcess): Promise<string> {
  let words = "";
  child.stderr
    ?.setEncoding("utf8")
    .on("data", (text: string) => (words = (words + text).slice(-2_000)));
  try {
    await new Promise<void>((ended, failed) => {
      child.once("error", failed);
      child.once("close", () => ended());
    });
  } catch (error) {
    return messageOf(error);
  }
  if (child.exitCode === 0) return "";
  const said = words.trim();
  return said === "" ? `${child.spawnfile} ended with ${child.exitCode ?? child.signalCode}` : said;
}

/** A source as a tar stream. */
export function packSource(source: Source): {
  readonly stream: Readable;
  /** Why it could not be read to its end; empty when it could. */
  readonly failure: () => Promise<string>;
} {
  if (source.kind === "stdin") return { stream: source.stream, failure: async () => "" };
  const pack = packing(source);
  const failed = failureOf(pack);
  if (pack.stdout === null) throw new Error("a process without a pipe");
  return { stream: pack.stdout, failure: () => failed };
}

async function git(args: readonly string[], cwd: string, ref: string): Promise<string> {
  try {
    const { stdout } = await execute("git", [...args], { cwd });
    return stdout.trim();
  } catch (error) {
    const why =
      systemCode(error) === "ENOENT"
        ? "git is not installed"
        : args[0] === "rev-parse" && args.length > 2
          ? `neither a directory nor a commit of the repository of ${cwd}`
          : `${cwd} is in no git repository`;
    throw newelError("NEWEL_E_DEPLOY_SOURCE", { source: ref, why }, error);
  }
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
