import { closeSync } from "node:fs";
import { isIP, isIPv4, isIPv6 } from "node:net";

import { newelError } from "../base/errors.ts";
import { checkName, matches } from "../base/names.ts";
import { endListening } from "../posix/late-bind.ts";
import { type Address, bindSocket, boundPort, listen } from "../posix/sockets.ts";
import type { BindRequest, Kernel, SocketFamily, SocketInfo, SocketRequest } from "./api.ts";
import type { EventLog } from "./events.ts";
import type { Journal } from "./journal.ts";
import type { JournalRecord, SocketRecord } from "./journal-records.ts";
import {
  canonicalPath,
  checkSocketPath,
  clearPath,
  pathOfOther,
  removeSocketFile,
  type SocketFile,
  socketFileAt,
} from "./socket-paths.ts";
import {
  asFound,
  bindLater,
  canonicalHost,
  isUnbound,
  openLater,
  orInUse,
  settleLater,
} from "./late-sockets.ts";
import type { Refusable, Refusals } from "./refusals.ts";

const WILDCARD = { inet: "0.0.0.0", inet6: "::" } as const;
const LOOPBACK = { inet: "127.0.0.1", inet6: "::1" } as const;

/** A socket the kernel holds. */
interface Held {
  readonly info: SocketInfo;
  /**
   * The kernel's own copy. Missing after a crash while only processes have it that the kernel may not
   * take it from: a second one beside theirs would get connections that nobody accepts.
   */
  readonly fd: number | undefined;
  /** The file of a Unix socket, as the kernel made it. */
  readonly file?: SocketFile;
}

/** A socket that is open here. */
interface Open extends Held {
  readonly fd: number;
}

/** The listening sockets: made once, never closed until removed. */
export class SocketTable {
  readonly #held = new Map<string, Held>();
  readonly #journal: Journal;
  readonly #events: EventLog;
  readonly #refusals: Refusals;
  readonly #servers: (name: string) => number;
  #holders = 0;

  /** @param servers - how many running processes were given a socket */
  constructor(
    journal: Journal,
    events: EventLog,
    refusals: Refusals,
    servers: (name: string) => number,
  ) {
    this.#journal = journal;
    this.#events = events;
    this.#refusals = refusals;
    this.#servers = servers;
  }

  /** Whether somebody beside the kernel keeps copies of all of them. */
  get heldElsewhere(): boolean {
    return this.#holders > 0;
  }

  readonly verbs: Kernel["sockets"] = {
    make: (request) => {
      const wanted = settle(request);
      const existing = this.#held.get(request.name);
      if (existing !== undefined) {
        if (sameSettings(wanted, existing.info)) return this.#shown(existing);
        throw newelError("NEWEL_E_EXISTS", {
          noun: "Socket",
          name: request.name,
          existing: JSON.stringify(existing.info),
        });
      }
      this.#checkPath(wanted);
      const held = isUnbound(wanted)
        ? openLater(wanted, !this.#hasPort(wanted.port))
        : open(wanted, true);
      this.#commit(held);
      this.#held.set(request.name, held);
      this.#refusals.apply(refusable(held));
      this.#events.record({ type: "made", noun: "socket", name: request.name });
      return this.#shown(held);
    },
    bind: (request) => this.#bind(request),
    list: (patterns = []) =>
      [...this.#held.values()]
        .map((held) => this.#shown(held))
        .filter(
          (info) => patterns.length === 0 || patterns.some((pattern) => covers(pattern, info)),
        )
        .sort((a, b) => (a.name < b.name ? -1 : 1)),
    remove: (patterns) => {
      for (const pattern of patterns) for (const info of this.#found(pattern)) this.#remove(info);
    },
    refuse: (patterns) => {
      // One that is not bound has no clients.
      const found = patterns
        .flatMap((pattern) => this.#found(pattern))
        .filter((info) => !isUnbound(info));
      for (const info of found) this.#checkRefusable(info);
      for (const { name } of found) this.#setRefusing(name, true);
      return found.flatMap(({ name }) => this.verbs.list([name]));
    },
    serve: (patterns) => {
      const found = patterns.flatMap((pattern) => this.#found(pattern));
      for (const { name } of found) this.#setRefusing(name, false);
      return found.flatMap(({ name }) => this.verbs.list([name]));
    },
    addHolder: () => {
      this.#holders += 1;
      return () => {
        this.#holders -= 1;
      };
    },
  };

  /** The descriptor a process gets for a socket: the kernel's, or a fresh one where each has its own. */
  descriptorFor(name: string): {
    readonly fd: number;
    readonly info: SocketInfo;
    readonly fresh: boolean;
  } {
    const held = this.#held.get(name);
    if (held === undefined) throw newelError("NEWEL_E_SOCKET_MISSING", { name });
    this.#setRefusing(name, false);
    const { info, fd } = held;
    if (info.reuseport === true) return { fd: openShare(info), info, fresh: true };
    return { fd: fd ?? this.#openPostponed(held).fd, info, fresh: false };
  }

  /** The info of a socket a process refers to. */
  find(name: string): SocketInfo {
    const held = this.#held.get(name);
    if (held === undefined) throw newelError("NEWEL_E_SOCKET_MISSING", { name });
    return held.info;
  }

  get size(): number {
    return this.#held.size;
  }

  *snapshot(): Iterable<JournalRecord> {
    for (const held of this.#held.values()) yield toRecord(held);
    yield* this.#refusals.snapshot();
  }

  /** Binds a socket of an earlier kernel again; a process may still hold the old one. */
  restore({ info, file }: SocketRecord): void {
    const opened = open(info, false, file);
    this.#held.set(info.name, opened);
    this.#refusals.apply(refusable(opened));
  }

  /** Leaves a socket of an earlier kernel to the processes that have it, until it is needed here. */
  postpone({ info: past, file }: SocketRecord): void {
    const info = Object.fromEntries(Object.entries(past).filter(([key]) => key !== "fileno"));
    this.#held.set(past.name, {
      info: info as unknown as SocketInfo,
      fd: undefined,
      ...(file === undefined ? {} : { file }),
    });
  }

  /** Opens what was postponed and has no living holder any more, so that connections wait again. */
  openAbandoned(isHeld: (name: string) => boolean): void {
    for (const held of this.#held.values())
      if (held.fd === undefined && !isHeld(held.info.name)) this.#openPostponed(held);
  }

  /** Takes over a descriptor that stands for a socket of an earlier kernel. */
  adopt({ info, file }: SocketRecord, fd: number): void {
    const fileno = info.reuseport === true ? {} : { fileno: fd };
    // A journal of an earlier version does not tell the file.
    const own = file ?? (info.path === undefined ? undefined : socketFileAt(info.path));
    const adopted = {
      fd,
      info: { ...asFound(info, fd), ...fileno },
      ...(own === undefined ? {} : { file: own }),
    };
    this.#held.set(info.name, adopted);
    this.#refusals.apply(refusable(adopted));
  }

  /** The kernel's descriptors by name, for a successor. */
  get descriptors(): Record<string, number> {
    return Object.fromEntries(
      [...this.#held].flatMap(([name, { fd }]) => (fd === undefined ? [] : [[name, fd]])),
    );
  }

  /** Leaves waiting clients to a successor of this kernel. */
  rest(): void {
    for (const name of this.#held.keys()) this.#refusals.release(name);
  }

  close(): void {
    for (const { fd } of this.#held.values()) if (fd !== undefined) closeSync(fd);
    this.#held.clear();
  }

  /** A new socket is known to the next kernel before it is given to a client, or it is closed again. */
  #commit(held: Open): void {
    try {
      this.#journal.commit(toRecord(held));
    } catch (error) {
      if (held.info.path !== undefined) removeSocketFile(held.info.path, held.file);
      closeSync(held.fd);
      throw error;
    }
  }

  /** One path has one socket, however it is written. */
  #checkPath({ path }: SocketInfo): void {
    if (path === undefined) return;
    const wanted = canonicalPath(path);
    for (const { info } of this.#held.values())
      if (info.path !== undefined && canonicalPath(info.path) === wanted)
        throw pathOfOther(path, info.name);
  }

  #bind({ name, host, ipv6Only }: BindRequest): SocketInfo {
    const held = this.#held.get(name);
    if (held === undefined) throw newelError("NEWEL_E_NOT_FOUND", { name, noun: "sockets" });
    const { family } = held.info;
    if (held.info.later !== true || family === "unix")
      throw newelError("NEWEL_E_COMMAND", { what: `Socket ${name} has its address already` });
    const info: SocketInfo = {
      ...held.info,
      host: canonicalHost(numericHost(host, family)),
      ...(ipv6Only === true && host === "::" && { ipv6Only: true as const }),
    };
    if (!isUnbound(held.info)) {
      if (held.info.host === info.host && held.info.ipv6Only === info.ipv6Only) return held.info;
      const existing = JSON.stringify(held.info);
      throw newelError("NEWEL_E_EXISTS", { noun: "Socket", name, existing });
    }
    const fd = held.fd ?? this.#openPostponed(held).fd;
    bindLater(fd, info, !this.#hasPort(info.port, true));
    const bound = { fd, info: { ...info, fileno: fd } };
    // Bound it stays, whatever becomes of the line: the next kernel reads the address from the socket.
    this.#held.set(name, bound);
    this.#journal.note(toRecord(bound));
    this.#events.record({ type: "bound", noun: "socket", name });
    return bound.info;
  }

  /** Whether a socket of the kernel has a TCP port, or has it bound. */
  #hasPort(port: number | undefined, bound = false): boolean {
    return [...this.#held.values()].some(
      ({ info }) => info.port === port && !(bound && isUnbound(info)),
    );
  }

  #openPostponed({ info, file }: Held): Open {
    const opened = open(info, false, file);
    this.#held.set(info.name, opened);
    this.#refusals.apply(refusable(opened));
    this.#events.record({ type: "made", noun: "socket", name: info.name });
    return opened;
  }

  #shown({ info }: Held): SocketInfo {
    return this.#refusals.has(info.name) ? { ...info, refusing: true } : info;
  }

  #found(pattern: string): readonly SocketInfo[] {
    const found = this.verbs.list([pattern]);
    if (found.length > 0 || pattern.endsWith("*")) return found;
    throw newelError("NEWEL_E_NOT_FOUND", { name: pattern, noun: "sockets" });
  }

  /** A running process would be cut off from its clients. */
  #checkRefusable({ name, type }: SocketInfo): void {
    if (type === "raw" || type === "rdm") {
      throw newelError("NEWEL_E_COMMAND", {
        what: `The socket ${name} cannot refuse clients: it is of type ${type}`,
      });
    }
    const processes = this.#servers(name);
    if (processes > 0) throw newelError("NEWEL_E_SOCKET_SERVED", { name, processes });
  }

  #setRefusing(name: string, refusing: boolean): void {
    const held = this.#held.get(name);
    if (held === undefined || this.#refusals.has(name) === refusing) return;
    const socket = isOpen(held) ? refusable(held) : undefined;
    if (refusing) this.#refusals.begin(name, socket);
    else this.#refusals.end(name, socket);
    this.#events.record({ type: refusing ? "refusing" : "serving", noun: "socket", name });
  }

  #remove(info: SocketInfo): void {
    const held = this.#held.get(info.name);
    if (held === undefined) return;
    this.#journal.release({ type: "socket removed", name: info.name });
    this.#held.delete(info.name);
    this.#refusals.forget(info.name);
    // Before it is closed: until then no other file can have the number of this one.
    if (info.path !== undefined) removeSocketFile(info.path, held.file);
    // Processes have copies of it that none of them reads: they must not keep the address open.
    if (held.fd !== undefined && held.info.later === true) endListening(held.fd);
    if (held.fd !== undefined) closeSync(held.fd);
    this.#events.record({ type: "removed", noun: "socket", name: info.name });
  }
}

function isOpen(held: Held): held is Open {
  return held.fd !== undefined;
}

function refusable({ fd, info }: Open): Refusable {
  return { fd, info, address: addressOf(info) };
}

/** What a request asks for, with every default filled in. */
function settle(request: SocketRequest): SocketInfo {
  checkName(request.name, "The socket name");
  if (request.later === true) return settleLater(request);
  const common = {
    name: request.name,
    type: request.type ?? "stream",
    backlog: request.backlog ?? 5,
  };
  if (request.path !== undefined || request.family === "unix") {
    return {
      ...common,
      family: "unix",
      path: checkSocketPath(request.path),
      ...(request.umask === undefined ? {} : { umask: request.umask }),
    };
  }
  const family =
    request.family ?? (request.host !== undefined && isIPv6(request.host) ? "inet6" : "inet");
  const defaults = request.interface === undefined ? LOOPBACK : WILDCARD;
  return {
    ...common,
    family,
    host: numericHost(request.host ?? defaults[family], family),
    port: request.port ?? 0,
    ...(request.interface === undefined ? {} : { interface: request.interface }),
    ...(request.reuseport === true ? { reuseport: true } : {}),
  };
}

function numericHost(host: string, family: "inet" | "inet6"): string {
  if (host === "localhost") return LOOPBACK[family];
  const right = family === "inet" ? isIPv4(host) : isIPv6(host) && !host.includes("%");
  if (right) return host;
  const why = isIP(host) === 0 ? "it is no IP address" : `it is no ${family} address`;
  throw newelError("NEWEL_E_COMMAND", { what: `Bad host ${host}: ${why}` });
}

/** Whether an existing socket is what is asked for: a port of 0 matches any, reuseport is not compared. */
function sameSettings(wanted: SocketInfo, existing: SocketInfo): boolean {
  const keys = ["family", "type", "backlog", "umask", "interface", "later"] as const;
  const samePort = wanted.port === undefined || wanted.port === 0 || wanted.port === existing.port;
  const samePath =
    wanted.path === existing.path ||
    (wanted.path !== undefined &&
      existing.path !== undefined &&
      canonicalPath(wanted.path) === canonicalPath(existing.path));
  // The host of a socket made for later is decided by bind.
  const sameHost = wanted.later === true || wanted.host === existing.host;
  return samePort && samePath && sameHost && keys.every((key) => wanted[key] === existing[key]);
}

/** @param own - the file that an earlier kernel made for this socket */
function open(wanted: SocketInfo, fresh: boolean, own?: SocketFile): Open {
  if (wanted.later === true) return reopenLater(wanted);
  const address = addressOf(wanted);
  if (address.family === "unix") return openUnix(wanted, address, own);
  // A socket with SO_REUSEPORT can be bound again beside a holder after a crash. It would also join
  // a stranger's, so a new one is first tried without.
  if (fresh && address.port !== 0 && wanted.type !== "raw")
    closeSync(bind(address, wanted, false, true));
  const fd = bind(address, wanted, true, false);
  const info = { ...wanted, port: wanted.type === "raw" ? (wanted.port ?? 0) : boundPort(fd) };
  if (wanted.reuseport === true) return { fd, info };
  if (listens(wanted)) listenOrClose(fd, wanted.backlog);
  return { fd, info: { ...info, fileno: fd } };
}

/** A socket made for later, after no holder of it was left. */
function reopenLater(wanted: SocketInfo): Open {
  const { fd, info } = openLater(wanted, false);
  if (isUnbound(wanted)) return { fd, info };
  try {
    bindLater(fd, wanted, false);
    listen(fd, wanted.backlog);
    return { fd, info };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** A socket of its own on a reserved port, for one process: ready for accept, as the others are. */
function openShare(info: SocketInfo): number {
  const { fd } = open(info, false);
  if (listens(info)) listenOrClose(fd, info.backlog);
  return fd;
}

function listens({ type }: SocketInfo): boolean {
  return type === "stream" || type === "seqpacket";
}

function openUnix(
  wanted: SocketInfo,
  address: Extract<Address, { family: "unix" }>,
  own: SocketFile | undefined,
): Open {
  clearPath(address.path, own);
  const before = process.umask(wanted.umask ?? process.umask());
  try {
    const fd = bind(address, wanted, false, false);
    if (listens(wanted)) listenOrClose(fd, wanted.backlog);
    const file = socketFileAt(address.path);
    return { fd, info: { ...wanted, fileno: fd }, ...(file === undefined ? {} : { file }) };
  } finally {
    process.umask(before);
  }
}

/** A trial listens too: with SO_REUSEADDR alone the bind succeeds beside a socket that only is bound. */
function bind(address: Address, wanted: SocketInfo, reuseport: boolean, trial: boolean): number {
  return orInUse(address, () => {
    const fd = bindSocket(address, {
      type: wanted.type,
      reuseport,
      ...(wanted.interface === undefined ? {} : { interface: wanted.interface }),
    });
    if (trial && wanted.type === "stream") listenOrClose(fd, 1);
    return fd;
  });
}

function listenOrClose(fd: number, backlog: number): void {
  try {
    listen(fd, backlog);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function toRecord({ info, file }: Held): SocketRecord {
  return { type: "socket", info, ...(file === undefined ? {} : { file }) };
}

/** Where a socket is bound. */
export function addressOf(info: SocketInfo): Address {
  const family: SocketFamily = info.family;
  if (family === "unix") return { family, path: info.path ?? "" };
  return { family, host: info.host ?? LOOPBACK[family], port: info.port ?? 0 };
}

function covers(pattern: string, info: SocketInfo): boolean {
  return (
    matches(pattern, info.name) || (info.fileno !== undefined && pattern === String(info.fileno))
  );
}
