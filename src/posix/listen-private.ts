import { rmSync, statSync } from "node:fs";
import type { Server } from "node:net";

import { isUnixSocketHeld } from "./sockets.ts";

/** A TCP address, or the path of a Unix socket. */
export type ListenAddress =
  | { readonly host: string; readonly port: number }
  | { readonly path: string };

/** `127.0.0.1:9464`, `[::1]:9464`, `/run/shop/metrics.sock` */
export function describeAddress(address: ListenAddress): string {
  if ("path" in address) return address.path;
  const { host, port } = address;
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Listens; a Unix socket gets mode 0600 at its creation, and takes the place of one that no program serves. */
export function listenPrivate(server: Server, address: ListenAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    const done = (): void => {
      server.off("error", reject);
      resolve();
    };
    if (!("path" in address)) return void server.listen(address.port, address.host, done);
    removeUnused(address.path);
    const umask = process.umask(0o177);
    try {
      // listen() binds the socket before it returns, so this umask applies.
      server.listen(address.path, done);
    } finally {
      process.umask(umask);
    }
  });
}

/** A program that was killed leaves the file of its socket. */
function removeUnused(path: string): void {
  const isSocket = statSync(path, { throwIfNoEntry: false })?.isSocket() === true;
  if (isSocket && !isUnixSocketHeld(path)) rmSync(path, { force: true });
}
