import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { isIPv6 } from "node:net";

import { systemCode } from "../base/errors.ts";

/** Where a socket listens: a TCP host and port, or a Unix path. */
export interface ListenAddress {
  readonly host?: string;
  readonly port?: number;
  readonly path?: string;
}

/** The process that listens on an address, with the facts that this user may read. */
export interface AddressOwner {
  /** Missing for a process of another user. */
  readonly pid?: number;
  /** Its command line, cut to one line of a message. */
  readonly command?: string;
  /** It is a daemon of newel, which holds sockets of the apps of its home. */
  readonly daemon?: { readonly name: string; readonly home: string };
  readonly uid?: number;
  /** The process and its ancestors, nearest first. */
  readonly line: readonly number[];
}

/** A listening socket in a table of /proc/net. */
export interface ListeningSocket {
  readonly host: string;
  readonly port: number;
  readonly uid: number;
  readonly inode: string;
}

const LISTEN = "0A";
const COMMAND_CHARACTERS = 80;
const UNIX_LISTENS = "00010000";

/**
 * Finds the process that keeps an address from being bound, in /proc.
 *
 * @returns `undefined` when no listening socket there has it: it may be bound without listening
 */
export function findAddressOwner(address: ListenAddress): AddressOwner | undefined {
  if (address.path !== undefined) {
    const inode = unixInode(readText("/proc/net/unix"), address.path);
    return inode === undefined ? undefined : ownerOf(inode, undefined);
  }
  const tables = ["/proc/net/tcp", "/proc/net/tcp6"].map((file) => readText(file));
  const found = tables
    .flatMap((table) => parseTcpTable(table))
    .find((socket) => overlaps(address, socket));
  return found === undefined ? undefined : ownerOf(found.inode, found.uid);
}

/** The listening sockets of /proc/net/tcp or /proc/net/tcp6. */
export function parseTcpTable(text: string): ListeningSocket[] {
  return text.split("\n").flatMap((row) => {
    const [, local = "", , state, , , , uid, , inode = ""] = row.trim().split(/\s+/);
    const [host = "", port = ""] = local.split(":");
    if (state !== LISTEN) return [];
    return [{ host: parseHost(host), port: Number.parseInt(port, 16), uid: Number(uid), inode }];
  });
}

/** Whether a listening socket keeps an address from being bound. */
export function overlaps(address: ListenAddress, socket: ListeningSocket): boolean {
  if (address.port !== socket.port) return false;
  const host = address.host ?? "::";
  const isWild = [host, socket.host].some((each) => each === "::" || each === "0.0.0.0");
  return isWild || host === socket.host;
}

/** The inode of the listening Unix socket with that path in /proc/net/unix. */
function unixInode(text: string, path: string): string | undefined {
  for (const row of text.split("\n")) {
    const match = /^\S+ \S+ \S+ (\S+) \S+ \S+ +(\d+) (.*)$/.exec(row);
    if (match?.[3] === path && match[1] === UNIX_LISTENS) return match[2];
  }
  return undefined;
}

/** The kernel prints each 32-bit word of an address in the byte order of the machine. */
function parseHost(hex: string): string {
  const words = hex.match(/.{8}/g) ?? [];
  const bytes = words.flatMap((word) => [...Buffer.from(word, "hex")].toReversed());
  if (bytes.length === 4) return bytes.join(".");
  if (bytes.every((byte) => byte === 0)) return "::";
  const groups = Array.from({ length: 8 }, (_, index) =>
    (((bytes[2 * index] ?? 0) << 8) | (bytes[2 * index + 1] ?? 0)).toString(16),
  );
  const text = groups.join(":");
  return isIPv6(text) ? shortest(text) : text;
}

/** `0:0:0:0:0:0:0:1` as `::1`; hosts of configurations are compared with it. */
function shortest(text: string): string {
  return text.replace(/(?:^|:)(?:0(?::|$)){2,}/, "::");
}

/** The inode of a socket that listens on a TCP port of this machine. */
export function findListener(port: number): string | undefined {
  return ["/proc/net/tcp", "/proc/net/tcp6"]
    .flatMap((file) => parseTcpTable(readText(file)))
    .find((socket) => socket.port === port)?.inode;
}

/**
 * A process that has a socket open; `undefined` when none can be seen.
 *
 * @param first - the process that is asked first
 */
export function findSocketOwner(inode: string, first: number): number | undefined {
  if (processHoldsSocket(first, inode)) return first;
  return ownerOf(inode, undefined).pid;
}

/** Whether a process has a socket open; `false` if this user may not read its descriptors. */
export function processHoldsSocket(pid: number, inode: string): boolean {
  return hasSocket(String(pid), inode);
}

/** A process and its ancestors, nearest first. */
export function ancestorsOf(pid: number): readonly number[] {
  return lineOf(pid);
}

function ownerOf(inode: string, uid: number | undefined): AddressOwner {
  const known = uid === undefined ? {} : { uid };
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name) || !hasSocket(name, inode)) continue;
    const pid = Number(name);
    const daemon = daemonOf(pid);
    const owner = { ...known, pid, command: commandOf(pid), line: lineOf(pid) };
    return daemon === undefined ? owner : { ...owner, daemon };
  }
  return { ...known, line: [] };
}

function hasSocket(pid: string, inode: string): boolean {
  const directory = `/proc/${pid}/fd`;
  const wanted = `socket:[${inode}]`;
  try {
    return readdirSync(directory).some((fd) => linkOf(`${directory}/${fd}`) === wanted);
  } catch (error) {
    return ignoreGone(error, false);
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch (error) {
    return ignoreGone(error, "");
  }
}

function daemonOf(pid: number): AddressOwner["daemon"] {
  const words = readText(`/proc/${pid}/cmdline`).split("\0");
  const program = words.find((word) => /\/(?:kernel|supervisor)\/main\.[jt]s$/.test(word));
  const home = words[words.indexOf("--home") + 1];
  if (program === undefined || home === undefined) return undefined;
  return { name: program.includes("/kernel/main.") ? "kernel" : "supervisor", home };
}

function commandOf(pid: number): string {
  const words = readText(`/proc/${pid}/cmdline`).split("\0").join(" ").trim();
  const command = words === "" ? readText(`/proc/${pid}/comm`).trim() : words;
  const plain = command.replace(/\p{Cc}/gu, " ");
  return plain.length > COMMAND_CHARACTERS ? `${plain.slice(0, COMMAND_CHARACTERS)}…` : plain;
}

function lineOf(pid: number): number[] {
  const line: number[] = [];
  for (let next = pid; next > 1 && !line.includes(next);) {
    line.push(next);
    const stat = readText(`/proc/${next}/stat`);
    next = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1] ?? 0);
  }
  return line;
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    return ignoreGone(error, "");
  }
}

/** Processes end while they are read, and those of other users may not be read. */
function ignoreGone<T>(error: unknown, otherwise: T): T {
  if (["ENOENT", "ESRCH", "EACCES", "EPERM"].includes(systemCode(error) ?? "")) return otherwise;
  throw error;
}
