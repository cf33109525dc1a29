import type { Server, Socket } from "node:net";

import { methodTable, type Contract } from "./contract.ts";
import type { WireLimits } from "./limits.ts";
import { Session } from "./session.ts";
import { socketTransport } from "./transport.ts";

/** What serving takes beside the contract and its implementation. */
export interface ServeOptions {
  readonly limits?: Partial<WireLimits>;
  /** More connections are closed as they come. Default 1,024. */
  readonly maxConnections?: number;
  /** Told of each connection that was refused or broke the protocol. Default: nobody. */
  readonly onRefused?: (error: Error, peer: string) => void;
}

/** A server of one contract. */
export interface WireServer extends AsyncDisposable {
  /** Connections open now. */
  readonly connections: number;
  /**
   * Takes no more connections and calls, ends streams, and waits for the calls that run, at most
   * `graceMs` (default 2,000).
   */
  close(graceMs?: number): Promise<void>;
}

const DEFAULT_MAX_CONNECTIONS = 1_024;
const DEFAULT_GRACE_MS = 2_000;

/** The sessions of one listening server. */
export class Sessions<Api> {
  readonly #contract: Contract<Api>;
  readonly #implementation: Api;
  readonly #options: ServeOptions;
  readonly #sessions = new Set<Session>();

  constructor(contract: Contract<Api>, implementation: Api, options: ServeOptions) {
    this.#contract = contract;
    this.#implementation = implementation;
    this.#options = options;
    // A contract that does not fit shall fail the server now, not its first caller.
    methodTable(contract, implementation);
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** A connection that may be served. */
  accept(socket: Socket, peer: string): void {
    if (this.#sessions.size >= (this.#options.maxConnections ?? DEFAULT_MAX_CONNECTIONS)) {
      socket.destroy();
      this.refused(new Error("too many connections"), peer);
      return;
    }
    const { name, version } = this.#contract;
    const session = new Session(socketTransport(socket, peer), {
      serves: { name, version, methods: methodTable(this.#contract, this.#implementation) },
      isServer: true,
      ...(this.#options.limits === undefined ? {} : { limits: this.#options.limits }),
    });
    this.#sessions.add(session);
    void session.closed.then((reason) => {
      this.#sessions.delete(session);
      if (reason !== undefined) this.refused(reason, peer);
    });
  }

  refused(error: Error, peer: string): void {
    this.#options.onRefused?.(error, peer);
  }

  /** Stops a server: its socket first, then its sessions. */
  async close(server: Server, graceMs: number = DEFAULT_GRACE_MS): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      server.close(() => resolve());
    });
    await Promise.all([...this.#sessions].map((session) => session.close(graceMs)));
    await closed;
  }
}
