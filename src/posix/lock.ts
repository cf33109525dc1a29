import { closeSync, constants, openSync } from "node:fs";

import { errnoName, lastErrno, libc, syscallError } from "./libc.ts";

const flock = libc("int flock(int fd, int operation)");

const LOCK_EX_NB = 2 | 4;

/** A lock on a file, held until it is released or its process ends, even by a crash. */
export interface FileLock {
  readonly fd: number;
  release(): void;
}

/**
 * Locks a file (made when missing) for this process alone.
 *
 * @returns `undefined` when another process holds it
 */
export function lockFile(path: string): FileLock | undefined {
  const fd = openLockFile(path);
  try {
    if (tryLock(fd, path)) return { fd, release: () => closeSync(fd) };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  closeSync(fd);
  return undefined;
}

/** Opens a file for repeated attempts to lock it; made when missing. */
export function openLockFile(path: string): number {
  return openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
}

/**
 * Locks an open file, until it is closed.
 *
 * @returns whether no other process holds it
 */
export function tryLock(fd: number, path: string): boolean {
  if (flock(fd, LOCK_EX_NB) === 0) return true;
  const errno = lastErrno();
  if (errnoName(errno) === "EAGAIN") return false;
  throw syscallError("flock", errno, path);
}
