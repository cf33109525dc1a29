import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { threadId } from "node:worker_threads";

import { newelError, systemCode } from "../../base/errors.ts";
import { makeHome, type Home } from "../../base/home.ts";
import { look } from "../../kernel/proc.ts";
import type { Identity } from "../identity.ts";

/** Who owns a singleton, or was the last to: one file each, in the home. */
export interface OwnerRecord {
  readonly name: string;
  readonly key?: string;
  readonly version: number;
  readonly engine: "socket" | "kernel" | "port";
  /** Where it is reached: an abstract name, or `host:port`. */
  readonly address: string;
  readonly hasSecret?: true;
  readonly claim: string;
  readonly epoch: number;
  readonly pid: number;
  /** Tells the process from a later one with the same pid. */
  readonly startTicks: number;
  readonly sinceMs: number;
  /** It was given up in order. */
  readonly ended?: true;
}

/** Makes the place of the records: before it matters how long that takes. */
export function prepareRecords(home: Home): void {
  makeHome(home);
  mkdirSync(directoryOf(home), { recursive: true, mode: 0o700 });
}

/**
 * Takes the next epoch of a singleton and writes down who owns it. Only whoever has won may call
 * this: then nobody else writes the file. It is on the disk before the epoch is used, so that no later
 * owner can have the same.
 *
 * @param epoch - given where something else counts them
 */
export function recordOwner(
  { name, key, version, claim, hash, home }: Identity,
  owner: Pick<OwnerRecord, "engine" | "address" | "hasSecret">,
  epoch?: number,
): OwnerRecord {
  const record: OwnerRecord = {
    name,
    ...(key === undefined ? {} : { key }),
    version,
    ...owner,
    claim,
    epoch: epoch ?? (read(pathOf(home, hash))?.epoch ?? 0) + 1,
    pid: process.pid,
    startTicks: process.platform === "linux" ? (look(process.pid)?.startTicks ?? 0) : 0,
    sinceMs: Date.now(),
  };
  write(pathOf(home, hash), record, epoch === undefined);
  return record;
}

/** Notes that an owner has given up; its epoch stays known. */
export function recordEnd({ home, hash }: Identity, record: OwnerRecord): void {
  const path = pathOf(home, hash);
  const now = read(path);
  // Where the kernel took the ownership away, the next owner may have written already.
  if (now?.epoch === record.epoch) write(path, { ...record, ended: true }, false);
}

/** The owners of a home whose processes live. */
export function livingOwners(home: Home): OwnerRecord[] {
  return fileNames(home)
    .map((file) => read(join(directoryOf(home), file)))
    .filter((record) => record !== undefined)
    .filter(({ ended, pid, startTicks }) => {
      const seen = ended === true ? undefined : look(pid);
      return seen !== undefined && seen.state !== "Z" && seen.startTicks === startTicks;
    })
    .sort((a, b) => (a.claim < b.claim ? -1 : 1));
}

function fileNames(home: Home): string[] {
  try {
    return readdirSync(directoryOf(home)).filter((file) => file.endsWith(".json"));
  } catch (error) {
    if (systemCode(error) === "ENOENT") return [];
    throw error;
  }
}

function directoryOf({ directory }: Home): string {
  return join(directory, "singleton");
}

function pathOf(home: Home, hash: string): string {
  return join(directoryOf(home), `${hash}.json`);
}

function read(path: string): OwnerRecord | undefined {
  try {
    return readRecord(JSON.parse(readFileSync(path, "utf8")));
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw newelError("NEWEL_E_INTERNAL", { what: `${path} is no owner's record` }, error);
  }
}

function readRecord(value: unknown): OwnerRecord {
  const record = value as OwnerRecord;
  if (Number.isSafeInteger(record.epoch) && Number.isSafeInteger(record.pid)) return record;
  throw new TypeError("it has neither epoch nor pid");
}

function write(path: string, record: OwnerRecord, isDurable: boolean): void {
  const fresh = `${path}.${process.pid}-${threadId}.new`;
  const file = openSync(fresh, "w", 0o600);
  try {
    writeSync(file, `${JSON.stringify(record)}\n`);
    if (isDurable) fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(fresh, path);
}
