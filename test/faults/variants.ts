import { cpSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import type { Fault, Trial } from "./fault.ts";
import { runTrial, SOURCES } from "./trial.ts";
import { breakSource, type SourceEdit } from "../helpers/broken-source.ts";

const MODULES = fileURLToPath(new URL("../../node_modules", import.meta.url));

/** A mistake that could be made in the store or the kernel, as an edit of its source, and the faults that have to show it. */
export interface Variant extends SourceEdit {
  /** Below `src/jobs/sqlite`, or with `program` below `src`. */
  readonly file: string;
  readonly program?: "kernel";
  readonly end?: Trial["end"];
  readonly fault?: Partial<Fault>;
}

const FAILED_SYNC = {
  store: { op: "sync", file: "-wal", at: 9, failure: "EIO", cutAfter: 100 },
  kernel: { op: "sync", file: "journal", at: 9, failure: "EIO", cutAfter: 30 },
} as const satisfies Record<string, Fault>;
/** Never reached: only the power is cut. */
const NO_FAULT: Partial<Fault> = { at: 1_000_000 };

/** Each of them has to be caught. */
export const VARIANTS: readonly Variant[] = [
  {
    name: "the error of a sync is ignored",
    file: "wal-sync.ts",
    from: "const left = error === null ? null : this.#work.failed(error);",
    to: "const left = null;",
  },
  {
    name: "after a failed sync the store only says that it is safe",
    file: "durability.ts",
    from: "          this.#secureOnce(store, wal);",
    to: "          this.#marks.remove(this.#marks.list());\n          this.#unsafe.clear();",
  },
  {
    name: "at full, answers do not wait for the sync",
    file: "store-thread.ts",
    from: 'isFull && promise === "before" ? this.#opened',
    to: 'isFull && promise === "soon" ? this.#opened',
    fault: NO_FAULT,
  },
  {
    name: "a call is answered although its sync failed",
    file: "store-thread.ts",
    from: "const problem = error ?? (opened === undefined ? null : this.#problemOf(opened));",
    to: "const problem = null;",
    // All syncs fail from then on, so that nothing can be secured.
    fault: { times: 1_000, cutAfter: 400 },
  },
  {
    name: "SQLite checkpoints within commits, and hides the errors",
    file: "database.ts",
    from: "PRAGMA wal_autocheckpoint = 0;",
    to: "PRAGMA wal_autocheckpoint = 5;",
    fault: { once: true, at: 13, cutAfter: 6 },
  },
  {
    name: "a failed sync is refused and forgotten",
    file: "store-thread.ts",
    from: '    this.#durability.note("wal");\n    try {\n      this.#secure(opened);\n      return null;',
    to: "    if (opened !== undefined) return error;\n    try {\n      return null;",
    // Long enough for further answers, and shorter than the time to the checkpoint that writes all frames again.
    fault: { cutAfter: 400 },
  },
  {
    name: "checkpoints sync nothing",
    file: "database.ts",
    from: "PRAGMA synchronous = NORMAL;",
    to: "PRAGMA synchronous = OFF;",
    fault: NO_FAULT,
  },
  {
    name: "calls of a transaction that failed are answered",
    file: "store-thread.ts",
    from: "return read ?? requests.map(() => ({ error: failed }));",
    to: 'return read ?? requests.map(() => (failed === undefined ? { error } : { value: ["1"] }));',
    fault: { op: "write", at: 41, failure: "ENOSPC", cutAfter: 100 },
  },
  {
    name: "room in the WAL is made over its last frames",
    file: "wal-sync.ts",
    from: "writeSync(this.#fd, room, 0, room.length, fstatSync(this.#fd).size);",
    to: "writeSync(this.#fd, room, 0, room.length, fstatSync(this.#fd).size - 65_536);",
    fault: NO_FAULT,
  },
  {
    name: "frames are written again in the wrong place",
    file: "wal-sync.ts",
    from: "at += writeSync(this.#fd, bytes, at, bytes.length - at, position + at);",
    to: "at += writeSync(this.#fd, bytes, at, bytes.length - at, position + at + 4_120);",
  },
  {
    name: "the kernel answers a value before its sync",
    program: "kernel",
    file: "kernel/journal.ts",
    from: "if (this.#safe === this.#written) return Promise.resolve();",
    to: "if (this.#safe <= this.#written) return Promise.resolve();",
    fault: NO_FAULT,
  },
  {
    name: "the kernel ignores the error of a sync",
    program: "kernel",
    file: "kernel/journal.ts",
    from: "const problem = error ?? this.#syncName();",
    to: "const problem = this.#syncName();",
    fault: { times: 1_000 },
  },
  {
    name: "the kernel answers a change whose line was not written",
    program: "kernel",
    file: "kernel/journal.ts",
    from: "      throw notKept(this.#path, error);\n    }\n    if (reserveBytes",
    to: "      return;\n    }\n    if (reserveBytes",
    end: "kill",
    fault: { op: "write", at: 60, cutAfter: 6 },
  },
  {
    name: "a new journal is renamed before it is on the disk",
    program: "kernel",
    file: "kernel/journal-file.ts",
    from: "    fsyncSync(fd);\n    return { fd, sizeBytes };",
    to: "    return { fd, sizeBytes };",
    // The names are on the disk by then.
    fault: { op: "open", at: 4, cutAfter: 0 },
  },
];

/** A variant may be lucky: a sync of SQLite or one of the store is the call that fails, so each try fails the next one. */
const TRIES = 6;

/**
 * Whether a variant loses something, or leaves a damaged file.
 *
 * @param directory - empty; gets the sources with the mistake in them
 */
export async function isCaught(
  shim: string,
  directory: string,
  variant: Variant,
): Promise<boolean> {
  const trial = trialOf(variant, directory);
  for (let turn = 0; turn < TRIES; turn += 1) {
    const fault = { ...trial.fault, at: trial.fault.at + turn };
    const { lost, problem } = await runTrial(shim, join(directory, "trial"), { ...trial, fault });
    if (lost > 0 || problem !== undefined) return true;
  }
  return false;
}

function trialOf({ program, end, fault, ...edit }: Variant, directory: string): Trial {
  const sources = join(directory, "src");
  cpSync(SOURCES, sources, { recursive: true });
  symlinkSync(MODULES, join(directory, "node_modules"));
  writeFileSync(join(directory, "package.json"), '{ "type": "module" }');
  breakSource(edit, join(sources, program === undefined ? "jobs/sqlite" : "", edit.file));
  return {
    program: program ?? "adder",
    sources,
    synchronous: "full",
    processes: 1,
    ...(end === undefined ? {} : { end }),
    fault: { ...FAILED_SYNC[program ?? "store"], ...fault },
  };
}
