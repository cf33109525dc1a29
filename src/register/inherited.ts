import { fstatSync, readFileSync } from "node:fs";
import { resolve } from "node:path";

import { systemCode } from "../base/errors.ts";

import { addressOf, openServerHandle, type ServerHandle } from "./internals.ts";
import { report } from "./report.ts";
import type { Target } from "./settings.ts";

/**
 * A Unix socket path in a form in which two spellings can be compared; abstract names (`\0…`) have only one.
 */
export function comparablePath(path: string): string {
  return path.startsWith("\0") ? path : resolve(path);
}

/**
 * Opens the inherited socket of a target, after checking that the descriptor really is the socket that the
 * supervisor named: the number alone could belong to any file of the app.
 *
 * @returns `undefined`, after a report on stderr, when it is another file
 */
export function takeInherited(target: Target): ServerHandle | undefined {
  const { fd } = target;
  const handle = fd === undefined || !isOurs(fd, target) ? undefined : openServerHandle(fd);
  if (
    handle !== undefined &&
    (target.port === undefined || addressOf(handle)?.port === target.port)
  )
    return handle;
  // A handle of the wrong port is not closed: closing it would close a descriptor of the app.
  report(
    `descriptor ${fd ?? "(none)"} is not the socket ${target.name} (${target.port ?? target.path}); ` +
      "listen() does without it",
  );
  return undefined;
}

function isOurs(fd: number, target: Target): boolean {
  try {
    const status = fstatSync(fd, { bigint: true });
    return status.isSocket() && (target.path === undefined || isBoundTo(status.ino, target.path));
  } catch (error) {
    if (systemCode(error) === "EBADF") return false;
    throw error;
  }
}

// Node has no getsockname for Unix sockets; Linux lists the inode and path of each in /proc/net/unix.
function isBoundTo(inode: bigint, path: string): boolean {
  if (process.platform !== "linux") return true;
  const wanted = comparablePath(path).replace(/^\0/, "@");
  return readFileSync("/proc/net/unix", "utf8")
    .split("\n")
    .some((line) => {
      const match = /^\S+ \S+ \S+ \S+ \S+ \S+ +(\d+) (.*)$/.exec(line);
      if (match?.[1] !== String(inode) || match[2] === undefined) return false;
      return match[2] === wanted || comparablePath(match[2]) === wanted;
    });
}

/**
 * A handle without a socket: for a second `listen()` on the same port in one process (Fastify binds
 * "localhost" once for each of its addresses), because libuv opens a descriptor only once; and in the place
 * of a socket that a drain has closed.
 *
 * @param address - the handle whose address it reports
 */
export function standIn(address: ServerHandle, isAlive: boolean): ServerHandle {
  const name = {};
  const known = address.getsockname?.(name) === 0;
  const life = isAlive ? keepAlive() : undefined;
  return {
    listen: () => 0,
    close: () => life?.close(),
    ref: () => life?.ref(),
    unref: () => life?.unref(),
    ...(known && {
      getsockname: (out: object) => {
        Object.assign(out, name);
        return 0;
      },
    }),
  };
}

/** A timer that keeps the event loop alive as a listening socket does. */
function keepAlive(): NodeJS.Timeout {
  return setInterval(() => undefined, 2 ** 30);
}

/**
 * Makes a handle on which `listen()` takes effect only when the returned function is called.
 *
 * @returns a function that begins to accept; a repeated call, or one after `close()`, has no effect
 */
export function holdBack(handle: ServerHandle, onError: (errno: number) => void): () => void {
  const own = { ...methodsOf(handle) };
  let backlog: number | undefined;
  let isOver = false;
  // A socket that does not listen keeps no event loop alive, and a waiting app would end.
  const life = keepAlive();
  const release = (): void => {
    isOver = true;
    life.close();
    Object.assign(handle, own);
  };
  handle.listen = (size) => {
    backlog = size;
    return 0;
  };
  handle.close = () => {
    release();
    own.close();
  };
  handle.ref = () => {
    life.ref();
    own.ref();
  };
  handle.unref = () => {
    life.unref();
    own.unref();
  };
  return () => {
    if (isOver) return;
    release();
    const errno = backlog === undefined ? 0 : own.listen(backlog);
    if (errno !== 0) onError(errno);
  };
}

function methodsOf(handle: ServerHandle): Pick<ServerHandle, "listen" | "close" | "ref" | "unref"> {
  return {
    listen: handle.listen.bind(handle),
    close: handle.close.bind(handle),
    ref: handle.ref.bind(handle),
    unref: handle.unref.bind(handle),
  };
}
