import { closeSync, writeSync } from "node:fs";

import { checked, errnoName, lastErrno, libc } from "./libc.ts";

const fcntl = libc("int fcntl(int fd, int command, long argument)");

const syscall3 = libc(
  "long syscall(long number, unsigned int first, unsigned int last, unsigned int flags)",
);

const memfdCreate = libc("int memfd_create(const char *name, unsigned int flags)");
const MFD_CLOEXEC = 1;
const fallocate = libc("int fallocate(int fd, int mode, int64_t offset, int64_t length)");
const FALLOC_FL_KEEP_SIZE = 1;

/** The same number on every architecture (Linux 5.11). */
const SYS_CLOSE_RANGE = 436;
const CLOSE_RANGE_CLOEXEC = 4;
const F_GETFD = 1;
const F_SETFD = 2;
const F_DUPFD_CLOEXEC = 1030;
const FD_CLOEXEC = 1;

/** A copy of a descriptor, numbered `atLeast` or higher, closed on exec. */
export function duplicate(fd: number, atLeast = 3): number {
  return checked(fcntl(fd, F_DUPFD_CLOEXEC, atLeast), "fcntl(F_DUPFD_CLOEXEC)");
}

/** Sets whether a descriptor is closed when this process executes another program. */
export function setCloseOnExec(fd: number, close: boolean): void {
  const flags = checked(fcntl(fd, F_GETFD, 0), "fcntl(F_GETFD)");
  checked(fcntl(fd, F_SETFD, close ? flags | FD_CLOEXEC : flags & ~FD_CLOEXEC), "fcntl(F_SETFD)");
}

/**
 * Sets all descriptors but 0, 1 and 2 to be closed on exec. Node does so for its own descriptors, but a shell
 * or a service manager may have left others open in this process.
 */
export function closeAllOnExec(): void {
  checked(syscall3(SYS_CLOSE_RANGE, 3, 0xffff_ffff, CLOSE_RANGE_CLOEXEC), "close_range");
}

/**
 * Makes a file in memory with this content, which no full disk can prevent; it is freed with its last
 * descriptor.
 */
export function memoryFile(name: string, content: string): number {
  const fd = checked(memfdCreate(name, MFD_CLOEXEC), "memfd_create", name);
  try {
    const bytes = Buffer.from(content);
    for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at, bytes.length - at, at);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/**
 * Reserves blocks on the disk between two offsets of a file, whose size stays: writes there cannot fail for
 * lack of space. Begin at the end of the last reservation: on failure, a full tmpfs frees all unused blocks
 * of the range.
 *
 * @returns the errno name when that is not possible
 */
export function preallocate(fd: number, from: number, to: number): string | undefined {
  if (fallocate(fd, FALLOC_FL_KEEP_SIZE, from, to - from) === 0) return undefined;
  return errnoName(lastErrno());
}
