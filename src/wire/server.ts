import type { ListenOptions, Server } from "node:net";

import { newelError, systemCode } from "../base/errors.ts";
import { OWN_SERVER } from "../base/preload.ts";
import type { ServedMethod } from "./callee.ts";
import { methodTable, type Contract } from "./contract.ts";
import type { WireLimits } from "./limits.ts";
import { Session } from "./session.ts";
import type { Transport } from "./transport.ts";

/** What serving takes beside the contract and its implementation. */
export interface ServeOptions {
  readonly limits?: Partial<WireLimits>;
  /** More connections are closed as they come. Default 1,024. */
  readonly maxConnections?: number;
  /** Told of each connection that was refused, broke the protocol or could not be accepted. Default: nobody. */
  readonly onRefused?: (error: Error, peer: string) => void;
}

/** A server of one contract. */
export interface WireServer extends AsyncDisposable {
  /** Connections open now. */
  readonly connections: number;
  /** Calls and streams that are being answered now. */
  readonly running: number;
  /**
   * Ends its connections as {@link close} does, but keeps the address: nobody else can serve there
   * before this server is closed, and who connects meanwhile is let wait until then.
   */
  drain(graceMs?: number): Promise<void>;
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
  readonly #methods: readonly ServedMethod[];
  readonly #options: ServeOptions;
  readonly #sessions = new Set<Session>();
  readonly #late = new Set<Transport>();
  #isDraining = false;

  constructor(contract: Contract<Api>, implementation: Api, options: ServeOptions) {
    this.#contract = contract;
    this.#options = options;
    // Now: a contract that does not fit shall fail the server, not its first caller.
    this.#methods = methodTable(contract, implementation);
  }

  get size(): number {
    return this.#sessions.size;
  }

  get running(): number {
    return [...this.#sessions].reduce((sum, { load }) => sum + load.running, 0);
  }

  /** A connection that may be served. */
  accept(transport: Transport): void {
    const { peer } = transport;
    if (this.#isDraining) {
      // Told at the end, so that who tries again finds the address free.
      transport.start({
        bytes: () => undefined,
        drained: () => undefined,
        closed: () => undefined,
      });
      this.#late.add(transport);
      return;
    }
    const limit = this.#options.maxConnections ?? DEFAULT_MAX_CONNECTIONS;
    if (this.#sessions.size >= limit) {
      transport.abort();
      const what = "the number of connections";
      this.refused(newelError("NEWEL_E_LIMIT", { what, limit, unit: "connections" }), peer);
      return;
    }
    const { name, version } = this.#contract;
    const session = new Session(transport, {
      serves: { name, version, methods: this.#methods },
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
  async close(server: Server, graceMs?: number): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      server.close(() => resolve());
    });
    await this.closeAll(graceMs);
    for (const transport of this.#late) transport.abort();
    this.#late.clear();
    await closed;
  }

  async closeAll(graceMs: number = DEFAULT_GRACE_MS): Promise<void> {
    this.#isDraining = true;
    await Promise.all([...this.#sessions].map((session) => session.close(graceMs)));
  }
}

/**
 * Lets a server listen.
 *
 * @throws NEWEL_E_ADDRESS_IN_USE
 */
export function listen(server: Server, where: ListenOptions, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const refuse = (error: Error): void => {
      const inUse = systemCode(error) === "EADDRINUSE";
      reject(inUse ? newelError("NEWEL_E_ADDRESS_IN_USE", { address }, error) : error);
    };
    server.once("error", refuse);
    server.once("listening", () => {
      server.off("error", refuse);
      resolve();
    });
    Object.defineProperty(server, OWN_SERVER, { value: true });
    server.listen(where);
  });
}

/** A server as its owner sees it: what it serves, and the ways to end it. */
export function ownFace(
  sessions: Pick<Sessions<unknown>, "size" | "running" | "closeAll">,
  close: (graceMs?: number) => Promise<void>,
): WireServer {
  return {
    get connections() {
      return sessions.size;
    },
    get running() {
      return sessions.running;
    },
    drain: (graceMs) => sessions.closeAll(graceMs),
    close,
    [Symbol.asyncDispose]: () => close(),
  };
}
