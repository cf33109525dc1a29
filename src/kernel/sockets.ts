import { closeSync } from "node:fs";

import { newelError } from "../base/errors.ts";
import { matches } from "../base/names.ts";
import { endListening } from "../posix/late-bind.ts";
import type { BindRequest, Kernel, SocketInfo } from "./api.ts";
import type { EventLog } from "./events.ts";
import type { Journal } from "./journal.ts";
import type { JournalRecord, SocketRecord } from "./journal-records.ts";
import { asFound, bindLater, canonicalHost, isUnbound, openLater } from "./late-sockets.ts";
import { addressOf, type Held, isOpen, type Open, open, openShare } from "./open-socket.ts";
import type { Refusable, Refusals } from "./refusals.ts";
import { canonicalPath, pathOfOther, removeSocketFile, socketFileAt } from "./socket-paths.ts";
import { isRetiredSocket, retireSocket } from "./retired.ts";
import { numericHost, sameSettings, settle } from "./socket-request.ts";

/** The listening sockets: made once, never closed until removed. */
export class SocketTable {
  readonly #held = new Map<string, Held>();
  readonly #journal: Journal;
  readonly #events: EventLog;
  readonly #refusals: Refusals;
  readonly #servers: (name: string) => number;
  #holders = 0;

  /** @param servers - returns how many running processes were given a socket */
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

  /** Whether another program, in addition to the kernel, keeps copies of all sockets. */
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
        : open(wanted, !(request.overlap === true && this.#hasOverlap(wanted)));
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
      // A socket without an address has no clients.
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
    retire: (patterns) => {
      const found = patterns.flatMap((pattern) => this.#found(pattern));
      return found.map((info) => {
        const { fd } = this.#held.get(info.name) ?? {};
        return { ...info, waiting: fd === undefined ? 0 : retireSocket(fd, info) };
      });
    },
    addHolder: () => {
      this.#holders += 1;
      return () => {
        this.#holders -= 1;
      };
    },
  };

  /**
   * The descriptor a process gets for a socket: the kernel's, or a new one where each process has its own
   * socket.
   */
  descriptorFor(name: string): {
    readonly fd: number;
    readonly info: SocketInfo;
    readonly fresh: boolean;
  } {
    const held = this.#held.get(name);
    if (held === undefined) throw newelError("NEWEL_E_SOCKET_MISSING", { name });
    this.#setRefusing(name, false);
    const { info } = held;
    if (info.reuseport === true) return { fd: openShare(info), info, fresh: true };
    const fd = this.#servingDescriptor(held);
    return { fd, info: { ...info, fileno: fd }, fresh: false };
  }

  /** A retired socket cannot be used again without rights: the address is bound a second time. */
  #servingDescriptor(held: Held): number {
    const { fd } = held;
    if (fd === undefined) return this.#openPostponed(held).fd;
    if (!isRetiredSocket(fd, held.info)) return fd;
    const next = this.#openPostponed(held).fd;
    closeSync(fd);
    return next;
  }

  /** The info of a socket that a process refers to. */
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

  /**
   * Leaves a socket of an earlier kernel to the processes that have it, until the kernel needs a descriptor.
   */
  postpone({ info: past, file }: SocketRecord): void {
    const info = Object.fromEntries(Object.entries(past).filter(([key]) => key !== "fileno"));
    this.#held.set(past.name, {
      info: info as unknown as SocketInfo,
      fd: undefined,
      ...(file === undefined ? {} : { file }),
    });
  }

  /** Opens the postponed sockets without a living holder, so that connections wait again. */
  openAbandoned(isHeld: (name: string) => boolean): void {
    for (const held of this.#held.values())
      if (held.fd === undefined && !isHeld(held.info.name)) this.#openPostponed(held);
  }

  /** Takes over the descriptor of a socket of an earlier kernel. */
  adopt({ info, file }: SocketRecord, fd: number): void {
    const fileno = info.reuseport === true ? {} : { fileno: fd };
    // A journal of an earlier version does not record the file.
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

  /** Stops dismissing clients: waiting clients are left to a successor of this kernel. */
  rest(): void {
    for (const name of this.#held.keys()) this.#refusals.release(name);
  }

  close(): void {
    for (const { fd } of this.#held.values()) if (fd !== undefined) closeSync(fd);
    this.#held.clear();
  }

  /** Journals a new socket before it is given to a client, or closes it again. */
  #commit(held: Open): void {
    try {
      this.#journal.commit(toRecord(held));
    } catch (error) {
      if (held.info.path !== undefined) removeSocketFile(held.info.path, held.file);
      closeSync(held.fd);
      throw error;
    }
  }

  /** One path has one socket, however the path is spelled. */
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
    // The socket stays bound even if the line is lost: the next kernel reads the address from the socket.
    this.#held.set(name, bound);
    this.#journal.note(toRecord(bound));
    this.#events.record({ type: "bound", noun: "socket", name });
    return bound.info;
  }

  /** Whether a socket of the kernel is configured for a TCP port; with `bound`, whether one is bound to it. */
  #hasPort(port: number | undefined, bound = false): boolean {
    return [...this.#held.values()].some(
      ({ info }) => info.port === port && !(bound && isUnbound(info)),
    );
  }

  /**
   * Whether a socket of the kernel shares the port on another host. Two sockets on one address would share
   * their clients.
   */
  #hasOverlap({ type, host, port, path }: SocketInfo): boolean {
    if (type !== "stream" || path !== undefined) return false;
    const others = [...this.#held.values()].filter(
      ({ info }) => info.type === type && info.port === port && info.reuseport !== true,
    );
    return others.length > 0 && others.every(({ info }) => info.host !== host);
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

  /** Refuses to cut a running process off from its clients. */
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
    // Removed before the close: until the close no other file can have this inode number.
    if (info.path !== undefined) removeSocketFile(info.path, held.file);
    // Processes have copies that none of them reads: the copies must not keep the address open.
    if (held.fd !== undefined && held.info.later === true) endListening(held.fd);
    if (held.fd !== undefined) closeSync(held.fd);
    this.#events.record({ type: "removed", noun: "socket", name: info.name });
  }
}

function refusable({ fd, info }: Open): Refusable {
  return { fd, info, address: addressOf(info) };
}

function toRecord({ info, file }: Held): SocketRecord {
  return { type: "socket", info, ...(file === undefined ? {} : { file }) };
}

function covers(pattern: string, info: SocketInfo): boolean {
  return (
    matches(pattern, info.name) || (info.fileno !== undefined && pattern === String(info.fileno))
  );
}
