import { readFile } from "node:fs";
import { isIPv4, type Socket } from "node:net";
import { endianness } from "node:os";
import { promisify } from "node:util";

import { systemCode } from "../base/errors.ts";

const readAsync = promisify(readFile);

/**
 * The uid of the process at the other end of a loopback connection, from the system's own tables.
 *
 * @returns `undefined` when the tables do not show it, or when no process has that end: the system reports
 *   uid 0 for a connection that was not accepted yet, and for one whose process has closed it
 */
export async function tcpPeerUid(socket: Socket): Promise<number | undefined> {
  const { remoteAddress, remotePort, localAddress, localPort } = socket;
  if (remoteAddress === undefined || localAddress === undefined) return undefined;
  // A client may use an IPv6 socket to reach an IPv4 address: then its row is in the other table.
  for (const version of [4, 6] as const) {
    const theirs = endpoint(remoteAddress, remotePort ?? 0, version);
    const ours = endpoint(localAddress, localPort ?? 0, version);
    if (theirs === undefined || ours === undefined) continue;
    const uid = findUid(await table(version), theirs, ours);
    if (uid !== undefined) return uid;
  }
  return undefined;
}

async function table(version: 4 | 6): Promise<string> {
  try {
    return await readAsync(version === 4 ? "/proc/net/tcp" : "/proc/net/tcp6", "utf8");
  } catch (error) {
    // A system without IPv6 has no IPv6 table.
    if (systemCode(error) === "ENOENT") return "";
    throw error;
  }
}

/**
 * The row of the peer has the peer's end as its local address. Columns: local, remote, state, queues, timer,
 * retransmits, uid, timeout, inode.
 */
function findUid(rows: string, theirs: string, ours: string): number | undefined {
  const at = rows.indexOf(` ${theirs} ${ours} `);
  if (at === -1) return undefined;
  const columns = rows.slice(at, rows.indexOf("\n", at)).trim().split(/\s+/);
  const [uid, inode] = [Number(columns[6]), Number(columns[8])];
  return Number.isInteger(uid) && inode > 0 ? uid : undefined;
}

/** An address in the format of those tables: words of 32 bits in the machine's byte order, in hex. */
function endpoint(address: string, port: number, version: 4 | 6): string | undefined {
  const plain = address.replace(/^::ffff:/i, "");
  const bytes = isIPv4(plain) ? ipv4(plain, version) : version === 6 ? ipv6(plain) : undefined;
  if (bytes === undefined) return undefined;
  const words = Array.from({ length: bytes.length / 4 }, (_, index) => {
    const word = bytes.subarray(index * 4, index * 4 + 4);
    return (endianness() === "LE" ? Buffer.from(word).reverse() : word).toString("hex");
  });
  return `${words.join("")}:${port.toString(16).padStart(4, "0")}`.toUpperCase();
}

function ipv4(address: string, version: 4 | 6): Buffer {
  const four = Buffer.from(address.split(".").map(Number));
  return version === 4 ? four : Buffer.concat([Buffer.alloc(10), Buffer.from([255, 255]), four]);
}

/** Loopback is the only IPv6 address at which this server listens. */
function ipv6(address: string): Buffer | undefined {
  return address === "::1" ? Buffer.concat([Buffer.alloc(15), Buffer.from([1])]) : undefined;
}
