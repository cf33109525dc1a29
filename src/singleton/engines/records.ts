import { readFileSync, readdirSync, renameSync } from "node:fs";
import { join } from "node:path";

import { isNewelError, messageOf, newelError, systemCode } from "../../base/errors.ts";
import { makeHome, type Home } from "../../base/home.ts";
import { makeDirectory } from "../../base/make-directory.ts";
import { pathProblem } from "../../base/path-problem.ts";
import { look } from "../../kernel/proc.ts";
import { checkClass } from "../class-name.ts";
import type { Identity } from "../identity.ts";
import { keepFile } from "./kept-file.ts";

/** The present or last owner of a singleton: one file per singleton, in the home. */
export interface OwnerRecord {
  readonly name: string;
  readonly key?: string;
  readonly version: number;
  /** Compared by the next owner. */
  readonly className?: string;
  /** The boot id of the machine at the time of the ownership. */
  readonly bootId?: string;
  readonly engine: "socket" | "kernel" | "port";
  /** The address of the owner: an abstract name, or `host:port`. */
  readonly address: string;
  readonly hasSecret?: true;
  readonly claim: string;
  readonly epoch: number;
  readonly pid: number;
  /** Distinguishes the process from a later one with the same pid. */
  readonly startTicks: number;
  readonly sinceMs: number;
  /** The ownership was released in order. */
  readonly ended?: true;
}

/**
 * Makes the directory of the records, at a moment when the delay does not matter.
 *
 * @throws NEWEL_E_HOME_ACCESS, NEWEL_E_NOT_KEPT
 */
export function prepareRecords(home: Home): void {
  makeHome(home);
  const path = directoryOf(home);
  try {
    makeDirectory(path, 0o700);
  } catch (error) {
    throw newelError("NEWEL_E_NOT_KEPT", { path, why: pathProblem(path, error) }, error);
  }
}

/**
 * Takes the next epoch of a singleton and records its owner. Only the winner may call this: then no
 * other process writes the file. The record is on disk before the epoch is used, so that no later
 * owner can have the same epoch.
 *
 * @throws NEWEL_E_SINGLETON_CLASS when the last owner died as an instance of another class
 * @throws NEWEL_E_NOT_KEPT when the record cannot be written; NEWEL_E_SINGLETON_FILE when the last one cannot be read
 * @param epoch - given if another component counts the epochs
 */
export function recordOwner(
  { name, key, version, className, id, claim, hash, home }: Identity,
  owner: Pick<OwnerRecord, "engine" | "address" | "hasSecret">,
  epoch?: number,
): OwnerRecord {
  const last = read(pathOf(home, hash));
  const bootId = currentBoot();
  if (className !== undefined && last?.bootId === bootId && !isOver(last, version))
    checkClass(id, last?.className, className);
  const record: OwnerRecord = {
    name,
    ...(key === undefined ? {} : { key }),
    version,
    ...(className === undefined ? {} : { className }),
    ...(bootId === undefined ? {} : { bootId }),
    ...owner,
    claim,
    epoch: epoch ?? (last?.epoch ?? 0) + 1,
    pid: process.pid,
    startTicks: process.platform === "linux" ? (look(process.pid)?.startTicks ?? 0) : 0,
    sinceMs: Date.now(),
  };
  write(pathOf(home, hash), record);
  return record;
}

/**
 * Whether the last owner released the ownership in order, or had another version: then an owner of any class
 * may follow.
 */
function isOver(last: OwnerRecord | undefined, version: number): boolean {
  return last === undefined || last.ended === true || last.version !== version;
}

function currentBoot(): string | undefined {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * Records that an owner has released; its epoch stays known. The ownership ends even if that cannot
 * be written: then a process warning says so, because an owner of another class is refused later.
 */
export function recordEnd({ home, hash }: Identity, record: OwnerRecord): void {
  const path = pathOf(home, hash);
  try {
    const now = read(path);
    // If the kernel revoked the ownership, the next owner may have written already.
    if (now?.epoch === record.epoch) write(path, { ...record, ended: true });
  } catch (error) {
    if (!isNewelError(error)) throw error;
    process.emitWarning(error.message, { type: "NewelWarning", code: error.code });
  }
}

/** The owners of a home whose processes are alive. */
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
    throw newelError("NEWEL_E_SINGLETON_FILE", { path, why: messageOf(error) }, error);
  }
}

function readRecord(value: unknown): OwnerRecord {
  const record = value as OwnerRecord | null;
  if (record !== null && Number.isSafeInteger(record.epoch) && Number.isSafeInteger(record.pid))
    return record;
  throw new TypeError("it has neither epoch nor pid");
}

function write(path: string, record: OwnerRecord): void {
  keepFile(path, `${JSON.stringify(record)}\n`, (fresh) => renameSync(fresh, path));
}
