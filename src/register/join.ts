import { familyOf } from "../base/listening.ts";

import { addressOf, type ServerHandle } from "./internals.ts";

/**
 * Joins several sockets in one handle, so that one server accepts from each: `localhost` is a socket of IPv4
 * and one of IPv6. Node.js sets properties on a handle, then listens; both reach each socket. The address is
 * that of the first.
 */
export function joinHandles(handles: readonly ServerHandle[]): ServerHandle {
  const [first] = handles;
  if (first === undefined) throw new RangeError("no handle to join");
  if (handles.length === 1) return first;
  const joined: ServerHandle = {
    listen: (backlog) => {
      // Node.js finds the server of a connection by a symbol property of the handle.
      for (const handle of handles)
        for (const key of Object.getOwnPropertySymbols(joined))
          Reflect.set(handle, key, Reflect.get(joined, key));
      for (const handle of handles) {
        const errno = handle.listen(backlog);
        if (errno !== 0) return errno;
      }
      return 0;
    },
    close: () => {
      for (const handle of handles) handle.close();
    },
    ref: () => {
      for (const handle of handles) handle.ref();
    },
    unref: () => {
      for (const handle of handles) handle.unref();
    },
    getsockname: (out) => first.getsockname?.(out) ?? -1,
  };
  // A primary of node:cluster sets the property again once the server listens.
  Object.defineProperty(joined, "onconnection", {
    get: () => Reflect.get(first, "onconnection"),
    set: (listener: unknown) => {
      for (const handle of handles) Reflect.set(handle, "onconnection", listener);
    },
  });
  return joined;
}

/**
 * A handle in the place of the server's socket while the supervisor is asked for its address: the server is
 * listening for the app, and its `close()` works.
 *
 * @param host - the host that `server.address()` returns, with the port
 */
export function pendingHandle(host: string, port: number): ServerHandle {
  const life = setInterval(() => undefined, 2 ** 30);
  const family = familyOf(host) === "inet" ? "IPv4" : "IPv6";
  return {
    listen: () => 0,
    close: () => clearInterval(life),
    ref: () => void life.ref(),
    unref: () => void life.unref(),
    getsockname: (out) => {
      Object.assign(out, { address: host, family, port });
      return 0;
    },
  };
}

/** The host of a TCP handle. */
export function hostOf(handle: ServerHandle): string | undefined {
  return addressOf(handle)?.address;
}
