import { closeSync } from "node:fs";

import { storedName } from "../kernel/stored-names.ts";
import { bindDatagramReceiver, type Datagram, type DatagramReceiver } from "../posix/receive.ts";

/** An event reports a message a moment before it has arrived. */
const ARRIVAL_MS = 50;

/**
 * The second holder of the kernel's sockets. A new kernel that is not permitted to take the sockets from the
 * processes that serve them (ptrace rights) gets them from this object. The messages are those of systemd's
 * fd store, of which it supports names and descriptors only.
 */
export class SocketHolder {
  readonly #receiver: DatagramReceiver;
  readonly #held = new Map<string, number>();

  /** @param path - where the kernel sends to; bound at once */
  constructor(path: string) {
    this.#receiver = bindDatagramReceiver(path);
  }

  /** The sockets held now, by the names they were sent under. */
  get stored(): Readonly<Record<string, number>> {
    this.receive();
    return Object.fromEntries(this.#held);
  }

  /** The descriptor of a socket by its name in the kernel. */
  find(name: string): number | undefined {
    return this.#held.get(storedName(name));
  }

  /** Receives the messages that have arrived. */
  receive(): void {
    for (let next = this.#receiver.receive(); next !== undefined; next = this.#receiver.receive())
      this.#take(next);
  }

  /** The same after a moment: Node.js cannot wait for such a socket. */
  receiveSoon(): void {
    setTimeout(() => this.receive(), ARRIVAL_MS).unref();
  }

  close(): void {
    this.#receiver.close();
    for (const fd of this.#held.values()) closeSync(fd);
    this.#held.clear();
  }

  #take({ text, fd }: Datagram): void {
    const lines = text.split("\n");
    const name = lines.find((line) => line.startsWith("FDNAME="))?.slice("FDNAME=".length);
    const keeps = name !== undefined && fd !== undefined && lines[0] === "FDSTORE=1";
    if (name !== undefined && (keeps || lines[0] === "FDSTOREREMOVE=1")) this.#drop(name);
    if (keeps) this.#held.set(name, fd);
    else if (fd !== undefined) closeSync(fd);
  }

  #drop(name: string): void {
    const fd = this.#held.get(name);
    if (fd !== undefined) closeSync(fd);
    this.#held.delete(name);
  }
}
