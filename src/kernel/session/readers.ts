import type { OutputPosition } from "../api.ts";

/** All who watch at a prompt are one reader. */
const PROMPT = "";

/** How many reader names are kept for one process; beyond it the oldest is forgotten. */
const READERS_LIMIT = 256;

interface Identity {
  readonly name: string;
  readonly pid: number;
}

/** How far each named reader has acknowledged the output of each process. */
export interface Readers {
  position(process: Identity, reader: string | undefined): OutputPosition;
  /** Positions only grow: an older acknowledgement that comes late takes nothing back. */
  acknowledge(
    process: Identity,
    reader: string | undefined,
    position: Partial<OutputPosition>,
  ): void;
  /** The process left the list. */
  forget(name: string): void;
}

/** Readers that live as long as the kernel's program. */
export function createReaders(): Readers {
  const processes = new Map<string, { pid: number; readers: Map<string, OutputPosition> }>();
  const position: Readers["position"] = ({ name, pid }, reader = PROMPT) => {
    const entry = processes.get(name);
    return (entry?.pid === pid ? entry.readers.get(reader) : undefined) ?? { out: 0, err: 0 };
  };
  return {
    position,
    acknowledge: (process, reader = PROMPT, { out = 0, err = 0 }) => {
      const before = position(process, reader);
      const found = processes.get(process.name);
      const entry = found?.pid === process.pid ? found : { pid: process.pid, readers: new Map() };
      processes.set(process.name, entry);
      entry.readers.delete(reader);
      entry.readers.set(reader, {
        out: Math.max(before.out, out),
        err: Math.max(before.err, err),
      });
      const [oldest] = entry.readers.keys();
      if (entry.readers.size > READERS_LIMIT && oldest !== undefined) entry.readers.delete(oldest);
    },
    forget: (name) => void processes.delete(name),
  };
}
