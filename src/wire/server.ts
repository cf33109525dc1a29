import type { ListenOptions, Server } from "node:net";

import { newelError, systemCode } from "../base/errors.ts";
import { OWN_SERVER } from "../base/preload.ts";
import type { ServedMethod } from "./callee.ts";
import { methodTable, type Contract } from "./contract.ts";
import type { WireLimits } from "./limits.ts";
import { Session, type SessionOptions } from "./session.ts";
import type { Transport } from "./transport.ts";

/** Options of a server besides the contract and its implementation. */
export interface ServeOptions {
  readonly limits?: Partial<WireLimits>;
  /** Connections above this number are closed on arrival. Default 1,024. */
  readonly maxConnections?: number;
  /**
   * Called for each connection that was refused, broke the protocol or could not be accepted.
   * Default: not reported.
   */
  readonly onRefused?: (error: Error, peer: string) => void;
}

/** A server of one contract. */
export interface WireServer extends AsyncDisposable {
  /** Connections open now. */
  readonly connections: number;
  /** Calls and streams that are being answered at present. */
  readonly running: number;
  /**
   * Ends its connections as {@link close} does, but keeps the address: no other process can serve
   * there before this server is closed, and clients that connect in between wait until then.
   */
  drain(graceMs?: number): Promise<void>;
  /**
   * Refuses new connections and calls, ends streams, and waits for the running calls, at most
   * `graceMs` (default 2,000).
   */
  close(graceMs?: number): Promise<void>;
}

const DEFAULT_MAX_CONNECTIONS = 1_024;
const DEFAULT_GRACE_MS = 2_000;
/** The most connections above the limit that get its reason at a time; others are closed at once. */
const MAX_TURNED_AWAY = 64;

/** The sessions of one listening server. */
export class Sessions<Api> {
  readonly #contract: Contract<Api>;
  readonly #methods: readonly ServedMethod[];
  readonly #options: ServeOptions;
  readonly #sessions = new Set<Session>();
  readonly #late = new Set<Transport>();
  readonly #turnedAway = new Set<Session>();
  #isDraining = false;
  #isClosed = false;

  constructor(contract: Contract<Api>, implementation: Api, options: ServeOptions) {
    this.#contract = contract;
    this.#options = options;
    // Built now: an implementation that does not match the contract must fail the server, not its
    // first caller.
    this.#methods = methodTable(contract, implementation);
  }

  get size(): number {
    return this.#sessions.size;
  }

  get running(): number {
    return [...this.#sessions].reduce((sum, { load }) => sum + load.running, 0);
  }

  /** Serves an accepted connection. */
  accept(transport: Transport): void {
    const { peer } = transport;
    if (this.#isClosed) {
      // Its check or its handshake ended only now; the server waits for its end.
      transport.abort();
      return;
    }
    if (this.#isDraining) {
      // Reported at the end, so that a caller that tries again finds the address free.
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
      const what = "the number of connections";
      const error = newelError("NEWEL_E_LIMIT", { what, limit, unit: "connections" });
      this.#turnAway(transport, error);
      this.refused(error, peer);
      return;
    }
    const session = this.#open(transport);
    this.#sessions.add(session);
    void session.closed.then((reason) => {
      this.#sessions.delete(session);
      if (reason !== undefined) this.refused(reason, peer);
    });
  }

  #open(transport: Transport, refusal: Pick<SessionOptions, "refusal"> = {}): Session {
    const { name, version } = this.#contract;
    return new Session(transport, {
      serves: { name, version, methods: this.#methods },
      isServer: true,
      ...refusal,
      ...(this.#options.limits === undefined ? {} : { limits: this.#options.limits }),
    });
  }

  /** The client learns the reason: it would take a closed connection for a server that ends. */
  #turnAway(transport: Transport, error: Error): void {
    if (this.#turnedAway.size >= MAX_TURNED_AWAY) {
      transport.abort();
      return;
    }
    const session = this.#open(transport, { refusal: error });
    this.#turnedAway.add(session);
    void session.closed.then(() => this.#turnedAway.delete(session));
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
    this.#isClosed = true;
    for (const transport of this.#late) transport.abort();
    this.#late.clear();
    for (const session of this.#turnedAway) void session.close();
    await closed;
  }

  async closeAll(graceMs: number = DEFAULT_GRACE_MS): Promise<void> {
    this.#isDraining = true;
    await Promise.all([...this.#sessions].map((session) => session.close(graceMs)));
  }
}

/**
 * Makes a server listen.
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

/** The public face of a server: its counts, and the ways to end it. */
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
