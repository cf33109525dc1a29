import { chownSync, closeSync, openSync, rmSync } from "node:fs";

import { newelError } from "../base/errors.ts";
import type { Home } from "../base/home.ts";
import { makeFifo, openFifoHolder, openFifoReader } from "../posix/fifo.ts";
import type { ProcessRequest, StreamName } from "./api.ts";
import type { Launch } from "./launch.ts";
import { fifoPath } from "./managed-process.ts";

type PipeName = StreamName | "notify";

/** The FIFOs of a process that is about to start: the end it gets, and the one that is read here. */
export class Pipes {
  readonly #home: Home;
  readonly #id: string;
  readonly #readers = new Map<PipeName, number>();
  readonly #holders = new Map<PipeName, number>();
  readonly #own: number[] = [];

  /** @param id - what the files of the process are called by */
  constructor(home: Home, id: string) {
    this.#home = home;
    this.#id = id;
  }

  make(name: PipeName, { uid, gid }: Launch): void {
    const path = fifoPath(this.#home, this.#id, name);
    makeFifo(path);
    this.#readers.set(name, openFifoReader(path));
    // Opening /dev/stdout asks for the right to the FIFO itself.
    if (uid !== undefined) chownSync(path, uid, gid ?? 0);
    const holder = openFifoHolder(path);
    this.#holders.set(name, holder);
    this.#own.push(holder);
  }

  reader(name: PipeName): number {
    return need(this.#readers, name);
  }

  /** The descriptors the program gets: 0 to 2, its sockets, the notify pipe. */
  descriptors(request: ProcessRequest, sockets: readonly number[]): number[] {
    const none = openSync("/dev/null", "r+");
    this.#own.push(none);
    const out = this.#holders.get("out") ?? none;
    const err = request.stderr === "stdout" ? out : (this.#holders.get("err") ?? none);
    const notify = request.notify === true ? [need(this.#holders, "notify")] : [];
    return [none, out, err, ...sockets, ...notify];
  }

  /** A descriptor that is only for the program. */
  closeLater(fd: number): void {
    this.#own.push(fd);
  }

  /** The program has descriptors of its own by now, or will never have any. */
  closeOwn(): void {
    for (const fd of this.#own.splice(0)) closeSync(fd);
  }

  /** The process could not be started: nothing of it stays. */
  remove(): void {
    for (const [name, fd] of this.#readers) {
      closeSync(fd);
      rmSync(fifoPath(this.#home, this.#id, name), { force: true });
    }
    this.#readers.clear();
  }
}

function need(map: ReadonlyMap<PipeName, number>, name: PipeName): number {
  const fd = map.get(name);
  if (fd === undefined) throw newelError("NEWEL_E_INTERNAL", { what: `no descriptor for ${name}` });
  return fd;
}
