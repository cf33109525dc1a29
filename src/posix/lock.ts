import { closeSync, constants, openSync } from "node:fs";

import { errnoName, lastErrno, libc, syscallError } from "./libc.ts";

const flock = libc("int flock(int fd, int operation)");

const LOCK_EX_NB = 2 | 4;

/** A lock on a file, held until it is released or its process ends, however it ends. */
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
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  if (flock(fd, LOCK_EX_NB) === 0) return { fd, release: () => closeSync(fd) };
  const errno = lastErrno();
  closeSync(fd);
  if (errnoName(errno) === "EAGAIN") return undefined;
  throw syscallError("flock", errno, path);
}
