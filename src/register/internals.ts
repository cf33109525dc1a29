/**
 * Every use of Node's unpublished API by the preload, with its reason. The tests of listening, drain, probe
 * and output each need a part of it, so a Node version that changes it fails them.
 */
import type { ChildProcess } from "node:child_process";
import type { ServerResponse } from "node:http";
import net from "node:net";
import type { Server, Socket } from "node:net";
import type { WriteStream } from "node:tty";
import { getSystemErrorName } from "node:util";

/**
 * The interface that `net.Server` needs of its handle. Node's cluster workers also give it a plain object.
 */
export interface ServerHandle {
  /** @returns 0, or a negative error number */
  listen(backlog: number): number;
  close(): void;
  ref(): void;
  unref(): void;
  /** Present only on TCP handles. */
  getsockname?(out: object): number;
}

interface Internals {
  _createServerHandle(address: null, port: null, type: null, fd: number): ServerHandle | number;
  _createServerHandle(path: string, port: -1, type: -1): ServerHandle | number;
  _normalizeArgs(args: readonly unknown[]): [Record<string, unknown>, (() => void) | null];
}

interface ServerInternals {
  _handle: ServerHandle | null;
  _pipeName?: string;
  _listen2(address: null, port: -1, type: -1, backlog: number): void;
}

interface SocketInternals {
  /** The HTTP parser; `null` once the connection was upgraded. */
  parser?: object | null;
  /** The plain socket below a TLS one. */
  _parent?: Socket | null;
}

const internals = net as unknown as Internals;
const of = (server: Server): ServerInternals => server as unknown as ServerInternals;

/** Parses the arguments of a `listen()` call; the published API has no function for it. */
export function listenArguments(args: readonly unknown[]): {
  readonly options: Readonly<Record<string, unknown>>;
  readonly callback: (() => void) | undefined;
} {
  const [options, callback] = internals._normalizeArgs(args);
  return { options, callback: callback ?? undefined };
}

/**
 * Opens an inherited descriptor as a server handle that does not listen yet. `listen({ fd })` would open and
 * listen at once, but newel first checks the address, and during a reload holds the process back before it
 * listens.
 */
export function openServerHandle(fd: number): ServerHandle | undefined {
  const handle = internals._createServerHandle(null, null, null, fd);
  return typeof handle === "number" ? undefined : handle;
}

/**
 * Binds a Unix socket without listening on it: `net` has no function for that.
 *
 * @returns the error name if it cannot be bound
 */
export function bindPipe(path: string): ServerHandle | string {
  const handle = internals._createServerHandle(path, -1, -1);
  return typeof handle === "number" ? getSystemErrorName(handle) : handle;
}

/**
 * Whether this is a thread of `node:worker_threads`: Node.js marks the functions that it disables there.
 * Loading that module would cost every process of a service two milliseconds.
 */
export function isWorkerThread(): boolean {
  const abort: object = Reflect.get(process, "abort");
  return Reflect.get(abort, "disabled") === true;
}

/** The address of a TCP handle, `undefined` for a Unix socket. */
export function addressOf(
  handle: ServerHandle,
): { readonly address: string; readonly port: number } | undefined {
  const name = { address: "", port: 0 };
  return handle.getsockname?.(name) === 0 ? name : undefined;
}

/**
 * Lets a server listen on a handle. `server.listen(handle)` takes TCP handles only.
 *
 * @param path - the result of `server.address()` for a Unix socket
 */
export function listenOnHandle(
  server: Server,
  handle: ServerHandle,
  backlog: number,
  path: string | undefined,
): void {
  const inner = of(server);
  inner._handle = handle;
  if (path !== undefined) inner._pipeName = path;
  inner._listen2(null, -1, -1, backlog);
}

/** The handle on which a server listens. */
export function handleOf(server: Server): ServerHandle | undefined {
  return of(server)._handle ?? undefined;
}

/**
 * Replaces a server's handle by another one, so that the server remains "listening" for the app (its
 * `close()` and `address()` still work) while newel closes the socket.
 */
export function replaceHandle(server: Server, handle: ServerHandle | null): void {
  of(server)._handle = handle;
}

/** Whether an HTTP/1 connection was handed over by an upgrade or CONNECT. */
export function isUpgraded(socket: Socket): boolean {
  return (socket as SocketInternals).parser === null;
}

/**
 * Whether a handle that was sent to a child has not reached it yet: Node.js sends one at a time and waits for
 * the child's receipt, and has no published API for it.
 */
export function hasHandlesUnderWay(child: ChildProcess): boolean {
  const { _handleQueue: queue } = child as unknown as { _handleQueue?: unknown[] | null };
  return child.connected && queue !== null && queue !== undefined;
}

/** The headers of an HTTP/1 response as they are sent; empty before. */
export function sentHeaders(response: ServerResponse): string {
  return (response as unknown as { _header: string | null })._header ?? "";
}

/** The accepted socket below a TLS socket. */
export function socketBelow(socket: Socket): Socket | undefined {
  return (socket as SocketInternals)._parent ?? undefined;
}

/**
 * Makes a piped stdout or stderr blocking. Node writes to a full pipe asynchronously, and `process.exit()`,
 * `abort()` and an uncaught error drop the queued output.
 */
export function makeBlocking(stream: WriteStream): void {
  const { _handle: handle } = stream as unknown as {
    _handle?: { setBlocking?(on: boolean): number };
  };
  if (!stream.isTTY) handle?.setBlocking?.(true);
}
