import { constants } from "node:os";

import koffi from "koffi";

import { newelError, type NewelError } from "../base/errors.ts";

/**
 * The one place that knows the FFI library. Every other file of this folder declares C functions
 * here and gets them with a typed face; errno becomes a coded error.
 */

/** What a C function of ours takes: numbers, strings, memory, lists of strings ending in `null`. */
type Argument = number | bigint | string | null | Buffer | readonly (string | null)[];

/** A C function that returns an int: negative means it failed and errno tells why. */
export interface LibcFunction {
  /** Calls it and gives what it returned, errors included. */
  (...args: Argument[]): number;
  /** The same on a thread of the pool; resolves with what it returned and errno. */
  blocking(...args: Argument[]): Promise<{ readonly result: number; readonly errno: number }>;
}

interface RawFunction {
  (...args: Argument[]): number | bigint;
  async(...args: [...Argument[], (error: Error | null, result: number | bigint) => void]): void;
}

const library = process.platform === "linux" ? koffi.load(null) : undefined;

/**
 * Declares a C function by its prototype.
 *
 * @throws NEWEL_E_PLATFORM elsewhere than on Linux, at the first call
 */
export function libc(prototype: string): LibcFunction {
  let raw: RawFunction | undefined;
  const load = (): RawFunction => {
    if (library === undefined) {
      throw newelError("NEWEL_E_PLATFORM", {
        what: "This part of newel",
        platform: process.platform,
      });
    }
    raw ??= library.func(prototype) as unknown as RawFunction;
    return raw;
  };
  const direct = (...args: Argument[]): number => Number(load()(...args));
  const blocking: LibcFunction["blocking"] = (...args) =>
    new Promise((resolve, reject) => {
      load().async(...args, (error, result) => {
        // koffi hands each asynchronous call its own errno, to be read in the callback.
        if (error === null) resolve({ result: Number(result), errno: koffi.errno() });
        else reject(error);
      });
    });
  return Object.assign(direct, { blocking });
}

/** Where memory is, for a C structure that points at it; the caller keeps the buffer as long. */
export function addressOf(memory: Buffer): bigint {
  return koffi.address(memory);
}

/** errno of the last direct call. */
export function lastErrno(): number {
  return koffi.errno();
}

/** The first name of a number wins: EAGAIN, not EWOULDBLOCK. */
const NAMES = new Map(
  Object.entries(constants.errno)
    .map(([name, number]): [number, string] => [number, name])
    .reverse(),
);

/** `EADDRINUSE` and the like. */
export function errnoName(errno: number): string {
  return NAMES.get(errno) ?? `errno ${errno}`;
}

/** An errno name in words: `ENOSPC` is "no space left on the device". */
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

/** A direct call's result; a negative one is thrown. */
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
