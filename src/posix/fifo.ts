import { closeSync, constants, openSync } from "node:fs";

import { systemCode } from "../base/errors.ts";
import { checked, lastErrno, libc, syscallError } from "./libc.ts";

const mkfifo = libc("int mkfifo(const char *path, uint32_t mode)");
const fcntl = libc("int fcntl(int fd, int command, long argument)");
const ioctl = libc("int ioctl(int fd, unsigned long request, void *argument)");
const spliceCall = libc(
  "int64_t splice(int fdIn, void *offsetIn, int fdOut, void *offsetOut, size_t length, uint32_t flags)",
);

const F_SETPIPE_SZ = 1031;
const FIONREAD = 0x541b;
const SPLICE_F_NONBLOCK = 2;
const EPERM = 1;

/** Makes a FIFO that only its owner may open. */
export function makeFifo(path: string): void {
  checked(mkfifo(path, 0o600), "mkfifo", path);
}

/** Opens a FIFO for reading without waiting for a writer. */
export function openFifoReader(path: string): number {
  return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
}

/**
 * Opens a FIFO for writing and reading at once: a child with such a descriptor gets neither SIGPIPE nor end
 * of file when the reader dies; it blocks once the pipe is full.
 */
export function openFifoHolder(path: string): number {
  return openSync(path, constants.O_RDWR);
}

/** Whether any process has a FIFO open for reading: unread bytes are lost when the last reader closes it. */
export function hasReader(path: string): boolean {
  try {
    closeSync(openSync(path, constants.O_WRONLY | constants.O_NONBLOCK));
    return true;
  } catch (error) {
    if (["ENXIO", "ENOENT"].includes(systemCode(error) ?? "")) return false;
    throw error;
  }
}

/** Bytes waiting in a pipe. */
export function pipeFill(fd: number): number {
  const count = Buffer.alloc(4);
  checked(ioctl(fd, FIONREAD, count), "ioctl(FIONREAD)");
  return count.readInt32LE();
}

/**
 * Changes how much a pipe holds.
 *
 * @returns the new size in bytes, or `undefined` when the user's pipe quota forbids it
 */
export function resizePipe(fd: number, sizeBytes: number): number | undefined {
  const size = fcntl(fd, F_SETPIPE_SZ, sizeBytes);
  if (size >= 0) return size;
  const errno = lastErrno();
  if (errno === EPERM) return undefined;
  throw syscallError("fcntl(F_SETPIPE_SZ)", errno);
}

/**
 * Moves bytes from a pipe to an offset of a file without copying them through this process, on a thread of
 * the pool, because a disk may be slow.
 *
 * @returns bytes moved; 0 at the end of the pipe; errno when nothing could be moved
 */
export async function spliceToFile(
  pipe: number,
  file: number,
  offset: number,
  lengthBytes: number,
): Promise<{ readonly moved: number; readonly errno: number }> {
  const position = Buffer.alloc(8);
  position.writeBigInt64LE(BigInt(offset));
  const { result, errno } = await spliceCall.blocking(
    pipe,
    null,
    file,
    position,
    lengthBytes,
    SPLICE_F_NONBLOCK,
  );
  return result >= 0 ? { moved: result, errno: 0 } : { moved: 0, errno };
}
