import { readFileSync, realpathSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";

import { type Build, compareVersions, type OwnBuild, ownBuild } from "./build.ts";
import { messageOf, newelError, systemCode } from "./errors.ts";
import { type Home, makeHome } from "./home.ts";
import { lockHolder, tryPathLock } from "./file-lock.ts";
import { makeDirectory } from "./make-directory.ts";
import { programPath } from "./modules.ts";
import { isNoexec } from "./mounts.ts";
import { checkOpenFiles } from "./open-files.ts";
import { readLink, type RuntimeLink } from "./runtime-links.ts";
import { readCopy, writeCopy } from "./runtime-copy.ts";
import { sleep } from "./timers.ts";
import { packageVersion } from "./version.ts";

/**
 * The daemons of a home and the preload run from a copy in the home, `runtime/VERSION-HASH/`, never from the
 * installation of the command that started them, because that may be removed while they run (a release
 * directory that is pruned, `npm ci` in place). The link `runtime/current` names the copy from which daemons
 * are started; `runtime/next` the one that an upgrade is about to start. Each process that starts a daemon
 * asks {@link daemonProgram} for its path.
 */

/** A program of the daemons, from the root of the build, without its extension. */
export type DaemonName = "kernel/main" | "supervisor/main";

const POLL_MS = 10;
/** How long another process may take to write a copy, in milliseconds. */
const WAIT_MS = 30_000;

/**
 * The build from which the daemons of a home are started; `undefined` when none was copied yet, or it is
 * damaged.
 */
function currentBuild(home: Home): Build | undefined {
  const name = readLink(home, "current");
  return name === undefined ? undefined : readCopy(join(home.runtimeDirectory, name), name);
}

/**
 * The path from which a daemon's program is started. The last used copy is used again while a daemon of the
 * home runs, and whenever the caller is older. Otherwise the caller's build is copied, unless it exists
 * already.
 *
 * @throws NEWEL_E_RUNTIME_COPY when the copy cannot be written
 * @throws NEWEL_E_RUNTIME_NOEXEC when the home is on a file system without the right to execute
 * @throws NEWEL_E_OPEN_FILES when the daemon would inherit a limit that is too low for it
 */
export async function daemonProgram(home: Home, name: DaemonName): Promise<string> {
  checkOpenFiles();
  const own = ownBuild();
  if (own === undefined) return programPath(name);
  makeHome(home);
  const current = currentBuild(home);
  if (chooseBuild(own, current, () => hasDaemon(home)) === "own") {
    if (own.source === undefined) return programPath(name);
    try {
      await installBuild(home, own, own.source);
    } catch (error) {
      // A file size limit of the caller (RLIMIT_FSIZE) does not mean a full disk: the installation is used in
      // place, and the next start without the limit makes the copy.
      if (!isSizeLimit(error)) throw error;
      return programPath(name);
    }
    activateBuild(home, own, "current");
  }
  return programIn(home, "current", name);
}

/**
 * Decides between the caller's build and the one of the last start.
 *
 * @param hasDaemon - whether a daemon of the home runs: all daemons of a home should have one version, which
 *   only `newel upgrade` changes
 */
export function chooseBuild(
  own: Build,
  current: Build | undefined,
  hasDaemon: () => boolean,
): "own" | "current" {
  if (current === undefined) return "own";
  if (own.name === current.name) return "current";
  if (compareVersions(own.version, current.version) < 0) return "current";
  return hasDaemon() ? "current" : "own";
}

/** The path of a program below one of the links, with the link resolved: it stays valid when the link moves. */
export function programIn(home: Home, link: RuntimeLink, name: DaemonName): string {
  const copy = readLink(home, link) ?? "";
  const path = join(realpathSync(home.runtimeDirectory), copy, "dist", `${name}.js`);
  if (isNoexec(path)) throw newelError("NEWEL_E_RUNTIME_NOEXEC", { path: home.runtimeDirectory });
  return path;
}

/** A build that is ready in a home, but not yet used. */
export interface StagedBuild {
  readonly version: string;
  /** The path from which a program of the build is started. */
  program(name: DaemonName): string;
  /** Makes the build the one from which daemons are started. */
  activate(): void;
  /**
   * Must be called in the end, whether the upgrade succeeded or not: the copy may then be removed unless it
   * is used.
   */
  release(): void;
}

/**
 * Copies the caller's build to a home for an upgrade of its daemons.
 *
 * @param allowDowngrade - copy also when the home runs a newer version
 * @throws NEWEL_E_OLDER_CALLER when the home runs a newer version
 * @throws NEWEL_E_RUNTIME_COPY
 */
export async function stageBuild(home: Home, allowDowngrade: boolean): Promise<StagedBuild> {
  const own = ownBuild();
  if (own?.source === undefined) {
    const nothing = (): void => undefined;
    const version = packageVersion();
    return { version, program: programPath, activate: nothing, release: nothing };
  }
  if (!allowDowngrade) refuseOlderCaller(home, own);
  makeHome(home);
  await installBuild(home, own, own.source);
  activateBuild(home, own, "next");
  return {
    version: own.version,
    program: (name) => programIn(home, "next", name),
    activate: () => activateBuild(home, own, "current"),
    release: () => rmSync(join(home.runtimeDirectory, "next"), { force: true }),
  };
}

/**
 * Refuses a change by a caller that is older than the daemons of a home, because it may not know their
 * formats.
 *
 * @throws NEWEL_E_OLDER_CALLER
 */
export function refuseOlderCaller(home: Home, own: Build | undefined = ownBuild()): void {
  const current = currentBuild(home);
  if (own === undefined || current === undefined) return;
  if (compareVersions(own.version, current.version) >= 0) return;
  const [ours, theirs] = [own.version, current.version];
  throw newelError("NEWEL_E_OLDER_CALLER", { ours, theirs, home: home.directory });
}

/**
 * Ensures that a home has a complete copy of a build. Any number of processes may call this at once: one
 * writes, the others wait for it.
 */
async function installBuild(home: Home, build: OwnBuild, source: string): Promise<void> {
  const directory = join(home.runtimeDirectory, build.name);
  const lock = join(home.runtimeDirectory, `.${build.name}.lock`);
  const until = performance.now() + WAIT_MS;
  try {
    makeDirectory(home.runtimeDirectory, 0o700);
    while (readCopy(directory, build.name) === undefined) {
      const release = tryPathLock(lock);
      if (release !== undefined) {
        try {
          await writeCopy(build, source, directory);
        } finally {
          release();
        }
      } else if (performance.now() > until) {
        const writer = lockHolder(lock) ?? "of another command";
        throw new Error(`process ${writer} has been writing it for ${WAIT_MS / 1000} s`);
      } else await sleep(POLL_MS * (1 + Math.random()));
    }
  } catch (error) {
    throw newelError("NEWEL_E_RUNTIME_COPY", { path: directory, why: messageOf(error) }, error);
  }
}

function isSizeLimit(error: unknown): boolean {
  return error instanceof Error && systemCode(error.cause) === "EFBIG";
}

/** Makes a link name a build, atomically. */
function activateBuild(home: Home, build: Build, link: RuntimeLink): void {
  const path = join(home.runtimeDirectory, link);
  const { threadId } = process.getBuiltinModule("node:worker_threads");
  const temporary = `${path}.${process.pid}-${threadId}`;
  try {
    rmSync(temporary, { force: true });
    symlinkSync(build.name, temporary);
    renameSync(temporary, path);
  } catch (error) {
    throw newelError("NEWEL_E_RUNTIME_COPY", { path, why: messageOf(error) }, error);
  }
}

/** Whether the kernel or the supervisor of a home runs, by the pids in their locks. */
function hasDaemon({ kernelLock, supervisorLock }: Home): boolean {
  return [kernelLock, supervisorLock].some((lock) => {
    const pid = Number(readText(lock) ?? Number.NaN);
    if (!(pid > 0)) return false;
    // After a reboot another program may have the pid.
    return /(kernel|supervisor)\/main\./.test(readText(`/proc/${pid}/cmdline`) ?? "");
  });
}

/** Whether a process has that pid now. */
export function isRunning(pid: number): boolean {
  if (!(pid > 0)) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) === "EPERM";
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (systemCode(error) === "ENOENT" || systemCode(error) === "ESRCH") return undefined;
    throw error;
  }
}
