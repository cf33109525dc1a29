import { chmodSync, lstatSync, unlinkSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";

import { newelError, systemCode } from "../base/errors.ts";
import { connectSocket, unreachable, type Connection, type ConnectOptions } from "./client.ts";
import type { Contract } from "./contract.ts";
import { ownFace, listen, Sessions, type ServeOptions, type WireServer } from "./server.ts";
import { ReadBuffer, socketTransport } from "./transport.ts";

/**
 * The wire over Unix sockets: for one user, on one machine. The socket file has mode 0600, and the
 * server asks the operating system for the uid of each peer (SO_PEERCRED): only its own and root's
 * are served. Where that cannot be asked (not on Linux) the mode alone guards it: keep the file in a
 * directory of mode 0700.
 */

/** The bytes a Unix socket path may have (sun_path less its closing NUL). */
const SOCKET_PATH_BYTES = 107;

/** Connections that wait to be accepted. */
const BACKLOG = 511;

/**
 * Serves a contract at a path. A lock beside it (`PATH.lock`) makes this the only server there: a
 * file that a dead one left is replaced, a living one never.
 *
 * @throws NEWEL_E_ADDRESS_IN_USE when another process serves this path
 * @throws NEWEL_E_HOME_PATH when the path is too long for a socket
 * @throws NEWEL_E_CONTRACT when the implementation lacks a method
 */
export async function serveUnix<Api>(
  path: string,
  contract: Contract<Api>,
  implementation: Api,
  options: ServeOptions = {},
): Promise<WireServer> {
  const sessions = new Sessions(contract, implementation, options);
  checkPath(path);
  const lock = await takePath(path);
  const server = await createLocalServer(sessions, path);
  try {
    // Exclusive: a node:cluster worker would else share the socket of its primary.
    const bound = listen(server, { path, backlog: BACKLOG, exclusive: true }, path);
    // Bound already, within the call above: nobody else has had a turn to connect.
    if (server.listening) chmodSync(path, 0o600);
    await bound;
    server.on("error", (error) => sessions.refused(error, path));
  } catch (error) {
    lock?.release();
    throw error;
  }
  let closing: Promise<void> | undefined;
  // Once: the lock's descriptor may belong to another file by the second time.
  return ownFace(
    sessions,
    (graceMs) => (closing ??= sessions.close(server, graceMs).then(() => lock?.release())),
  );
}

/** Lets in who has the same uid, and root. */
async function createLocalServer(
  sessions: Pick<Sessions<unknown>, "accept" | "refused">,
  address: string,
): Promise<Server> {
  // Only a server needs the system calls: a client of a path shall not pay for loading them.
  const { peerCredentials } = await import("../posix/peer.ts");
  return createServer((socket) => {
    const credentials = peerCredentials(socket);
    const peer =
      credentials === undefined
        ? address
        : `uid ${credentials.uid}, pid ${credentials.pid ?? "unseen"}`;
    const uid = credentials?.uid;
    if (uid === undefined || isTrusted(uid)) {
      sessions.accept(socketTransport(socket, peer));
    } else {
      socket.destroy();
      sessions.refused(newelError("NEWEL_E_REFUSED_UID", { uid }), peer);
    }
  });
}

function isTrusted(uid: number): boolean {
  return uid === 0 || uid === process.getuid?.();
}

/**
 * Serves a contract under an abstract name (Linux): no file, and the system frees the name at the
 * instant this process ends. To have the name is therefore a lock: of all who try, one can serve.
 *
 * @throws NEWEL_E_ADDRESS_IN_USE when another process, or another thread, has the name
 * @throws NEWEL_E_CONTRACT when the implementation lacks a method
 */
export async function serveAbstract<Api>(
  name: string,
  contract: Contract<Api>,
  implementation: Api,
  options: ServeOptions = {},
): Promise<WireServer> {
  const sessions = new Sessions(contract, implementation, options);
  const server = await createLocalServer(sessions, name);
  // Exclusive: workers of node:cluster would else all "win" the same name.
  await listen(server, { path: `\0${name}`, backlog: BACKLOG, exclusive: true }, name);
  server.on("error", (error) => sessions.refused(error, name));
  return ownFace(sessions, (graceMs) => sessions.close(server, graceMs));
}

/**
 * Connects to the server of an abstract name. Such names have no permissions, so that any user could
 * take one first: the server's uid must be this process's own, or root's.
 *
 * @throws NEWEL_E_UNREACHABLE when nobody answers there within `timeoutMs`
 * @throws NEWEL_E_REFUSED_UID when another user has the name
 * @throws NEWEL_E_VERSION_SKEW when the server has another contract, or another version of it
 */
export async function connectAbstract<Api>(
  name: string,
  contract: Contract<Api>,
  options: ConnectOptions = {},
): Promise<Connection<Api>> {
  const { peerCredentials } = await import("../posix/peer.ts");
  try {
    const readBuffer = new ReadBuffer();
    const socket = connect({ path: `\0${name}`, onread: readBuffer.onread });
    return await connectSocket(socket, "connect", contract, options, () => {
      const uid = peerCredentials(socket)?.uid;
      if (uid !== undefined && !isTrusted(uid)) {
        socket.destroy();
        throw newelError("NEWEL_E_REFUSED_UID", { uid });
      }
      return socketTransport(socket, name, readBuffer);
    });
  } catch (error) {
    throw unreachable(name, error);
  }
}

/**
 * Connects to the server of a contract.
 *
 * @throws NEWEL_E_UNREACHABLE when nobody answers there within `timeoutMs`
 * @throws NEWEL_E_VERSION_SKEW when the server has another contract, or another version of it
 */
export async function connectUnix<Api>(
  path: string,
  contract: Contract<Api>,
  options: ConnectOptions = {},
): Promise<Connection<Api>> {
  checkPath(path);
  try {
    const readBuffer = new ReadBuffer();
    const socket = connect({ path, onread: readBuffer.onread });
    return await connectSocket(socket, "connect", contract, options, () =>
      socketTransport(socket, path, readBuffer),
    );
  } catch (error) {
    throw unreachable(path, error);
  }
}

function checkPath(path: string): void {
  const length = Buffer.byteLength(path);
  if (length > SOCKET_PATH_BYTES) throw newelError("NEWEL_E_HOME_PATH", { path, length });
}

/** Locks the path and removes what a dead server left there. */
async function takePath(path: string): Promise<{ release(): void } | undefined> {
  // Elsewhere than on Linux there is no lock: a file in the way is an error there.
  if (process.platform !== "linux") return undefined;
  const { lockFile } = await import("../posix/lock.ts");
  const lock = lockFile(`${path}.lock`);
  if (lock === undefined) throw newelError("NEWEL_E_ADDRESS_IN_USE", { address: path });
  try {
    if (lstatSync(path).isSocket()) unlinkSync(path);
  } catch (error) {
    if (systemCode(error) !== "ENOENT") {
      lock.release();
      throw error;
    }
  }
  return lock;
}
