import childProcess, { ChildProcess } from "node:child_process";
import { fstatSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";

import { systemCode } from "../base/errors.ts";
import { hasPreload } from "../base/node-options.ts";

/** The variables and descriptors for a child of this process. */
interface Inheritance {
  readonly env: Readonly<Record<string, string>>;
  /** Keyed by the child's name for each descriptor, in the order of the descriptors there. */
  readonly descriptors: readonly number[];
}

/** The inheritance of a child with the preload; `first` is the child's number of the first descriptor. */
export type Share = (isClusterWorker: boolean, first: number) => Inheritance | undefined;

interface SpawnOptions {
  readonly envPairs?: readonly string[];
  readonly stdio?: unknown;
}

/**
 * Passes the descriptors of the replica and the supervisor's variables on to children that load the preload.
 * Node.js marks every descriptor above 2 close-on-exec at its start, so the program below `npm start` would
 * not have them. `ChildProcess.prototype.spawn` is the published method that spawn(), fork(), exec() and
 * execFile() have in common; the synchronous functions are replaced one by one.
 */
export function passToChildren(share: Share): void {
  const { prototype } = ChildProcess as unknown as {
    prototype: { spawn(this: ChildProcess, options: SpawnOptions): unknown };
  };
  const original: (options: SpawnOptions) => unknown = Reflect.get(prototype, "spawn");
  prototype.spawn = function spawn(options) {
    const stdio = toList(options.stdio);
    const extended = extend(options, stdio, share);
    if (extended === undefined) return Reflect.apply(original, this, [options]);
    const result = Reflect.apply(original, this, [extended]);
    // The app should see only the streams that it asked for.
    const own = this.stdio as unknown[] | undefined;
    if (own !== undefined) own.length = Math.min(own.length, stdio.length);
    return result;
  };
  for (const name of ["spawnSync", "execFileSync", "execSync"] as const)
    replaceSynchronous(name, share);
  syncBuiltinESMExports();
}

function extend(
  options: SpawnOptions,
  stdio: readonly unknown[],
  share: Share,
): SpawnOptions | undefined {
  const { envPairs } = options;
  const node = envPairs?.find((pair) => pair.startsWith("NODE_OPTIONS="));
  if (envPairs === undefined || node === undefined || !hasPreload(node.slice(13))) return undefined;
  const isWorker = envPairs.some((pair) => pair.startsWith("NODE_UNIQUE_ID="));
  const given = share(isWorker, stdio.length);
  if (given === undefined) return undefined;
  const names = Object.keys(given.env);
  const kept = envPairs.filter((pair) => !names.includes(pair.slice(0, pair.indexOf("="))));
  return {
    ...options,
    envPairs: [...kept, ...Object.entries(given.env).map(([name, value]) => `${name}=${value}`)],
    stdio: [...stdio, ...given.descriptors],
  };
}

/** The option `stdio` as Node.js reads it, with at least three entries. */
function toList(stdio: unknown): unknown[] {
  const list: unknown[] = Array.isArray(stdio) ? [...(stdio as unknown[])] : Array(3).fill(stdio);
  while (list.length < 3) list.push(undefined);
  return list;
}

type Synchronous = (...args: unknown[]) => unknown;

// Only where the child has this process's output, as with launchers of a binary: a child whose output is read
// here ends soon and serves no clients.
function replaceSynchronous(name: "spawnSync" | "execFileSync" | "execSync", share: Share): void {
  const original = childProcess[name] as Synchronous;
  const replacement: Synchronous = (...args) => {
    const index = args.findLastIndex((arg) => typeof arg === "object" && !Array.isArray(arg));
    const options = args[index] as
      | { readonly stdio?: unknown; readonly env?: NodeJS.ProcessEnv }
      | undefined;
    const stdio = toList(options?.stdio);
    if (stdio[1] !== "inherit" && stdio[1] !== 1) return original(...args);
    const env = options?.env ?? process.env;
    const given = hasPreload(env["NODE_OPTIONS"] ?? "") ? share(false, stdio.length) : undefined;
    if (given === undefined) return original(...args);
    const extended = {
      ...options,
      env: { ...env, ...given.env },
      stdio: [...stdio, ...given.descriptors],
    };
    return original(...args.with(index, extended));
  };
  Reflect.set(childProcess, name, replacement);
}

/** Identifies the file behind a descriptor, to detect that its number belongs to another file now. */
export function identityOf(fd: number): string | undefined {
  try {
    const { dev, ino } = fstatSync(fd, { bigint: true });
    return `${dev}:${ino}`;
  } catch (error) {
    if (systemCode(error) === "EBADF") return undefined;
    throw error;
  }
}
