import { messageOf } from "../base/errors.ts";
import type { ArchiveTable } from "./archives.ts";
import type { Journal } from "./journal.ts";
import type { ManagedProcess } from "./managed-process.ts";
import type { ReaderTable } from "./readers.ts";

/** How many processes that left the list are kept for slow readers. */
const DEPARTED_LIMIT = 64;

interface DeparturesParts {
  readonly journal: Journal;
  readonly readers: ReaderTable;
  readonly archives: ArchiveTable;
  readonly notice: (text: string) => void;
}

/**
 * The state of processes after they left the list: their readers read the rest, then the output is archived
 * or erased.
 */
export class Departures {
  /** Out of the list, with output that named readers have not read, or that could not be archived yet. */
  readonly #departed = new Map<string, ManagedProcess>();
  readonly #erasing = new Set<Promise<void>>();
  readonly #parts: DeparturesParts;

  constructor(parts: DeparturesParts) {
    this.#parts = parts;
  }

  get(name: string): ManagedProcess | undefined {
    return this.#departed.get(name);
  }

  get all(): readonly ManagedProcess[] {
    return [...this.#departed.values()];
  }

  has(managed: ManagedProcess): boolean {
    return this.#departed.get(managed.name) === managed;
  }

  /** Restores a process that left the list of an earlier kernel. */
  restore(managed: ManagedProcess): void {
    this.#departed.set(managed.name, managed);
  }

  /**
   * Adds a process that left the list; its output is removed at once, or after its named readers have read
   * it.
   */
  add(managed: ManagedProcess): void {
    if (!this.#parts.readers.isBehind(managed.info())) {
      this.forget(managed);
      return;
    }
    this.forget(this.#departed.get(managed.name));
    this.#hold(managed);
    if (this.#departed.size > DEPARTED_LIMIT) this.forget(this.#departed.values().next().value);
  }

  /** Forgets the processes whose output no reader waits for any more. */
  forgetRead(): void {
    for (const managed of this.#departed.values())
      if (!this.#parts.readers.isBehind(managed.info())) this.forget(managed);
  }

  /** Archives its output if it has a group, and removes its files. */
  forget(managed: ManagedProcess | undefined): void {
    if (managed === undefined || !this.#archive(managed)) return;
    if (this.has(managed)) this.#departed.delete(managed.name);
    this.#parts.readers.forget({ name: managed.name, pid: managed.record.info.pid });
    this.#parts.journal.note({ type: "process removed", id: managed.record.id });
    this.erasing(managed.name, managed.erase());
  }

  /** Registers the removal of a process's files: the kernel waits for it before it ends. */
  erasing(name: string, work: Promise<void>): void {
    const erased = work
      .catch((error: unknown) => this.#parts.notice(`files of ${name}: ${messageOf(error)}`))
      .finally(() => this.#erasing.delete(erased));
    this.#erasing.add(erased);
  }

  /** Resolves once the files of all that left are removed. */
  async erased(): Promise<void> {
    await Promise.all(this.#erasing);
  }

  /** @returns whether the output is archived; if not, the archive is tried again later */
  #archive(managed: ManagedProcess): boolean {
    try {
      this.#parts.archives.keep(managed);
      return true;
    } catch (error) {
      this.#parts.notice(`The output of a process could not be archived yet: ${messageOf(error)}`);
      this.#hold(managed);
      return false;
    }
  }

  #hold(managed: ManagedProcess): void {
    if (this.has(managed)) return;
    this.#departed.set(managed.name, managed);
    this.#parts.journal.note({ type: "process left", id: managed.record.id });
  }
}
