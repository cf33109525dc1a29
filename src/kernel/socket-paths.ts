import { type BigIntStats, lstatSync, readlinkSync, realpathSync, unlinkSync } from "node:fs";
import { basename, dirname, isAbsolute, join } from "node:path";

import { counted } from "../base/counted.ts";
import { newelError, type NewelError, systemCode } from "../base/errors.ts";
import { isUnixSocketHeld } from "../posix/sockets.ts";

/**
 * The files of Unix sockets. Binding a socket makes a file that stays when the socket is closed, so a path
 * has to be cleared before it is bound again. Only two kinds of file are ever removed: a socket file that no
 * process holds any more, and the file that the kernel itself made (see {@link SocketFile}).
 */

/**
 * The identity of a socket file. Once the file is removed, another file may get its inode number; only the
 * birth time distinguishes the two.
 */
export interface SocketFile {
  readonly dev: string;
  readonly ino: string;
  /**
   * The birth time in nanoseconds; missing in records of older kernels, `"0"` on file systems without birth
   * times.
   */
  readonly born?: string;
}

const SOCKET_PATH_BYTES = 107;

/**
 * Checks the path of a client's request.
 *
 * @throws NEWEL_E_COMMAND when it is relative, NEWEL_E_HOME_PATH when it is too long for Unix
 */
export function checkSocketPath(path: string | undefined): string {
  if (path === undefined || !isAbsolute(path))
    throw newelError("NEWEL_E_COMMAND", {
      what: `Path must be absolute: ${path ?? "no path given"}`,
    });
  const length = Buffer.byteLength(path);
  if (length > SOCKET_PATH_BYTES) throw newelError("NEWEL_E_HOME_PATH", { path, length });
  return path;
}

/**
 * The canonical spelling of a path, as the system resolves it (`link/..` is the parent of the link's target):
 * links and relative parts of its directory are resolved. The last part stays, because bind(2) does not
 * follow a link there either. A path whose directory cannot be read is returned unchanged: the bind reports
 * the error.
 */
export function canonicalPath(path: string): string {
  try {
    return join(realpathSync.native(dirname(path)), basename(path));
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return join(path);
  }
}

/** The file at a path, if it is a socket. */
export function socketFileAt(path: string): SocketFile | undefined {
  const stats = statsOf(path);
  return stats?.isSocket() === true ? identityOf(stats) : undefined;
}

/**
 * Clears a path for a socket: nothing may exist there, or only a socket file that no process holds.
 *
 * @param own - a file that this kernel made; it is removed even while a process holds its socket
 * @throws NEWEL_E_PATH_IN_USE for any other file, which stays
 */
export function clearPath(path: string, own?: SocketFile): void {
  const stats = statsOf(path);
  if (stats === undefined) return;
  if (!stats.isSocket()) throw pathInUse(path, describeFile(path, stats), MOVE_IT);
  const isOwn = own !== undefined && isSame(identityOf(stats), own);
  if (!isOwn && isUnixSocketHeld(path))
    throw pathInUse(path, "a socket that a running program holds", STOP_IT);
  unlinkSync(path);
}

/** Removes the file of a socket that is about to be closed; a file that replaced it stays. */
export function removeSocketFile(path: string, own: SocketFile | undefined): void {
  const there = socketFileAt(path);
  if (there !== undefined && own !== undefined && isSame(there, own)) unlinkSync(path);
}

/** The error for a path that another socket of this kernel has. */
export function pathOfOther(path: string, name: string): NewelError {
  return pathInUse(path, `the socket ${name} of this kernel`, `Use ${name}, or remove it first.`);
}

const MOVE_IT = "Move it away, or choose another path.";
const STOP_IT = "Find the program with `ss -lxp` and stop it, or choose another path.";

function pathInUse(path: string, what: string, todo: string): NewelError {
  return newelError("NEWEL_E_PATH_IN_USE", { path, what, todo });
}

function describeFile(path: string, stats: BigIntStats): string {
  if (stats.isFile()) return `a regular file of ${counted(Number(stats.size), "byte")}`;
  if (stats.isDirectory()) return "a directory";
  if (stats.isFIFO()) return "a FIFO";
  if (stats.isSymbolicLink()) return `a symbolic link to ${readlinkSync(path)}`;
  return "a device";
}

function statsOf(path: string): BigIntStats | undefined {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false });
}

function identityOf({ dev, ino, birthtimeNs }: BigIntStats): SocketFile {
  return { dev: String(dev), ino: String(ino), born: String(birthtimeNs) };
}

function isSame(one: SocketFile, other: SocketFile): boolean {
  const [first = "0", second = "0"] = [one.born, other.born];
  const isBornThen = first === second || first === "0" || second === "0";
  return one.dev === other.dev && one.ino === other.ino && isBornThen;
}
