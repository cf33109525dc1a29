import { isIP } from "node:net";
import { resolve } from "node:path";

import { closest } from "../../base/names.ts";
import { DEFAULT_BACKLOG } from "../../base/preload.ts";
import { resolveIdentity } from "./identity.ts";
import { quoted } from "./problems.ts";
import { isPort, parseAddress } from "./host-port.ts";
import type { ResolvedSocket } from "./resolved.ts";
import type { CheckedService, CheckedSocket } from "./schema.ts";

/** Whether the kernel can bind it: it resolves no names. */
export function isHost(host: string): boolean {
  return host === "localhost" || (isIP(host) !== 0 && !host.includes("%"));
}

/** Whether a socket gets its host from the app's own listen(). */
export function followsApp({ path, host, port = 0 }: ResolvedSocket): boolean {
  return path === undefined && host === undefined && port > 0;
}

/** A socket of `sockets`, every default filled in but the host; see follow.ts. */
export function resolveSocket(
  name: string,
  socket: CheckedSocket,
  directory: string,
): ResolvedSocket {
  const backlog = socket.backlog ?? DEFAULT_BACKLOG;
  if (socket.path === undefined) {
    const { host, port = 0 } = socket;
    if (host === undefined) return { name, backlog, port };
    return { name, backlog, host: host === "localhost" ? "127.0.0.1" : host, port };
  }
  const path = resolve(directory, socket.path);
  const { uid, gid } = resolveIdentity(socket) ?? {};
  return {
    name,
    backlog,
    path,
    ...(socket.umask === undefined ? {} : { umask: Number.parseInt(socket.umask, 8) }),
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
  };
}

/**
 * The socket that an entry of `listen` means: one of `sockets` by name or by its address, else a
 * separate one.
 *
 * @returns the socket, or the message about the entry
 */
export function findSocket(
  entry: string | number,
  declared: readonly ResolvedSocket[],
): ResolvedSocket | string {
  if (typeof entry === "number") {
    if (!isPort(entry)) return "a port is a whole number from 1 to 65535.";
    return declared.find(({ port }) => port === entry) ?? ownSocket(undefined, entry);
  }
  const named = declared.find(({ name }) => name === entry);
  if (named !== undefined) return named;
  if (entry.startsWith("/")) return declared.find(({ path }) => path === entry) ?? ownPath(entry);
  if (/^\.{1,2}\//.test(entry))
    return "a Unix socket is an absolute path here; one relative to this file is declared in sockets: { web: { path: ... } }.";
  if (/^\d+$/.test(entry)) return "a port is a number without quotes: 3000.";
  if (isHost(entry) && !entry.includes(":"))
    return `an address needs a port. Did you mean "${entry}:3000"?`;
  if (!entry.includes(":")) return unknownSocket(entry, declared);
  if (/^\d+:\d+$/.test(entry))
    return "newel maps no ports as compose does: write the port the program listens on.";
  const address = parseAddress(entry);
  if (address === undefined || !isHost(address.host))
    return 'an address is "HOST:PORT" with an IP address: "127.0.0.1:3000", "[::1]:3000".';
  const own = ownSocket(address.host, address.port);
  return declared.find(({ host, port }) => host === own.host && port === own.port) ?? own;
}

/** Its name has a dot, which no name of `sockets` has. */
function ownSocket(host: string | undefined, port: number): ResolvedSocket {
  const name = (socket: ResolvedSocket): string =>
    host === undefined ? `port.${port}` : `port.${socket.host?.replaceAll(":", "_")}.${port}`;
  const socket = resolveSocket("", host === undefined ? { port } : { host, port }, "/");
  return { ...socket, name: name(socket) };
}

/** A separate Unix socket. */
function ownPath(path: string): ResolvedSocket {
  const name = `path.${path.slice(1).replaceAll(/[^\w.-]/g, "_")}`;
  return resolveSocket(name, { path }, "/");
}

function unknownSocket(entry: string, declared: readonly ResolvedSocket[]): string {
  const names = declared.map(({ name }) => name);
  const meant = closest(entry, names);
  if (meant !== undefined) return `there is no such socket. Did you mean ${quoted(meant)}?`;
  const there =
    names.length === 0
      ? "none is declared in sockets"
      : `there are ${names.map((name) => quoted(name)).join(", ")}`;
  return `there is no such socket: ${there}. A port or a path needs no declaration: listen: 3000, listen: "/run/app.sock".`;
}

/** `listen` as a list. */
export function listenEntries({ listen }: CheckedService): readonly (string | number)[] {
  if (listen === undefined) return [];
  return typeof listen === "object" ? listen : [listen];
}

/** The sockets of a service, without the entries that mean none. */
export function listenSockets(
  service: CheckedService,
  declared: readonly ResolvedSocket[],
): readonly ResolvedSocket[] {
  return listenEntries(service)
    .map((entry) => findSocket(entry, declared))
    .filter((socket) => typeof socket !== "string");
}

/** An address for people: `127.0.0.1:3000`, `[::]:3000`, `:3000` where the app decides, `/run/x.sock`. */
export function addressText(socket: ResolvedSocket): string {
  const { path, host = "", port = 0 } = socket;
  return path ?? (host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`);
}

/** Whether two TCP sockets cannot be bound at once: the same port, on the same, on every or on an open address. */
export function collide(a: ResolvedSocket, b: ResolvedSocket): boolean {
  if (a.path !== undefined || b.path !== undefined) return a.path === b.path;
  if (a.port !== b.port) return false;
  if (a.host === b.host) return true;
  return [a.host, b.host].some((host) => host === undefined || host === "::" || host === "0.0.0.0");
}
