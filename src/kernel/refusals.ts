import { messageOf } from "../base/errors.ts";
import {
  allowTcp,
  dismissClients,
  dropDatagrams,
  limitAccept,
  refuseTcp,
} from "../posix/refuse.ts";
import { type Address, listen } from "../posix/sockets.ts";
import type { SocketInfo } from "./api.ts";
import type { Journal } from "./journal.ts";
import type { JournalRecord } from "./journal-records.ts";
import { isUnbound } from "./late-sockets.ts";
import type { Pump } from "./pump.ts";

/** How long accept(2) may wait for a client that has gone, in milliseconds. */
const ACCEPT_MS = 1;
/**
 * The delay before clients that could not be dismissed, such as for lack of descriptors, are tried again, in
 * milliseconds.
 */
const RETRY_MS = 200;

/** The facts about an open socket that a refusal needs. */
export interface Refusable {
  readonly fd: number;
  readonly info: SocketInfo;
  readonly address: Address;
}

/**
 * The sockets that refuse their clients, and the method for each kind.
 *
 * | kind | a client gets | method |
 * |---|---|---|
 * | TCP | ECONNREFUSED | shutdown(2): the socket is bound and does not listen |
 * | Unix stream, seqpacket | an end at once | the kernel accepts and closes; see below |
 * | datagrams | nothing, and never waits | the kernel drops them |
 *
 * shutdown(2) of a listening Unix socket cannot be undone, and a path that refuses connections looks
 * abandoned to other programs, which then replace the file. So the kernel answers there itself.
 *
 * This class owns the names: they are journalled, and kept over a reboot for the socket that is made again.
 */
export class Refusals {
  readonly #names: Set<string>;
  /** Descriptors of sockets whose clients the kernel dismisses. */
  readonly #watched = new Map<string, number>();
  readonly #retries = new Map<string, NodeJS.Timeout>();
  readonly #journal: Journal;
  readonly #pump: Pump;
  readonly #notice: (text: string) => void;

  /** @param past - the names that an earlier kernel journalled */
  constructor(
    past: Iterable<string>,
    parts: { journal: Journal; pump: Pump; notice: (text: string) => void },
  ) {
    this.#names = new Set(past);
    this.#journal = parts.journal;
    this.#pump = parts.pump;
    this.#notice = parts.notice;
  }

  has(name: string): boolean {
    return this.#names.has(name);
  }

  /**
   * Makes the socket refuse its clients; without a descriptor, as soon as {@link apply} is called with one.
   */
  begin(name: string, socket: Refusable | undefined): void {
    this.#journal.commit({ type: "socket refusing", name, refusing: true });
    this.#names.add(name);
    try {
      if (socket !== undefined) this.apply(socket);
    } catch (error) {
      this.end(name, socket);
      throw error;
    }
  }

  /** Lets the socket's clients wait for a process again. */
  end(name: string, socket: Refusable | undefined): void {
    this.#journal.release({ type: "socket refusing", name, refusing: false });
    this.#names.delete(name);
    this.release(name);
    if (socket === undefined) return;
    if (isUnbound(socket.info)) return;
    if (isTcp(socket.info)) {
      allowTcp(socket.fd);
      if (socket.info.reuseport !== true) listen(socket.fd, socket.info.backlog);
    } else limitAccept(socket.fd, 0);
  }

  /**
   * Makes a descriptor refuse clients if its socket must refuse: after the descriptor was opened, recovered or
   * received.
   */
  apply({ fd, info, address }: Refusable): void {
    if (!this.#names.has(info.name) || isUnbound(info)) return;
    if (isTcp(info)) {
      const device = info.interface === undefined ? {} : { interface: info.interface };
      refuseTcp(fd, address, { type: info.type, ...device, chosen: info.later !== true });
      return;
    }
    limitAccept(fd, ACCEPT_MS);
    this.#watched.set(info.name, fd);
    this.#dismiss(fd, info);
  }

  /** Call before the descriptor is closed. */
  release(name: string): void {
    clearTimeout(this.#retries.get(name));
    this.#retries.delete(name);
    const fd = this.#watched.get(name);
    if (fd === undefined) return;
    this.#watched.delete(name);
    this.#pump.unwatch(fd);
  }

  /** Forgets a removed socket: a later socket of the same name serves. */
  forget(name: string): void {
    this.release(name);
    this.#names.delete(name);
  }

  *snapshot(): Iterable<JournalRecord> {
    for (const name of this.#names) yield { type: "socket refusing", name, refusing: true };
  }

  #dismiss(fd: number, info: SocketInfo): void {
    if (this.#watched.get(info.name) !== fd) return;
    this.#pump.unwatch(fd);
    try {
      if (info.type === "dgram") dropDatagrams(fd);
      else dismissClients(fd);
      this.#pump.watch(fd, () => this.#dismiss(fd, info));
    } catch (error) {
      this.#notice(`The clients of ${info.name} could not be refused: ${messageOf(error)}`);
      const retry = setTimeout(() => this.#dismiss(fd, info), RETRY_MS).unref();
      this.#retries.set(info.name, retry);
    }
  }
}

function isTcp({ family, type }: SocketInfo): boolean {
  return family !== "unix" && type === "stream";
}
