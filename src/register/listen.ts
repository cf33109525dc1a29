import { addAbortListener } from "node:events";
import { Server } from "node:net";
import { constants } from "node:os";
import { getSystemErrorMap, getSystemErrorName } from "node:util";

import { messageOf } from "../base/errors.ts";
import {
  EVERY,
  IPV6_ONLY,
  isWithin,
  type ListenAnswer,
  type ListenReport,
  listenAddress,
  listenSetting,
} from "../base/listening.ts";

import { OWN_SERVER } from "../base/preload.ts";
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

/** The supervisor's sockets have this backlog; the app's own, smaller one would shrink it for all. */
const BACKLOG = 4_096;

type Listen = (this: Server, ...args: unknown[]) => Server;

/** The app's listening on the sockets of the supervisor. */
export interface Inheritance {
  /** Each server that listens on an inherited socket, with the handle that accepts. */
  readonly taken: ReadonlyMap<Server, ServerHandle>;
  /** Begins to accept; from then on every `listen()` accepts at once. */
  accept(): void;
}

/** What listening needs of the rest of the preload. */
export interface ListenParts {
  readonly targets: readonly Target[];
  /** Listen, but accept nothing until {@link Inheritance.accept}. */
  readonly hold: boolean;
  /** Called for every server before it listens, inherited or not. */
  readonly onServer: (server: Server) => void;
  /** Called before a server gets a target; `false`: another process of the replica has it. */
  readonly onTarget: (target: Target) => boolean;
  /** Whether another process of the replica has a target. */
  readonly isElsewhere: (target: Target) => boolean;
  /** Called when every target has a server that listens, here or in another process. */
  readonly onReady: () => void;
  /** Asks the supervisor where a socket may be bound. */
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
 * Gives the app's own `listen()` calls the inherited sockets: net, http, https, http2 and every
 * framework on them. A `listen()` on anything else stays as it is.
 *
 * A socket is never wider than the host that the app asks for. A target may follow the app:
 * the supervisor binds one of the inherited sockets to that host. Any other target has its address from
 * the configuration, and an app that asks for less is refused.
 *
 * In a node:cluster primary the sockets that it opens for its workers are inherited too, since it
 * uses the same `listen()`; workers ask their primary as ever.
 */
export function inheritListen(parts: ListenParts): Inheritance {
  const listening = new Listening(parts);
  Server.prototype.listen = listening.replacement;
  return listening;
}

class Listening implements Inheritance {
  readonly taken = new Map<Server, ServerHandle>();
  readonly #parts: ListenParts;
  readonly #original = Reflect.get(Server.prototype, "listen") as Listen;
  readonly #missing: Set<Target>;
  /** Inherited sockets that were opened, by name: a descriptor can be opened once. */
  readonly #opened = new Map<string, { handle: ServerHandle; server: Server }>();
  /** Opened and given to no server, because their address was too wide for it. */
  readonly #parked = new Map<string, ServerHandle>();
  readonly #held: (() => void)[] = [];
  #isHolding: boolean;

  constructor(parts: ListenParts) {
    this.#parts = parts;
    this.#missing = new Set(parts.targets);
    this.#isHolding = parts.hold;
  }

  /** What stands in the place of `Server.prototype.listen`. */
  get replacement(): Listen {
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
    // After the app's own callback, so that READY is not written before the app knows.
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
      // The app has closed the server in between.
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

  /** Finds out where the app may listen; resolves with the last step. */
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

  /** Listens on inherited sockets, those of them that no server of this process has. */
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
        // The descriptor went with the server, and Node has no way to make a second one of it.
        report(`the app has closed the socket ${target.name}; listen() does without it`);
      return void this.#original.call(server, alone(options));
    }
    closeOnAbort(server, options["signal"]);
    const [first] = opened;
    if (first === undefined) {
      if (other !== undefined)
        listenOnHandle(server, standIn(other.handle, true), BACKLOG, target.path);
      return;
    }
    for (const { name, handle } of opened) this.#opened.set(name, { handle, server });
    const joined = joinHandles(opened.map(({ handle }) => handle));
    this.#take(server, joined);
    listenOnHandle(server, joined, BACKLOG, target.path);
  }

  #take(server: Server, handle: ServerHandle): void {
    if (this.#isHolding) this.#held.push(holdBack(handle, (errno) => failListen(server, errno)));
    this.taken.set(server, handle);
    server.once("close", () => this.taken.delete(server));
  }

  // The app's listen() must not throw for a reason of ours.
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

  /** The address of the configuration is binding, and the app asks for a narrower one. */
  #refuse({ server, target }: Call, hosts: readonly string[], bound: string): void {
    const { port = 0 } = target;
    const asked = hosts.map((host) => listenAddress(host, port)).join(" and ");
    const why = `the app asks for ${asked}, and the socket of its configuration is ${listenAddress(bound, port)}, which more clients reach: write ${listenSetting(hosts, port)}`;
    report(why);
    this.#parts.tell({ kind: "refused", why });
    const error = new Error(`listen: ${why}`);
    // A primary of node:cluster passes the number on to its workers.
    Object.assign(error, { code: "NEWEL_E_LISTEN_WIDER", errno: -constants.errno.EACCES });
    process.nextTick(() => server.emit("error", error));
  }

  /** listen() as without newel: the socket is the app's own, and ends with this process. */
  #alone({ server, target, options }: Call, why: string): void {
    report(`newel does not hold this address of ${target.name}: ${why}; listen() does without it`);
    this.#original.call(server, alone(options));
  }

  #arrived(target: Target): void {
    if (!this.#missing.delete(target)) return;
    if ([...this.#missing].every((other) => this.#parts.isElsewhere(other))) this.#parts.onReady();
  }

  /** An app that listens elsewhere and never on its target is most likely configured wrongly. */
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
  // Node.js does not tell a `::` without IPv4 from one with it; the supervisor made it as asked.
  const isOnly = host === "::" && follows === true && hosts.includes(IPV6_ONLY);
  return host === undefined || isOnly || isWithin(host, hosts);
}

/** The arguments for Node's own listen(), whose callback and abort signal are ours already. */
function alone(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return { ...options, signal: undefined };
}

// As Node's own listen() does for `{ signal }`.
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
  const message = `listen: newel's supervisor did not answer within 60 s where ${asked} may be served; any command, such as \`newel ps\`, starts a supervisor that is missing`;
  const errno = -constants.errno.ETIMEDOUT;
  return Object.assign(new Error(message), { code: "NEWEL_E_LISTEN_UNANSWERED", errno });
}
