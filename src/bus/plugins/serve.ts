import { once } from "node:events";
import { type AddressInfo, connect, type ListenOptions, type Server } from "node:net";

import { newelError, systemCode } from "../../base/errors.ts";
import { sleep } from "../../base/timers.ts";
import { duplicate } from "../../posix/descriptors.ts";
import type { Bus } from "../bus.ts";
import { Connections } from "../drain.ts";
import { takeInherited } from "../inheritance.ts";

export interface ServeOptions {
  /** Where to listen: a port, or what `server.listen` takes. Default: a free port on loopback. */
  readonly listen?: number | ListenOptions;
  /** Names the server in logs, and its socket over a restart. Default `server`. */
  readonly name?: string;
  /** Of the `start` listener; `stop` mirrors it (100 - priority). Default 75. */
  readonly priority?: number;
  /** How long requests in progress may take when stopping, in milliseconds. Default 8,000. */
  readonly graceMs?: number;
  /** How long a quiet connection is kept when stopping, in milliseconds. Default 100. */
  readonly lingerMs?: number;
}

/** A server on a bus. */
export interface Served {
  /** Where it listens, once started. */
  readonly address: AddressInfo | string | null;
  /** Its open connections. */
  readonly connections: number;
}

/** Stop listeners get 10 s: the grace, the FIN and the report must fit. */
const DEFAULT_GRACE_MS = 8_000;
const AFTER_GRACE_MS = 2_000;

/**
 * Puts a server of net, http, https or http2 on a bus: it listens when the bus starts (an address in
 * use fails the start), is drained when it stops (see `Connections`), and on `graceful` lets each
 * open connection end with its next answer. In a restart by `reexec` its listening socket stays
 * open: connections wait in its queue for the next image.
 *
 * @example
 * serve(bus, createServer(app), { listen: { port: 3000 } });
 */
export function serve(bus: Bus, server: Server, options: ServeOptions = {}): Served {
  const adapter = new ServerAdapter(bus, server, options);
  const { name = "server", priority = 75 } = options;
  const timeoutMs = (options.graceMs ?? DEFAULT_GRACE_MS) + AFTER_GRACE_MS;
  bus.subscribe("start", () => adapter.start(), { name, priority });
  bus.subscribe("stop", () => adapter.stop(), { name, priority: 100 - priority, timeoutMs });
  bus.subscribe("graceful", () => adapter.graceful(), { name, priority });
  bus.subscribe("handover", () => adapter.handOver(), { name });
  return adapter;
}

class ServerAdapter implements Served {
  readonly #bus: Bus;
  readonly #server: Server;
  readonly #options: ServeOptions;
  readonly #name: string;
  readonly #connections: Connections;
  #kept: number | undefined;
  #running = false;

  constructor(bus: Bus, server: Server, options: ServeOptions) {
    this.#bus = bus;
    this.#server = server;
    this.#options = options;
    this.#name = options.name ?? "server";
    this.#connections = new Connections(server);
    server.on("error", (error: unknown) => this.#failed(error));
  }

  get address(): AddressInfo | string | null {
    return this.#server.address();
  }

  get connections(): number {
    return this.#connections.size;
  }

  async start(): Promise<void> {
    const fd = takeInherited(this.#name);
    const { listen = { port: 0, host: "127.0.0.1" } } = this.#options;
    const where = typeof listen === "number" ? { port: listen } : listen;
    const listening = once(this.#server, "listening");
    this.#server.listen(fd === undefined ? where : { fd });
    await listening;
    this.#running = true;
    const how = fd === undefined ? "" : " (the socket of the image before)";
    this.#bus.log(`${this.#name} listens on ${addressText(this.address)}${how}`, "debug");
  }

  async stop(): Promise<void> {
    if (!this.#running) return;
    this.#running = false;
    if (this.#bus.restarting) this.#keepSocket();
    const { graceMs = DEFAULT_GRACE_MS, lingerMs = 100 } = this.#options;
    const { cut } = await this.#connections.drain({ graceMs, lingerMs });
    if (cut > 0)
      this.#bus.log(`${this.#name}: ${cut} connection(s) cut after ${graceMs} ms of grace`, "warn");
  }

  graceful(): void {
    this.#connections.rotate();
  }

  /** The listening socket for the next image. */
  handOver(): Record<string, number> {
    return this.#kept === undefined ? {} : { [this.#name]: this.#kept };
  }

  /** A copy of the descriptor keeps the socket listening when the server closes its own. */
  #keepSocket(): void {
    const handle: unknown = Reflect.get(this.#server, "_handle");
    const fd: unknown =
      typeof handle === "object" && handle ? Reflect.get(handle, "fd") : undefined;
    if (process.platform === "linux" && typeof fd === "number" && fd >= 0) {
      this.#kept = duplicate(fd);
    } else {
      this.#bus.log(`${this.#name}: the restart must rebind its socket`, "warn");
    }
  }

  #failed(error: unknown): void {
    // While it starts, the start listener fails with this error.
    if (!this.#running) return;
    this.#bus.log(`${this.#name} failed; shutting down`, "error", error);
    void this.#bus.exit(1);
  }
}

/** An address for people. */
function addressText(address: AddressInfo | string | null): string {
  return address === null || typeof address === "string"
    ? String(address)
    : `${address.address}:${address.port}`;
}

/** A refused or lost connection may be a server that still starts; these tell of the network itself. */
const NO_NETWORK: readonly (string | undefined)[] = [
  "ENETUNREACH",
  "EHOSTUNREACH",
  "EADDRNOTAVAIL",
];
const RETRY_MS = 20;

/**
 * Waits until something accepts connections at a TCP address: for servers the bus does not start
 * itself. A wildcard address is tried on loopback; where there is no loopback that proves nothing,
 * and gives one warning.
 *
 * @param limitMs - default 5,000
 * @throws NEWEL_E_DEADLINE when nothing listens in time
 */
export async function waitUntilServing(
  bus: Bus,
  where: { readonly host: string; readonly port: number },
  limitMs: number = 5_000,
): Promise<void> {
  const wildcard = where.host === "0.0.0.0" || where.host === "::";
  const host = wildcard ? (where.host === "::" ? "::1" : "127.0.0.1") : where.host;
  const what = `The server on ${where.host}:${where.port}`;
  const endMs = performance.now() + limitMs;
  for (;;) {
    const error = await tryConnection(host, where.port);
    if (error === undefined) return;
    if (wildcard && NO_NETWORK.includes(systemCode(error))) {
      bus.log(`${what} cannot be verified: there is no loopback here.`, "warn");
      return;
    }
    if (performance.now() > endMs) throw newelError("NEWEL_E_DEADLINE", { what, limitMs }, error);
    await sleep(RETRY_MS);
  }
}

function tryConnection(host: string, port: number): Promise<Error | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.once("connect", () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.once("error", resolve);
  });
}
