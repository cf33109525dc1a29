import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";

import { newelError } from "../base/errors.ts";
import { duplicate } from "../posix/descriptors.ts";
import type { Kernel } from "./api.ts";
import { closeListeners, CLIENT_BACKLOG, openListeners, type Listeners } from "./listeners.ts";
import { PENDING_BYTES, type PendingBudget } from "./session/line-splitter.ts";
import type { ServerContext } from "./session/server-context.ts";
import { serveConnection } from "./session/session.ts";
import { peerCredentials } from "../posix/peer.ts";
import { tcpPeerUid } from "../posix/tcp-peer.ts";

/** How many clients may be connected at once. */
const CONNECTIONS_LIMIT = 16_384;
const ROOT = 0;
/** How long clients may take to read their remaining answers when the server closes, in milliseconds. */
const FAREWELL_MS = 500;

export interface ServerOptions {
  readonly kernel: Kernel;
  readonly version: string;
  /** The path of the Unix socket; an existing socket is replaced, so the caller must hold the home's lock. */
  readonly path: string;
  /** Also listen on this port of the loopback addresses; 0 lets the operating system choose. */
  readonly port?: number;
  /** The listeners that the previous image of this process left: nothing is bound then. */
  readonly listeners?: Listeners;
  /** See {@link ServerContext.upgrade}. */
  readonly upgrade: ServerContext["upgrade"];
  /** Called with faults that have no code, and with refused clients. */
  readonly log: (message: string, error?: unknown) => void;
}

export interface KernelServer {
  /** The TCP port; `undefined` without TCP. */
  readonly port: number | undefined;
  readonly connections: number;
  /** Whether a client ever connected. */
  readonly used: boolean;
  /**
   * Resolves once a client asked for the end, the last client left and the kernel holds no process, socket or
   * value.
   */
  readonly unused: Promise<void>;
  /** Stops listening and closes every connection. */
  close(): Promise<void>;
  /**
   * Closes every connection and returns the listeners; clients that connect from now on wait for the next
   * image.
   */
  handOver(): Promise<Listeners>;
}

/**
 * Serves a kernel to its owner: on a Unix socket that no other user may open and, if asked, on loopback TCP,
 * where the uid of the peer is checked.
 *
 * @throws NEWEL_E_ADDRESS_IN_USE
 */
export async function serveKernel(options: ServerOptions): Promise<KernelServer> {
  const listeners = options.listeners ?? openListeners(options.path, options.port);
  const clients = new Clients(options);
  const servers = await Promise.all([
    serveOn(listeners.local, (socket) => clients.accept(socket)),
    ...listeners.tcp.map((fd) =>
      serveOn(fd, (socket) => clients.accept(socket, () => checkTcp(socket, options.log))),
    ),
  ]);
  const handOver = async (): Promise<Listeners> => {
    const closed = servers.map(async (server) => {
      server.close();
      await once(server, "close");
    });
    clients.close();
    await Promise.all(closed);
    return listeners;
  };
  return {
    port: listeners.port,
    get connections() {
      return clients.count;
    },
    get used() {
      return clients.used;
    },
    unused: clients.unused,
    handOver,
    close: async () => closeListeners(await handOver(), options.path),
  };
}

/** Accepts on a copy of a listening descriptor; the original outlives the server. */
async function serveOn(fd: number, onConnection: (socket: Socket) => void): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, onConnection);
  // listen() ignores the backlog of its options object when there is a descriptor.
  server.listen({ fd: duplicate(fd) }, CLIENT_BACKLOG);
  await once(server, "listening");
  return server;
}

/** The connected clients and their shared state. */
class Clients {
  readonly #options: ServerOptions;
  readonly #sockets = new Set<Socket>();
  readonly #served = new Map<Socket, { end(): void }>();
  readonly #unused = Promise.withResolvers<void>();
  readonly #budget: PendingBudget = { used: 0, limit: PENDING_BYTES };
  readonly #context: ServerContext;
  #exiting = false;
  #used = false;

  constructor(options: ServerOptions) {
    this.#options = options;
    const { kernel, version, log } = options;
    this.#context = {
      kernel,
      version,
      upgrade: options.upgrade,
      exitWhenUnused: () => {
        this.#exiting = true;
      },
      fault: (error) => log("A command failed in a way it should not.", error),
    };
  }

  get used(): boolean {
    return this.#used;
  }

  get count(): number {
    return this.#sockets.size;
  }

  get unused(): Promise<void> {
    return this.#unused.promise;
  }

  /** @param check - returns why the client is refused, or `undefined` */
  accept(socket: Socket, check?: () => Promise<string | undefined>): void {
    const crowded = this.#sockets.size >= CONNECTIONS_LIMIT;
    this.#sockets.add(socket);
    this.#used = true;
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#left(socket));
    if (crowded) refuseClient(socket, CROWDED);
    else if (check === undefined) this.#acceptLocal(socket);
    else
      check().then(
        (refusal) =>
          refusal === undefined ? this.#serve(socket, undefined) : refuseClient(socket, refusal),
        (error: unknown) => {
          this.#options.log("A client could not be checked.", error);
          socket.destroy();
        },
      );
  }

  close(): void {
    for (const served of this.#served.values()) served.end();
    for (const socket of this.#sockets) farewell(socket);
  }

  /**
   * The mode of the socket's file already keeps other users out; this check also holds after a change of the
   * mode.
   */
  #acceptLocal(socket: Socket): void {
    const peer = peerCredentials(socket);
    // Root may connect, because file modes do not apply to root: an administrator may inspect any kernel.
    const known = peer === undefined || peer.uid === ROOT;
    const refusal = known ? undefined : refusalOf(peer.uid, this.#options.log);
    if (refusal === undefined) this.#serve(socket, peer?.pid);
    else refuseClient(socket, refusal);
  }

  #serve(socket: Socket, peerPid: number | undefined): void {
    this.#served.set(socket, serveConnection(socket, this.#context, this.#budget, peerPid));
  }

  #left(socket: Socket): void {
    this.#sockets.delete(socket);
    this.#served.delete(socket);
    if (!this.#exiting || this.#sockets.size > 0) return;
    // A client may have made a process, socket or value since the end was asked for.
    if (this.#options.kernel.idle()) this.#unused.resolve();
    else this.#exiting = false;
  }
}

const CROWDED = newelError("NEWEL_E_LIMIT", {
  what: "the clients of a kernel",
  limit: CONNECTIONS_LIMIT,
  unit: "at once",
}).message;

async function checkTcp(socket: Socket, log: ServerOptions["log"]): Promise<string | undefined> {
  return refusalOf(await tcpPeerUid(socket), log);
}

/** Why a peer of this uid is refused, if it is. */
function refusalOf(uid: number | undefined, log: ServerOptions["log"]): string | undefined {
  if (uid !== undefined && uid === process.getuid?.()) return undefined;
  const { message } = newelError("NEWEL_E_REFUSED_UID", { uid: uid ?? "unknown" });
  log(message);
  return message;
}

function refuseClient(socket: Socket, message: string): void {
  socket.end(`Error: ${message}\n`);
  farewell(socket);
}

function farewell(socket: Socket): void {
  socket.end();
  setTimeout(() => socket.destroy(), FAREWELL_MS).unref();
}
