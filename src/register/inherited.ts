import { fstatSync, readFileSync } from "node:fs";
import { resolve } from "node:path";

import { systemCode } from "../base/errors.ts";

import { addressOf, openServerHandle, type ServerHandle } from "./internals.ts";
import { report } from "./report.ts";
import type { Target } from "./settings.ts";

/** A Unix socket path as two spellings can be compared; abstract names (`\0…`) have one only. */
export function comparablePath(path: string): string {
  return path.startsWith("\0") ? path : resolve(path);
}

/**
 * Takes the inherited socket of a target, after checking that the descriptor really is the socket
 * the supervisor speaks of: a number alone could be any file of the app.
 *
 * @returns `undefined`, said on stderr, when it is not
 */
export function takeInherited(target: Target): ServerHandle | undefined {
  const { fd } = target;
  const handle = fd === undefined || !isOurs(fd, target) ? undefined : openServerHandle(fd);
  if (
    handle !== undefined &&
    (target.port === undefined || addressOf(handle)?.port === target.port)
  )
    return handle;
  // A handle of the wrong port is left as it is: closing it would close a descriptor of the app.
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

// Node has no getsockname for Unix sockets; the kernel's table has inode and path of each.
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
 * A handle that listens on nothing: for a second `listen()` on the same port in one process
 * (Fastify binds "localhost" once for each of its addresses), where libuv takes a descriptor once
 * only; and in the place of a socket that a drain has closed.
 *
 * @param address - the handle whose address it answers
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

/** What keeps the event loop alive as a listening socket does. */
function keepAlive(): NodeJS.Timeout {
  return setInterval(() => undefined, 2 ** 30);
}

/**
 * Makes a handle that hears `listen()` but begins only when it is told to.
 *
 * @returns begins to accept; again or after `close()`: no effect
 */
export function holdBack(handle: ServerHandle, onError: (errno: number) => void): () => void {
  const own = { ...methodsOf(handle) };
  let backlog: number | undefined;
  let isOver = false;
  // A socket that does not listen keeps no loop alive, and an app that waits would end.
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
