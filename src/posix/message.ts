import { addressOf } from "./libc.ts";

const AF_UNIX = 1;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
/** The offsets of the fields of struct msghdr on 64-bit systems. */
const AT = { name: 0, nameLength: 8, vector: 16, vectors: 24, control: 32, controlLength: 40 };

/** A header has only the addresses of its parts: the parts are kept alive as long as the header. */
const PARTS = new WeakMap<Buffer, readonly Buffer[]>();

/** struct msghdr for sendmsg and recvmsg, with all memory that it points at. */
export class Message {
  readonly header: Buffer = Buffer.alloc(56);
  readonly data: Buffer;
  readonly #control: Buffer;

  /** @param address - the destination; empty for a message that is received */
  constructor(data: Buffer, control: Buffer, address: Buffer = Buffer.alloc(0)) {
    const vector = Buffer.alloc(16);
    this.data = data;
    this.#control = control;
    vector.writeBigUInt64LE(addressOf(data), 0);
    vector.writeBigUInt64LE(BigInt(data.length), 8);
    if (address.length > 0) this.header.writeBigUInt64LE(addressOf(address), AT.name);
    this.header.writeUInt32LE(address.length, AT.nameLength);
    this.header.writeBigUInt64LE(addressOf(vector), AT.vector);
    this.header.writeBigUInt64LE(1n, AT.vectors);
    if (control.length > 0) this.header.writeBigUInt64LE(addressOf(control), AT.control);
    this.header.writeBigUInt64LE(BigInt(control.length), AT.controlLength);
    PARTS.set(this.header, [data, control, address, vector]);
  }

  /** The descriptor that came with a received message. */
  get right(): number | undefined {
    const came = this.header.readBigUInt64LE(AT.controlLength) > 0n;
    return came && this.#control.readInt32LE(12) === SCM_RIGHTS
      ? this.#control.readInt32LE(16)
      : undefined;
  }
}

/** The control message that carries descriptors; empty when there are none. */
export function encodeRights(descriptors: readonly number[]): Buffer {
  if (descriptors.length === 0) return Buffer.alloc(0);
  const length = 16 + 4 * descriptors.length;
  const control = Buffer.alloc(Math.ceil(length / 8) * 8);
  control.writeBigUInt64LE(BigInt(length), 0);
  control.writeInt32LE(SOL_SOCKET, 8);
  control.writeInt32LE(SCM_RIGHTS, 12);
  for (const [index, fd] of descriptors.entries()) control.writeInt32LE(fd, 16 + 4 * index);
  return control;
}

/** sockaddr_un: an abstract name begins with NUL, and only the length marks its end. */
export function encodeUnixAddress(path: string): Buffer {
  const name = path.startsWith("@") ? `\0${path.slice(1)}` : `${path}\0`;
  const family = Buffer.alloc(2);
  family.writeUInt16LE(AF_UNIX);
  return Buffer.concat([family, Buffer.from(name)]);
}
