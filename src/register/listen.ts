import { addAbortListener } from "node:events";
import type { Server } from "node:net";
import { constants } from "node:os";
import { getSystemErrorMap, getSystemErrorName } from "node:util";

import { messageOf, newelError } from "../base/errors.ts";
import {
  EVERY,
  IPV6_ONLY,
  isWithin,
  type ListenAnswer,
  type ListenReport,
  listenAddress,
  listenSetting,
} from "../base/listening.ts";

import { DEFAULT_BACKLOG, OWN_SERVER } from "../base/preload.ts";
import { type Asked, askedOf, lookUp } from "./asked.ts";
import { comparablePath, holdBack, standIn, takeInherited } from "./inherited.ts";
import {
  handleOf,
  listenArguments,
  listenOnHandle,
  replaceHandle,
  type ServerHandle,
} from "./internals.ts";
import { hostOf, joinHandles, pendingHandle } from "./join.ts";
import { report } from "./report.ts";
import type { Target } from "./settings.ts";

/** The backlog of the configuration; the app's smaller one would shrink it for all processes. */
const backlogOf = ({ backlog = DEFAULT_BACKLOG }: Target): number => backlog;

export type Listen = (this: Server, ...args: unknown[]) => Server;

/** The app's servers on the sockets of the supervisor. */
export interface Inheritance {
  /** The replacement of `Server.prototype.listen`. */
  readonly listen: Listen;
  /** Each server that listens on an inherited socket, with its accepting handle. */
  readonly taken: ReadonlyMap<Server, ServerHandle>;
  /** Begins to accept; from then on every `listen()` accepts at once. */
  accept(): void;
}

/** The parts of the preload that listening needs. */
export interface ListenParts {
  /** The listen() of the app without newel. */
  readonly original: Listen;
  readonly targets: readonly Target[];
  /** Listen, but accept no connection until {@link Inheritance.accept}. */
  readonly hold: boolean;
  /** Called for every server before it listens, inherited or not. */
  readonly onServer: (server: Server) => void;
  /** Called before a server gets a target; `false` means that another process of the replica has it. */
  readonly onTarget: (target: Target) => boolean;
  /** Whether another process of the replica has a target. */
  readonly isElsewhere: (target: Target) => boolean;
  /** Called when every target has a listening server, in this or another process. */
  readonly onReady: () => void;
  /** Asks the supervisor for the address to which a socket may be bound. */
  readonly ask: (
    target: string,
    hosts: readonly string[],
    members: readonly string[],
  ) => Promise<ListenAnswer | undefined>;
  /** Reports a listen() to the supervisor. */
  readonly tell: (report: ListenReport) => void;
}

/** One listen() of the app for a target. */
interface Call {
  readonly server: Server;
  readonly target: Target;
  readonly options: Readonly<Record<string, unknown>>;
  readonly asked: Asked;
}

/**
 * Gives the app's `listen()` calls the inherited sockets: net, http, https, http2 and every framework on
 * them. A `listen()` at any other address stays unchanged.
 *
 * A socket is never wider than the host that the app asks for. A target may follow the app: the supervisor
 * binds one of the inherited sockets to that host. Any other target has its address from the configuration,
 * and an app that asks for a narrower host is refused.
 *
 * In a node:cluster primary the sockets that it opens for its workers are inherited too, because it uses the
 * same `listen()`; workers ask their primary as without newel.
 */
export function inheritListen(parts: ListenParts): Inheritance {
  return new Listening(parts);
}

class Listening implements Inheritance {
  readonly taken = new Map<Server, ServerHandle>();
  readonly #parts: ListenParts;
  readonly #original: Listen;
  readonly #missing: Set<Target>;
  /** Inherited sockets that were opened, by name: a descriptor can be opened once. */
  readonly #opened = new Map<string, { handle: ServerHandle; server: Server }>();
  /** Inherited sockets that were opened but given to no server, because their address was too wide for it. */
  readonly #parked = new Map<string, ServerHandle>();
  readonly #held: (() => void)[] = [];
  #isHolding: boolean;

  constructor(parts: ListenParts) {
    this.#parts = parts;
    this.#original = parts.original;
    this.#missing = new Set(parts.targets);
    this.#isHolding = parts.hold;
  }

  get listen(): Listen {
    const begin = (server: Server, args: readonly unknown[]): Server => this.#listen(server, args);
    return function listen(this: Server, ...args: unknown[]): Server {
      return begin(this, args);
    };
  }

  accept(): void {
    this.#isHolding = false;
    for (const begin of this.#held.splice(0)) begin();
  }

  #listen(server: Server, args: readonly unknown[]): Server {
    if (Reflect.has(server, OWN_SERVER)) return this.#original.apply(server, [...args]);
    this.#parts.onServer(server);
    const { options, callback } = listenArguments(args);
    const target = this.#parts.targets.find((candidate) => asksFor(options, candidate));
    if (target === undefined || server.listening) {
      if (target === undefined) this.#watchElsewhere(server, options);
      return this.#original.apply(server, [...args]);
    }
    if (!this.#parts.onTarget(target)) {
      this.#original.apply(server, [...args]);
      server.once("listening", () => this.#arrived(target));
      return server;
    }
    if (callback !== undefined) server.once("listening", callback);
    this.#begin({ server, target, options, asked: askedOf(options) });
    // After the app's callback, so that READY is written only when the app knows that it listens.
    server.once("listening", () => this.#arrived(target));
    return server;
  }

  #begin(call: Call): void {
    const { server, target, asked } = call;
    if (target.path !== undefined) return this.#give(call, [], [target.name]);
    const known = "hosts" in asked ? asked.hosts : undefined;
    if (known !== undefined && target.follows !== true)
      return this.#give(call, known, [target.name]);
    const [first = EVERY] = known ?? [];
    const host = first === EVERY || first === IPV6_ONLY ? "::" : first;
    const pending = pendingHandle(host, target.port ?? 0);
    replaceHandle(server, pending);
    const settle = (action: () => void): void => {
      // The app closed the server since then.
      if (handleOf(server) !== pending) return;
      pending.close();
      replaceHandle(server, null);
      action();
    };
    this.#decide(call).then(
      (action) => process.nextTick(settle, action),
      (error: unknown) => process.nextTick(settle, () => server.emit("error", error)),
    );
  }

  /** Determines the address at which the app may listen; resolves to the last step. */
  async #decide(call: Call): Promise<() => void> {
    const { target, asked, server } = call;
    const hosts = await lookUp(asked);
    if (hosts === undefined) return () => this.#alone(call, "only Node.js itself can bind it");
    if (target.follows !== true) return () => this.#give(call, hosts, [target.name]);
    const answer = await this.#parts.ask(target.name, hosts, [...target.members.keys()]);
    const { port = 0 } = target;
    switch (answer?.kind) {
      case undefined:
        return () => void server.emit("error", unanswered(hosts, port));
      case "failed":
        return () => void server.emit("error", listenError(answer.code, answer.host, port));
      case "none":
        return () => this.#alone(call, "it has other addresses in this process already");
      case "bound":
        return () => this.#give(call, hosts, answer.sockets);
    }
  }

  /** Listens on the inherited sockets that no server of this process has. */
  #give(call: Call, hosts: readonly string[], names: readonly string[]): void {
    const { server, target, options } = call;
    const living = names
      .map((name) => this.#opened.get(name))
      .filter((opened) => opened !== undefined);
    const fresh = names.filter((name) => !this.#opened.has(name));
    const opened = fresh.flatMap((name) => {
      const handle = this.#open(target, name);
      return handle === undefined ? [] : [{ name, handle }];
    });
    const wide = opened.find(({ handle }) => !isNarrow(handle, hosts, target));
    if (wide !== undefined) {
      for (const { name, handle } of opened) this.#parked.set(name, handle);
      return this.#refuse(call, hosts, hostOf(wide.handle) ?? EVERY);
    }
    const other = living.find((former) => this.taken.has(former.server));
    if (opened.length === 0 && other === undefined) {
      if (living.length > 0)
        // The descriptor was closed with the server, and Node cannot open it a second time.
        report(`the app has closed the socket ${target.name}; listen() does without it`);
      return void this.#original.call(server, alone(options));
    }
    closeOnAbort(server, options["signal"]);
    const [first] = opened;
    if (first === undefined) {
      if (other !== undefined)
        listenOnHandle(server, standIn(other.handle, true), backlogOf(target), target.path);
      return;
    }
    for (const { name, handle } of opened) this.#opened.set(name, { handle, server });
    const joined = joinHandles(opened.map(({ handle }) => handle));
    this.#take(server, joined);
    listenOnHandle(server, joined, backlogOf(target), target.path);
  }

  #take(server: Server, handle: ServerHandle): void {
    if (this.#isHolding) this.#held.push(holdBack(handle, (errno) => failListen(server, errno)));
    this.taken.set(server, handle);
    server.once("close", () => this.taken.delete(server));
  }

  // The app's listen() must not throw because of newel.
  #open(target: Target, name: string): ServerHandle | undefined {
    const parked = this.#parked.get(name);
    if (parked !== undefined) return parked;
    try {
      const fd = target.follows !== true ? target.fd : target.members.get(name);
      return takeInherited({ ...target, name, fd });
    } catch (error) {
      report(`the socket ${name} cannot be taken (${messageOf(error)})`);
      return undefined;
    }
  }

  /** The address of the configuration is binding, but the app asks for a narrower one. */
  #refuse({ server, target }: Call, hosts: readonly string[], bound: string): void {
    const { port = 0 } = target;
    const asked = hosts.map((host) => listenAddress(host, port)).join(" and ");
    const held = listenAddress(bound, port);
    const setting = listenSetting(hosts, port);
    const why = `the app asks for ${asked}, and the socket of its configuration is ${held}, which more clients reach: write ${setting}`;
    report(why);
    this.#parts.tell({ kind: "refused", why });
    // A primary of node:cluster passes the number on to its workers.
    const errno = -constants.errno.EACCES;
    const error = newelError("NEWEL_E_LISTEN_WIDER", { asked, held, setting });
    Object.assign(error, { errno });
    process.nextTick(() => server.emit("error", error));
  }

  /** Calls the original listen(): the socket belongs to the app, and ends with this process. */
  #alone({ server, target, options }: Call, why: string): void {
    report(`newel does not hold this address of ${target.name}: ${why}; listen() does without it`);
    this.#original.call(server, alone(options));
  }

  #arrived(target: Target): void {
    if (!this.#missing.delete(target)) return;
    if ([...this.#missing].every((other) => this.#parts.isElsewhere(other))) this.#parts.onReady();
  }

  /**
   * Reports an app that listens elsewhere and never on its target: its configuration is most likely wrong.
   */
  #watchElsewhere(server: Server, options: Readonly<Record<string, unknown>>): void {
    const port = Number(options["port"]);
    if (!Number.isInteger(port) || port < 1 || port > 65_535) return;
    server.once("listening", () => {
      const waits = [...this.#missing].some(
        (target) => target.port !== undefined && !this.#parts.isElsewhere(target),
      );
      if (waits) this.#parts.tell({ kind: "elsewhere", port });
    });
  }
}

function asksFor(options: Readonly<Record<string, unknown>>, target: Target): boolean {
  const { port, path, fd, handle, _handle } = options;
  // The app found the number by a reference. A member that is not bound yet would listen on any port.
  if (typeof fd === "number") return fd === target.fd || [...target.members.values()].includes(fd);
  if (fd !== undefined || handle !== undefined || _handle !== undefined) return false;
  if (target.port !== undefined) return Number(port) === target.port;
  if (typeof path !== "string" || target.path === undefined || port !== undefined) return false;
  return comparablePath(path) === comparablePath(target.path);
}

/** Whether a socket is reached by no client that the asked hosts exclude. */
function isNarrow(handle: ServerHandle, hosts: readonly string[], { follows }: Target): boolean {
  const host = hostOf(handle);
  // Node.js cannot distinguish a `::` socket with IPv4 from one without; the supervisor has made the requested
  // kind.
  const isOnly = host === "::" && follows === true && hosts.includes(IPV6_ONLY);
  return host === undefined || isOnly || isWithin(host, hosts);
}

/** The arguments for Node's listen(), without the callback and abort signal, which newel handles. */
function alone(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return { ...options, signal: undefined };
}

// Handles `{ signal }` as Node's listen() does.
function closeOnAbort(server: Server, signal: unknown): void {
  if (!(signal instanceof AbortSignal)) return;
  const listener = addAbortListener(signal, () => server.close());
  server.once("close", () => listener[Symbol.dispose]());
}

function failListen(server: Server, errno: number): void {
  const code = getSystemErrorName(errno);
  server.emit(
    "error",
    Object.assign(new Error(`listen ${code}`), { code, errno, syscall: "listen" }),
  );
}

/** The error that Node's own listen() would have emitted. */
function listenError(code: string, host: string, port: number): Error {
  const known = [...getSystemErrorMap()].find(([, [name]]) => name === code);
  const [errno, [, text]] = known ?? [0, [code, "it failed"]];
  const address = host === EVERY || host === IPV6_ONLY ? "::" : host;
  const message = `listen ${code}: ${text} ${address}:${port}`;
  return Object.assign(new Error(message), { code, errno, syscall: "listen", address, port });
}

function unanswered(hosts: readonly string[], port: number): Error {
  const asked = hosts.map((host) => listenAddress(host, port)).join(" and ");
  const errno = -constants.errno.ETIMEDOUT;
  return Object.assign(newelError("NEWEL_E_LISTEN_UNANSWERED", { asked }), { errno });
}
