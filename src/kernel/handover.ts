import { closeSync, fstatSync, readFileSync, rmSync, type Stats, statSync } from "node:fs";
import { join } from "node:path";

import { newelError, systemCode } from "../base/errors.ts";
import type { Home } from "../base/home.ts";
import { memoryFile, setCloseOnExec } from "../posix/descriptors.ts";
import { isBoundTo } from "../posix/sockets.ts";
import type { SocketInfo } from "./api.ts";
import type { StreamName } from "./process-api.ts";
import { isLateSocket } from "./late-sockets.ts";
import type { Listeners } from "./listeners.ts";
import { fifoPath, type KeptReaders } from "./managed-process.ts";
import { addressOf } from "./open-socket.ts";

/** The descriptors that a kernel leaves open for the one it replaces itself with. */
export interface Handover {
  readonly sockets: Readonly<Record<string, number>>;
  /** Keyed by the id of the process. */
  readonly readers: Readonly<Record<string, KeptReaders>>;
}

/** The handover that the previous image of this process left, with the home's lock. */
export interface ReceivedHandover extends Handover {
  readonly lockFd: number;
  /** Missing when that image was of a build that closed them. */
  readonly listeners?: Listeners;
}

/**
 * The version of the handover's format: a build that reads another format cannot take over. Format 2 is a
 * file in memory whose descriptor the command line names.
 */
export const HANDOVER_FORMAT = 2;

/** Whether a descriptor is open and is this socket. */
export function isSocket(fd: number, info: SocketInfo): boolean {
  if (statsOf(fd)?.isSocket() !== true) return false;
  if (info.later === true) return isLateSocket(fd, info);
  return isBoundTo(fd, addressOf(info), info.type);
}

/** Whether a descriptor is open and reads this very file: a FIFO, or the lock of the home. */
export function isFile(fd: number, path: string): boolean {
  const file = statSync(path, { throwIfNoEntry: false });
  const open = statsOf(fd);
  return file !== undefined && open?.ino === file.ino && open.dev === file.dev;
}

function statsOf(fd: number): Stats | undefined {
  try {
    return fstatSync(fd);
  } catch (error) {
    if (systemCode(error) === "EBADF") return undefined;
    throw error;
  }
}

/** The kept readers of a process that do read its FIFOs; the others are opened by their path again. */
export function soundReaders(home: Home, id: string, readers: KeptReaders): KeptReaders {
  const entries = Object.entries(readers) as [StreamName | "notify", number][];
  return Object.fromEntries(
    entries.filter(([stream, fd]) => isFile(fd, fifoPath(home, id, stream))),
  );
}

/**
 * The listeners, if each is bound to the address at which clients connect; otherwise `undefined`, and they
 * are opened again.
 */
function soundListeners(home: Home, listeners: Listeners): Listeners | undefined {
  const { local, tcp, port = 0 } = listeners;
  const unix = { family: "unix", path: home.kernelSocket } as const;
  const hosts = [
    { family: "inet", host: "127.0.0.1", port },
    { family: "inet6", host: "::1", port },
  ] as const;
  const isSound =
    isBoundTo(local, unix, "stream") &&
    tcp.every((fd) => hosts.some((host) => isBoundTo(fd, host, "stream")));
  return isSound ? listeners : undefined;
}

/**
 * Writes a handover to a file in memory and keeps its descriptors open over the next exec.
 *
 * @returns the descriptor of that file
 */
export function leaveHandover(handover: ReceivedHandover): number {
  const fd = memoryFile("newel-handover", JSON.stringify(handover));
  for (const each of [fd, ...descriptorsOf(handover)]) setCloseOnExec(each, false);
  return fd;
}

/**
 * Reads the handover of {@link leaveHandover} in the next image of the process.
 *
 * @throws NEWEL_E_INTERNAL when that descriptor is not a handover, or the lock is not the home's
 */
export function takeHandover(home: Home, fd: number): ReceivedHandover {
  // readFileSync on the descriptor would begin at the end, because the writer left the offset there.
  const handover = parseHandover(readFileSync(`/proc/self/fd/${fd}`, "utf8"));
  closeSync(fd);
  if (!isFile(handover.lockFd, home.kernelLock))
    throw newelError("NEWEL_E_INTERNAL", { what: "a handover without the lock of the home" });
  for (const each of descriptorsOf(handover))
    if (statsOf(each) !== undefined) setCloseOnExec(each, true);
  const { listeners, ...rest } = handover;
  const sound = listeners === undefined ? undefined : soundListeners(home, listeners);
  return { ...rest, ...(sound === undefined ? {} : { listeners: sound }) };
}

/**
 * Removes the handover file that a kernel of an earlier version left on disk when it was killed during an
 * upgrade.
 */
export function forgetHandover(home: Home): void {
  rmSync(join(home.directory, "handover.json"), { force: true });
}

function parseHandover(text: string): ReceivedHandover {
  const value: unknown = JSON.parse(text);
  if (typeof value === "object" && value !== null && "lockFd" in value && "sockets" in value)
    return value as ReceivedHandover;
  throw newelError("NEWEL_E_INTERNAL", { what: "a handover that cannot be read" });
}

function descriptorsOf({ lockFd, listeners, sockets, readers }: ReceivedHandover): number[] {
  const kept = Object.values(readers).flatMap((each) => Object.values(each));
  const listening = listeners === undefined ? [] : [listeners.local, ...listeners.tcp];
  return [lockFd, ...listening, ...Object.values(sockets), ...kept];
}
