import { chownSync, closeSync, openSync, rmSync } from "node:fs";

import { newelError } from "../base/errors.ts";
import type { Home } from "../base/home.ts";
import { makeFifo, openFifoHolder, openFifoReader } from "../posix/fifo.ts";
import type { ProcessRequest, StreamName } from "./process-api.ts";
import type { Launch } from "./launch.ts";
import { fifoPath } from "./managed-process.ts";

type PipeName = StreamName | "notify";

/**
 * The FIFOs of a process that is about to start: the ends for the process, and the ends that are read here.
 */
export class Pipes {
  readonly #home: Home;
  readonly #id: string;
  readonly #readers = new Map<PipeName, number>();
  readonly #holders = new Map<PipeName, number>();
  readonly #own: number[] = [];
  readonly #made = new Set<string>();

  /** @param id - the base name of the process's files */
  constructor(home: Home, id: string) {
    this.#home = home;
    this.#id = id;
  }

  make(name: PipeName, { uid, gid }: Launch): void {
    const path = fifoPath(this.#home, this.#id, name);
    makeFifo(path);
    this.#made.add(path);
    this.#readers.set(name, openFifoReader(path));
    // A process that opens /dev/stdout needs permission on the FIFO itself.
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

  /** Registers a descriptor that is only for the program. */
  closeLater(fd: number): void {
    this.#own.push(fd);
  }

  /** Closes the program's ends: the program has its descriptors by now, or will never be started. */
  closeOwn(): void {
    for (const fd of this.#own.splice(0)) closeSync(fd);
  }

  /** Removes every trace of a process that could not be started. */
  remove(): void {
    for (const fd of this.#readers.values()) closeSync(fd);
    this.#readers.clear();
    for (const path of this.#made) rmSync(path, { force: true });
  }
}

function need(map: ReadonlyMap<PipeName, number>, name: PipeName): number {
  const fd = map.get(name);
  if (fd === undefined) throw newelError("NEWEL_E_INTERNAL", { what: `no descriptor for ${name}` });
  return fd;
}
