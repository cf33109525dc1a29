import { chmodSync, lstatSync, statSync, unlinkSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { dirname } from "node:path";

import { newelError, systemCode } from "../base/errors.ts";
import { connectSocket, unreachable, type Connection, type ConnectOptions } from "./client.ts";
import type { Contract } from "./contract.ts";
import { ownFace, listen, Sessions, type ServeOptions, type WireServer } from "./server.ts";
import { ReadBuffer, socketTransport } from "./transport.ts";
import { checkTrusted, isTrusted } from "./trust.ts";

/**
 * The wire over Unix sockets: for one user, on one machine. The socket file has mode 0600, and the
 * server asks the operating system for the uid of each peer (SO_PEERCRED): only the same user and
 * root are served. On systems without that call (other than Linux) only the file mode protects it:
 * keep the file in a directory of mode 0700.
 */

/** The most bytes of a Unix socket path (sun_path less its closing NUL). */
const SOCKET_PATH_BYTES = 107;

/** Connections that wait to be accepted. */
const BACKLOG = 511;

/**
 * Serves a contract at a path. A lock file next to it (`PATH.lock`) makes this the only server
 * there: the file of a dead server is replaced, the file of a live server never.
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
    // Exclusive: otherwise a node:cluster worker would share the socket of its primary.
    const bound = listen(server, { path, backlog: BACKLOG, exclusive: true }, path);
    // Bound already, within the call above: no client has had a turn to connect.
    if (server.listening) chmodSync(path, 0o600);
    await bound;
    server.on("error", (error) => sessions.refused(error, path));
  } catch (error) {
    lock?.release();
    throw error;
  }
  let closing: Promise<void> | undefined;
  // The lock is released only once: at a second close() the number of its descriptor may belong to another
  // file.
  return ownFace(
    sessions,
    (graceMs) => (closing ??= sessions.close(server, graceMs).then(() => lock?.release())),
  );
}

/** Accepts peers with the same uid, and root. */
async function createLocalServer(
  sessions: Pick<Sessions<unknown>, "accept" | "refused">,
  address: string,
): Promise<Server> {
  // Only a server needs the system calls: a client must not pay for loading them.
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

/**
 * Serves a contract under an abstract name (Linux): there is no file, and the system frees the name
 * at the instant this process ends. The name therefore works as a lock: only one process can serve
 * under it.
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
 * Connects to the server of an abstract name. Such names have no permissions, so any user could
 * take the name first: the server's uid must be that of this process, or root's.
 *
 * @throws NEWEL_E_UNREACHABLE when no server answers there within `timeoutMs`
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
    return await connectSocket(socket, "connect", contract, options, async () => {
      const uid = peerCredentials(socket)?.uid;
      if (uid !== undefined) checkTrusted(uid);
      return socketTransport(socket, name, readBuffer);
    });
  } catch (error) {
    throw unreachable(name, error);
  }
}

/**
 * Connects to the server of a contract.
 *
 * @throws NEWEL_E_UNREACHABLE when no server answers there within `timeoutMs`
 * @throws NEWEL_E_REFUSED_UID when another user made the socket
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
    return await connectSocket(socket, "connect", contract, options, async () => {
      checkFile(path);
      return socketTransport(socket, path, readBuffer);
    });
  } catch (error) {
    throw unreachable(path, error);
  }
}

/**
 * Checks the owner of a socket by its file, which needs no native code. Root may name the home of
 * any user: then the directory must belong to the same user as the socket.
 *
 * @throws NEWEL_E_REFUSED_UID
 */
function checkFile(path: string): void {
  const { uid } = statSync(path);
  if (process.getuid?.() === 0 && statSync(dirname(path)).uid === uid) return;
  checkTrusted(uid);
}

function checkPath(path: string): void {
  const length = Buffer.byteLength(path);
  if (length > SOCKET_PATH_BYTES) throw newelError("NEWEL_E_HOME_PATH", { path, length });
}

/** Locks the path and removes the socket of a dead server. */
async function takePath(path: string): Promise<{ release(): void } | undefined> {
  // On systems other than Linux there is no lock: an existing file is an error there.
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
