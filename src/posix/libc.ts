import { createRequire } from "node:module";
import { constants } from "node:os";

import type koffi from "koffi";

import { newelError, type NewelError } from "../base/errors.ts";

/**
 * The only module that uses the FFI library. Every other file of this folder declares C functions here and
 * gets them with a typed signature; errno becomes a coded error. The library is native code of a megabyte, so
 * it is loaded at the first call, not when a program imports newel.
 */

/** The argument of a C function: a number, a string, memory, or a list of strings ending in `null`. */
type Argument = number | bigint | string | null | Buffer | readonly (string | null)[];

/** A C function that returns an int: a negative result means failure, with the reason in errno. */
export interface LibcFunction {
  /** Calls the function and returns its result, including errors. */
  (...args: Argument[]): number;
  /** Calls the function on a thread of the pool; resolves to its result and errno. */
  blocking(...args: Argument[]): Promise<{ readonly result: number; readonly errno: number }>;
}

interface RawFunction {
  (...args: Argument[]): number | bigint;
  async(...args: [...Argument[], (error: Error | null, result: number | bigint) => void]): void;
}

type Koffi = typeof koffi;

let loaded:
  | {
      readonly koffi: Koffi;
      readonly library: ReturnType<Koffi["load"]>;
      readonly readErrno: () => number;
    }
  | undefined;

/** errno of the last direct call that failed. */
let failure = 0;

/** Loads the FFI library and the C library of this process, once. */
function native(): NonNullable<typeof loaded> {
  if (loaded !== undefined) return loaded;
  if (process.platform !== "linux") {
    throw newelError("NEWEL_E_PLATFORM", {
      what: "This part of newel",
      platform: process.platform,
    });
  }
  const library = createRequire(import.meta.url)("koffi") as Koffi;
  const readErrno: () => number = library.errno;
  // V8 compiles this function at its first call, and shall not do so between a failure and its errno.
  readErrno();
  loaded = { koffi: library, library: library.load(null), readErrno };
  return loaded;
}

/**
 * Declares a C function by its prototype.
 *
 * @throws NEWEL_E_PLATFORM on any other system than Linux, at the first call
 */
export function libc(prototype: string): LibcFunction {
  let raw: RawFunction | undefined;
  const load = (): RawFunction => {
    raw ??= native().library.func(prototype) as unknown as RawFunction;
    return raw;
  };
  const direct = (...args: Argument[]): number => {
    const call = load();
    const { readErrno } = native();
    const result = call(...args);
    // errno belongs to the thread, not to the call: a collection, a compilation or any other system call of
    // Node.js may change it, so it is read before anything else runs.
    if (result < 0) failure = readErrno();
    return Number(result);
  };
  const blocking: LibcFunction["blocking"] = (...args) =>
    new Promise((resolve, reject) => {
      const call = load();
      const { readErrno } = native();
      call.async(...args, (error, result) => {
        // koffi restores the errno of the asynchronous call for the time of the callback.
        const errno = readErrno();
        if (error === null) resolve({ result: Number(result), errno });
        else reject(error);
      });
    });
  return Object.assign(direct, { blocking });
}

/** The address of memory, for a C structure that points at it; the caller must keep the buffer as long. */
export function addressOf(memory: Buffer): bigint {
  return native().koffi.address(memory);
}

/** errno of the last direct call that failed. */
export function lastErrno(): number {
  return failure;
}

/** The first name of a number is used: EAGAIN, not EWOULDBLOCK. */
const NAMES = new Map(
  Object.entries(constants.errno)
    .map(([name, number]): [number, string] => [number, name])
    .reverse(),
);

/** The name of an errno, such as `EADDRINUSE`. */
export function errnoName(errno: number): string {
  return NAMES.get(errno) ?? `errno ${errno}`;
}

/** The meaning of an errno name: `ENOSPC` is "no space left on the device". */
export function explainErrno(name: string): string {
  return EXPLAINED[name] ?? "see errno(3)";
}

/** The coded error of a system call; its `data.errno` has the name. */
export function syscallError(call: string, errno: number, about = ""): NewelError {
  const name = errnoName(errno);
  return newelError("NEWEL_E_SYSCALL", {
    call,
    errno: name,
    why: explainErrno(name),
    about: about === "" ? "" : ` for ${about}`,
  });
}

/** Whether an error is the coded error of a system call with this errno name. */
export function isErrno(error: unknown, name: string): boolean {
  return (
    error instanceof Error && "data" in error && (error as NewelError).data?.["errno"] === name
  );
}

/** Returns the result of a direct call; throws when it is negative. */
export function checked(result: number, call: string, about?: string): number {
  if (result < 0) throw syscallError(call, lastErrno(), about);
  return result;
}

const EXPLAINED: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EADDRINUSE: "the address is in use",
  EADDRNOTAVAIL: "this machine does not have the address",
  EAGAIN: "nothing there now",
  EBUSY: "in use",
  EDQUOT: "the disk quota of this user is used up",
  EEXIST: "it exists already",
  EFBIG: "the file would become larger than the limit of this process",
  EINVAL: "an argument is not valid",
  EIO: "the disk reports an error",
  EMFILE: "too many open files",
  ENODEV: "no such device",
  ENOENT: "no such file or directory",
  ENOMEM: "out of memory",
  ENOSPC: "no space left on the device",
  ENOTDIR: "not a directory",
  EPERM: "not permitted",
  EPROTONOSUPPORT: "the protocol is not supported",
  EROFS: "the file system is read-only",
  ESRCH: "no such process",
};
