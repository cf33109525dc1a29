import { once } from "node:events";
import { type AddressInfo, connect, type ListenOptions, type Server } from "node:net";

import { counted } from "../../base/counted.ts";
import { newelError, systemCode } from "../../base/errors.ts";
import { sleep } from "../../base/timers.ts";
import type { Bus } from "../bus.ts";
import { Connections } from "../drain.ts";
import { takeInherited } from "../inheritance.ts";
import { answerReadiness } from "../readiness.ts";

/** Options of `serve`: the address, the drain and the readiness endpoint of a server. */
export interface ServeOptions {
  /** The address: a port, or an argument of `server.listen`. Default: a free port on loopback. */
  readonly listen?: number | ListenOptions;
  /** Names the server in logs, and its socket over a restart. Default `server`. */
  readonly name?: string;
  /** Priority of the `start` listener; that of `stop` mirrors it (100 - priority). Default 75. */
  readonly priority?: number;
  /** The time limit of requests in progress when stopping, in milliseconds. Default 8,000. */
  readonly graceMs?: number;
  /**
   * The time that a quiet connection is kept when stopping and on `graceful`, in milliseconds, for
   * a request in transit. Default 100; on a busy machine up to four times as long, because stalls
   * of this process do not count.
   */
  readonly lingerMs?: number;
  /**
   * The path of a readiness endpoint, such as `/readyz`, on an HTTP server: GET and HEAD get 200
   * while the bus is started, and 503 while it starts and from the moment that a stop or an exit is
   * requested. Default: none.
   */
  readonly readinessPath?: string;
  /**
   * The time that the server continues to accept and answer after a stop was requested, in
   * milliseconds, so that a load balancer notices before connections are refused. Not before a
   * restart that keeps the socket. Default 0.
   */
  readonly closeDelayMs?: number;
}

/** A server on a bus. */
export interface Served {
  /** Its address, once started. */
  readonly address: AddressInfo | string | null;
  /** Its open connections. */
  readonly connections: number;
}

/** Stop listeners get 10 s: the grace, the FIN and the report must fit. */
const DEFAULT_GRACE_MS = 8_000;
const DEFAULT_LINGER_MS = 100;
const AFTER_GRACE_MS = 2_000;

/**
 * Puts a server of net, http, https or http2 on a bus: it listens when the bus starts (an address in
 * use fails the start), is drained when it stops (see `Connections`), and on `graceful` lets each
 * open HTTP/1.1 connection end with its next answer, or after `lingerMs` without a request. In a restart by
 * `reexec` its listening socket stays open: connections wait in its queue for the next image.
 *
 * @example
 * serve(bus, createServer(app), { listen: { port: 3000 } });
 */
export function serve(bus: Bus, server: Server, options: ServeOptions = {}): Served {
  const adapter = new ServerAdapter(bus, server, options);
  const { name = "server", priority = 75, closeDelayMs = 0 } = options;
  const timeoutMs = closeDelayMs + (options.graceMs ?? DEFAULT_GRACE_MS) + AFTER_GRACE_MS;
  bus.subscribe("start", () => adapter.start(), { name, priority });
  bus.subscribe("stop", ({ signal }) => adapter.stop(signal), {
    name,
    priority: 100 - priority,
    timeoutMs,
  });
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
    if (options.readinessPath !== undefined)
      answerReadiness(server, {
        path: options.readinessPath,
        isReady: () => bus.state === "started" && !bus.exiting,
        begin: (request, response) => this.#connections.begin(request, response),
      });
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

  async stop(signal: AbortSignal): Promise<void> {
    if (!this.#running) return;
    const { graceMs = DEFAULT_GRACE_MS, lingerMs = DEFAULT_LINGER_MS } = this.#options;
    const { closeDelayMs = 0 } = this.#options;
    if (closeDelayMs > 0 && !this.#bus.restarting) await sleep(closeDelayMs, signal);
    this.#running = false;
    if (this.#bus.restarting) await this.#keepSocket();
    const { cut } = await this.#connections.drain({ graceMs, lingerMs });
    if (cut > 0)
      this.#bus.log(
        `${this.#name}: ${counted(cut, "connection")} cut after ${graceMs} ms of grace`,
        "warn",
      );
  }

  graceful(): void {
    this.#connections.rotate(this.#options.lingerMs ?? DEFAULT_LINGER_MS);
  }

  /** The listening socket for the next image. */
  handOver(): Record<string, number> {
    return this.#kept === undefined ? {} : { [this.#name]: this.#kept };
  }

  /** A copy of the descriptor keeps the socket listening when the server closes its own. */
  async #keepSocket(): Promise<void> {
    const handle: unknown = Reflect.get(this.#server, "_handle");
    const fd: unknown =
      typeof handle === "object" && handle ? Reflect.get(handle, "fd") : undefined;
    if (process.platform === "linux" && typeof fd === "number" && fd >= 0) {
      // Native code, which a program that never restarts does not load.
      const { duplicate } = await import("../../posix/descriptors.ts");
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

/** An address in readable form. */
function addressText(address: AddressInfo | string | null): string {
  return address === null || typeof address === "string"
    ? String(address)
    : `${address.address}:${address.port}`;
}

/**
 * A refused or lost connection may be a server that still starts; these codes are failures of the
 * network itself.
 */
const NO_NETWORK: readonly (string | undefined)[] = [
  "ENETUNREACH",
  "EHOSTUNREACH",
  "EADDRNOTAVAIL",
];
const RETRY_MS = 20;

/**
 * Waits until a server accepts connections at a TCP address: for servers that the bus does not
 * start itself. A wildcard address is tried on loopback; if there is no loopback the check proves
 * nothing, and gives one warning.
 *
 * @param limitMs - default 5,000
 * @throws NEWEL_E_DEADLINE when no server listens in time
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
