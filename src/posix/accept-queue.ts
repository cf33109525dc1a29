import { libc } from "./libc.ts";

const getOption = libc("int getsockopt(int fd, int level, int option, void *value, void *length)");

const SOL_SOCKET = 1;
/** socket(7), linux/sock_diag.h: the last of its nine numbers counts drops. */
const SO_MEMINFO = 55;
const SK_MEMINFO_DROPS = 8;
const IPPROTO_TCP = 6;
/** tcp(7): of a listening socket, `tcpi_unacked` is the length of its accept queue and `tcpi_sacked` the limit. */
const TCP_INFO = 11;
const TCPI_STATE = 0;
const TCPI_UNACKED = 24;
const TCPI_SACKED = 28;
const TCP_LISTEN = 10;

/** The accept queue of a listening TCP socket. */
export interface AcceptQueue {
  /** Connections that wait for an accept. */
  readonly length: number;
  /** The most that may wait. */
  readonly limit: number;
  /** Connection attempts that Linux dropped at this socket, mostly since its queue was full. */
  readonly dropped: number;
}

/** Reads the accept queue of a socket; `undefined` when it is no listening TCP socket. */
export function readAcceptQueue(fd: number): AcceptQueue | undefined {
  const info = readOption(fd, IPPROTO_TCP, TCP_INFO, 104);
  const isTcp = info !== undefined && info.length >= TCPI_SACKED + 4;
  if (!isTcp || info[TCPI_STATE] !== TCP_LISTEN) return undefined;
  const memory = readOption(fd, SOL_SOCKET, SO_MEMINFO, 36);
  const hasDrops = memory !== undefined && memory.length >= SK_MEMINFO_DROPS * 4 + 4;
  return {
    length: info.readUInt32LE(TCPI_UNACKED),
    limit: info.readUInt32LE(TCPI_SACKED),
    dropped: hasDrops ? memory.readUInt32LE(SK_MEMINFO_DROPS * 4) : 0,
  };
}

function readOption(fd: number, level: number, option: number, size: number): Buffer | undefined {
  const value = Buffer.alloc(size);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(size);
  if (getOption(fd, level, option, value, length) < 0) return undefined;
  return value.subarray(0, length.readUInt32LE());
}
