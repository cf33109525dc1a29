import type { Kernel } from "./api.ts";
import type { OutputPosition, ProcessInfo } from "./process-api.ts";
import type { Journal } from "./journal.ts";
import type { JournalRecord, ReaderRecord } from "./journal-records.ts";

/** The shared reader name of all readers at a prompt. */
const PROMPT = "";

/** How many reader names are kept for one process; beyond it the oldest is forgotten. */
const READERS_LIMIT = 256;

const BEGIN: OutputPosition = { out: 0, err: 0 };

interface Entry {
  readonly pid: number;
  readonly positions: Map<string, OutputPosition>;
}

/**
 * The positions that each reader has acknowledged in the output of each process; the next kernel restores
 * them.
 */
export class ReaderTable {
  readonly #byProcess = new Map<string, Entry>();
  readonly #journal: Journal;

  readonly #onRead: () => void;

  /** @param onRead - called after each acknowledgement */
  constructor(past: Iterable<ReaderRecord>, journal: Journal, onRead: () => void) {
    this.#journal = journal;
    this.#onRead = onRead;
    for (const { process, pid, reader, position } of past)
      this.#entry({ name: process, pid }).positions.set(reader, position);
  }

  readonly verbs: Kernel["readers"] = {
    position: ({ name, pid }, reader = PROMPT) => {
      const entry = this.#byProcess.get(name);
      return (entry?.pid === pid ? entry.positions.get(reader) : undefined) ?? BEGIN;
    },
    register: (process, reader) => {
      if (this.#entry(process).positions.has(reader)) return;
      this.#set(process, reader, BEGIN);
    },
    acknowledge: (process, reader = PROMPT, { out = 0, err = 0 }) => {
      const before = this.verbs.position(process, reader);
      const position = { out: Math.max(before.out, out), err: Math.max(before.err, err) };
      this.#set(process, reader, position);
      this.#onRead();
    },
  };

  /** Whether a named reader has not acknowledged the complete output of a process that ended. */
  isBehind({ name, pid, output }: ProcessInfo): boolean {
    const entry = this.#byProcess.get(name);
    if (entry === undefined || entry.pid !== pid) return false;
    return [...entry.positions].some(
      ([reader, position]) =>
        reader !== PROMPT &&
        (position.out < (output.out?.end ?? 0) || position.err < (output.err?.end ?? 0)),
    );
  }

  /** Removes the readers of a process that was removed together with its output. */
  forget({ name, pid }: { readonly name: string; readonly pid: number }): void {
    if (this.#byProcess.get(name)?.pid === pid) this.#byProcess.delete(name);
  }

  *snapshot(): Iterable<JournalRecord> {
    for (const [process, { pid, positions }] of this.#byProcess)
      for (const [reader, position] of positions)
        yield { type: "reader", process, pid, reader, position };
  }

  #set(
    process: { readonly name: string; readonly pid: number },
    reader: string,
    position: OutputPosition,
  ): void {
    const { name, pid } = process;
    const record = { type: "reader", process: name, pid, reader, position } as const;
    // A prompt gets no answer: if its acknowledgement could not be written, the next kernel sends the output
    // again.
    if (reader === PROMPT) this.#journal.note(record);
    else this.#journal.commit(record);
    const { positions } = this.#entry(process);
    // Deleted and set again, so that the reader with the latest acknowledgement is the newest.
    positions.delete(reader);
    positions.set(reader, position);
    const [oldest] = positions.keys();
    if (positions.size > READERS_LIMIT && oldest !== undefined) positions.delete(oldest);
  }

  #entry({ name, pid }: { readonly name: string; readonly pid: number }): Entry {
    const found = this.#byProcess.get(name);
    if (found?.pid === pid) return found;
    const entry: Entry = { pid, positions: new Map() };
    this.#byProcess.set(name, entry);
    return entry;
  }
}
