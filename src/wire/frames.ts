import { newelError } from "../base/errors.ts";

/**
 * The frames of the wire. Each is a header of 16 bytes, little-endian, and a body:
 *
 *     u32 body length | u8 type | u8 flags | u16 method | u32 call id | u32 aux | body
 *
 * Call ids are the caller's: CALL, STREAM, CANCEL and CREDIT go from the caller, OK, ERR, ITEM and
 * END come back. Every CALL and STREAM is answered by exactly one OK, ERR or END, also a cancelled
 * one, and only then may its id be used again.
 */

/** Raised when the layout of a frame or the meaning of a type changes. */
export const PROTOCOL_VERSION = 1;

export const HEADER_BYTES = 16;

export const FrameType = {
  /** First in both directions; body: see hello.ts. */
  HELLO: 1,
  /** Body: the arguments. aux: milliseconds until the deadline, 0 for none. */
  CALL: 2,
  /** As CALL, to a method that answers with many items. */
  STREAM: 3,
  /** Body: what the method returned. */
  OK: 4,
  /** Body: what it threw. */
  ERR: 5,
  /** The caller does not want the answer any more. */
  CANCEL: 6,
  /** Body: one item of a stream. */
  ITEM: 7,
  /** The stream ended well. */
  END: 8,
  /** aux: how much credit the reader of a stream gives back. */
  CREDIT: 9,
  /** id: a function held by reference; aux: how often it had been received. */
  RELEASE: 10,
  /** A question for a sign of life, and the answer. */
  PING: 11,
  PONG: 12,
  /** This side takes no more calls. Body: why; it closes when those that run are answered. */
  GOAWAY: 13,
} as const;

/** How the body is written (see codec.ts), and what CALL and STREAM are for. */
export const FrameFlag = {
  /** The body is tagged JSON with binary parts; else plain JSON, or nothing for `undefined`. */
  TAGGED: 1,
  /** The call is for the function whose reference stands in the first four bytes of the body. */
  REFERENCE: 2,
} as const;

const LAST_TYPE = FrameType.GOAWAY;

/** A frame just read. The object is used again for the next one: take what you need at once. */
export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly method: number;
  readonly id: number;
  readonly aux: number;
  /** Holds the body from `start` to `end`; the rest belongs to others. */
  readonly buffer: Buffer;
  readonly start: number;
  readonly end: number;
}

/** Writes a header at `at`. */
export function writeHeader(
  buffer: Buffer,
  at: number,
  bodyBytes: number,
  type: number,
  flags: number,
  method: number,
  id: number,
  aux: number,
): void {
  writeU32(buffer, at, bodyBytes);
  buffer[at + 4] = type;
  buffer[at + 5] = flags;
  buffer[at + 6] = method & 0xff;
  buffer[at + 7] = method >>> 8;
  writeU32(buffer, at + 8, id);
  writeU32(buffer, at + 12, aux);
}

export function writeU32(buffer: Buffer, at: number, value: number): void {
  buffer[at] = value & 0xff;
  buffer[at + 1] = (value >>> 8) & 0xff;
  buffer[at + 2] = (value >>> 16) & 0xff;
  buffer[at + 3] = value >>> 24;
}

export function readU32(buffer: Buffer, at: number): number {
  return (
    ((buffer[at] ?? 0) |
      ((buffer[at + 1] ?? 0) << 8) |
      ((buffer[at + 2] ?? 0) << 16) |
      ((buffer[at + 3] ?? 0) << 24)) >>>
    0
  );
}

/** A frame that came in pieces is first given this much room, whatever length it claims. */
const FIRST_ROOM_BYTES = 262_144;

/**
 * Cuts a stream of bytes into frames. Whole frames are read where they lie; only one that came in
 * pieces is copied together, into room that grows with what has really arrived.
 */
export class FrameReader {
  readonly #onFrame: (frame: Frame) => void;
  readonly #frame = {
    type: 0,
    flags: 0,
    method: 0,
    id: 0,
    aux: 0,
    buffer: Buffer.alloc(0) as Buffer,
    start: 0,
    end: 0,
  };
  #maxBytes: number;
  #held = Buffer.alloc(0);
  #heldBytes = 0;
  #heldFrames = 0;
  #stopped = false;
  #isPaused = false;
  /** What came, or was left, while no frame was wanted. */
  #waiting: Buffer[] = [];

  constructor(maxFrameBytes: number, onFrame: (frame: Frame) => void) {
    this.#maxBytes = maxFrameBytes;
    this.#onFrame = onFrame;
  }

  /** The frame that was begun and is not whole yet, as a number of its own; 0 when there is none. */
  get heldFrame(): number {
    return this.#heldBytes > 0 ? this.#heldFrames : 0;
  }

  set maxFrameBytes(bytes: number) {
    this.#maxBytes = bytes;
  }

  /** Keeps the frames that follow, also those of the bytes being read now, until `resume`. */
  pause(): void {
    this.#isPaused = true;
  }

  /**
   * Gives the frames that were kept.
   *
   * @throws NEWEL_E_FRAME
   */
  resume(): void {
    this.#isPaused = false;
    for (const chunk of this.#waiting.splice(0)) this.push(chunk);
  }

  /** Nothing more is read, also not from the bytes being read now. */
  stop(): void {
    this.#stopped = true;
    this.#heldBytes = 0;
    this.#waiting = [];
  }

  /**
   * Takes the next bytes and gives the frames that are whole now to `onFrame`.
   *
   * @throws NEWEL_E_FRAME when they cannot be frames: the connection is of no use any more
   */
  push(chunk: Buffer): void {
    if (this.#isPaused) {
      this.#waiting.push(Buffer.from(chunk));
      return;
    }
    let at = this.#heldBytes > 0 ? this.#complete(chunk) : 0;
    while (!this.#stopped && !this.#isPaused && chunk.length - at >= HEADER_BYTES) {
      const end = at + HEADER_BYTES + this.#bodyBytes(chunk, at);
      if (end > chunk.length) break;
      this.#emit(chunk, at, end);
      at = end;
    }
    if (this.#stopped || at === chunk.length) return;
    if (this.#isPaused) this.#waiting.push(Buffer.from(chunk.subarray(at)));
    else this.#hold(chunk, at);
  }

  /** Adds to the frame that is held; returns how many bytes of the chunk it took. */
  #complete(chunk: Buffer): number {
    let at = 0;
    if (this.#heldBytes < HEADER_BYTES) {
      at = this.#take(chunk, 0, HEADER_BYTES - this.#heldBytes);
      if (this.#heldBytes < HEADER_BYTES) return at;
    }
    const wanted = HEADER_BYTES + this.#bodyBytes(this.#held, 0);
    at += this.#take(chunk, at, wanted - this.#heldBytes);
    if (this.#heldBytes < wanted) return at;
    const whole = this.#held;
    this.#held = Buffer.alloc(0);
    this.#heldBytes = 0;
    this.#emit(whole, 0, wanted);
    return at;
  }

  #hold(chunk: Buffer, at: number): void {
    this.#heldFrames += 1;
    const known = chunk.length - at >= HEADER_BYTES;
    const wanted = known ? HEADER_BYTES + this.#bodyBytes(chunk, at) : HEADER_BYTES;
    this.#held = Buffer.allocUnsafe(
      Math.max(chunk.length - at, Math.min(wanted, FIRST_ROOM_BYTES)),
    );
    this.#take(chunk, at, chunk.length - at);
  }

  #take(chunk: Buffer, at: number, wanted: number): number {
    const bytes = Math.min(wanted, chunk.length - at);
    const filled = this.#heldBytes + bytes;
    if (filled > this.#held.length) {
      const room = Math.min(this.#heldBytes + wanted, Math.max(filled, this.#held.length * 2));
      const grown = Buffer.allocUnsafe(room);
      this.#held.copy(grown, 0, 0, this.#heldBytes);
      this.#held = grown;
    }
    chunk.copy(this.#held, this.#heldBytes, at, at + bytes);
    this.#heldBytes = filled;
    return bytes;
  }

  #bodyBytes(buffer: Buffer, at: number): number {
    const bytes = readU32(buffer, at);
    if (bytes > this.#maxBytes)
      throw frameError(`a body of ${bytes} bytes, where ${this.#maxBytes} are allowed`);
    return bytes;
  }

  #emit(buffer: Buffer, at: number, end: number): void {
    const frame = this.#frame;
    const type = buffer[at + 4] ?? 0;
    if (type < 1 || type > LAST_TYPE) throw frameError(`a frame of the unknown type ${type}`);
    frame.type = type;
    frame.flags = buffer[at + 5] ?? 0;
    frame.method = (buffer[at + 6] ?? 0) | ((buffer[at + 7] ?? 0) << 8);
    frame.id = readU32(buffer, at + 8);
    frame.aux = readU32(buffer, at + 12);
    frame.buffer = buffer;
    frame.start = at + HEADER_BYTES;
    frame.end = end;
    this.#onFrame(frame);
  }
}

/** The peer broke the protocol. */
export function frameError(why: string, cause?: unknown): Error {
  return newelError("NEWEL_E_FRAME", { why }, cause);
}
