import { newelError } from "../base/errors.ts";

/**
 * The frames of the wire. A frame is a header of 16 bytes, little-endian, and a body:
 *
 *     u32 body length | u8 type | u8 flags | u16 method | u32 call id | u32 aux | body
 *
 * Call ids are chosen by the caller: CALL, STREAM, CANCEL and CREDIT go from the caller to the
 * callee, OK, ERR, ITEM and END come back. Every CALL and STREAM is answered by exactly one OK, ERR
 * or END, even if it was cancelled, and only then may its id be used again.
 */

/** Incremented when the layout of a frame or the meaning of a type changes. */
export const PROTOCOL_VERSION = 2;

export const HEADER_BYTES = 16;

export const FrameType = {
  /** The first frame in both directions; body: see hello.ts. */
  HELLO: 1,
  /** Body: the arguments. aux: milliseconds until the deadline, 0 for none. */
  CALL: 2,
  /** Like CALL, for a method that gives many items. */
  STREAM: 3,
  /** Body: the return value of the method. */
  OK: 4,
  /** Body: the error that the method threw. */
  ERR: 5,
  /** The caller does not want the answer any more. */
  CANCEL: 6,
  /** Body: one item of a stream. */
  ITEM: 7,
  /** The stream ended without an error. */
  END: 8,
  /** aux: the credit that the reader of a stream returns. */
  CREDIT: 9,
  /** id: a function held by reference; aux: the number of times it had been received. */
  RELEASE: 10,
  /** Heartbeat request and reply. */
  PING: 11,
  PONG: 12,
  /**
   * This side accepts no more calls. Body: the reason. It closes when the running calls are
   * answered.
   */
  GOAWAY: 13,
} as const;

/** The encoding of the body (see codec.ts), and the kind of target of CALL and STREAM. */
export const FrameFlag = {
  /** The body is tagged JSON with binary parts; otherwise plain JSON, or empty for `undefined`. */
  TAGGED: 1,
  /** The call is for the function whose reference is in the first four bytes of the body. */
  REFERENCE: 2,
} as const;

const LAST_TYPE = FrameType.GOAWAY;

/**
 * A frame that was just read. The object is reused for the next frame: copy the needed fields
 * immediately.
 */
export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly method: number;
  readonly id: number;
  readonly aux: number;
  /** Holds the body from `start` to `end`; the other bytes belong to other frames. */
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

/** Initial buffer size for a frame that arrives in pieces from a peer that is not trusted. */
const FIRST_ROOM_BYTES = 262_144;
/** The same for a worker of this program: most texts and binary values need no second buffer. */
const OWN_ROOM_BYTES = 4_194_304;

/**
 * Cuts a stream of bytes into frames. Whole frames are read in place; only a frame that arrived in
 * pieces is copied together, into a buffer that grows with the received bytes.
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
  /** The number of the next frame, if frames have numbers. */
  #number: number | undefined;
  readonly #firstRoomBytes: number;
  #held = Buffer.alloc(0);
  #heldBytes = 0;
  #heldFrames = 0;
  #stopped = false;
  #isPaused = false;
  /** Bytes that arrived, or were left over, while reading was paused. */
  #waiting: Buffer[] = [];

  /**
   * @param firstNumber - the peer is a worker of this program, or its pool: frames get more memory
   * at once, and have consecutive numbers instead of methods
   */
  constructor(maxFrameBytes: number, onFrame: (frame: Frame) => void, firstNumber?: number) {
    this.#maxBytes = maxFrameBytes;
    this.#number = firstNumber;
    this.#firstRoomBytes = firstNumber === undefined ? FIRST_ROOM_BYTES : OWN_ROOM_BYTES;
    this.#onFrame = onFrame;
  }

  /** A serial number of the frame that has begun and is not complete; 0 when there is none. */
  get heldFrame(): number {
    return this.#heldBytes > 0 ? this.#heldFrames : 0;
  }

  set maxFrameBytes(bytes: number) {
    this.#maxBytes = bytes;
  }

  /**
   * Holds back the frames that follow, including those of the chunk being read now, until `resume`.
   */
  pause(): void {
    this.#isPaused = true;
  }

  /**
   * Delivers the frames that were held back.
   *
   * @throws NEWEL_E_FRAME
   */
  resume(): void {
    this.#isPaused = false;
    for (const chunk of this.#waiting.splice(0)) this.push(chunk);
  }

  /** Stops reading for good, including the chunk being read now. */
  stop(): void {
    this.#stopped = true;
    this.#heldBytes = 0;
    this.#waiting = [];
  }

  /**
   * Reads the next bytes and passes each complete frame to `onFrame`.
   *
   * @throws NEWEL_E_FRAME when the bytes are no valid frames: the connection cannot be used any more
   */
  push(chunk: Buffer): void {
    if (this.#isPaused) {
      this.#waiting.push(Buffer.from(chunk));
      return;
    }
    let at = this.#heldBytes > 0 ? this.#complete(chunk) : 0;
    while (!this.#stopped && !this.#isPaused && chunk.length - at >= HEADER_BYTES) {
      const end = at + HEADER_BYTES + this.#checkedBytes(chunk, at);
      if (end > chunk.length) break;
      this.#emit(chunk, at, end);
      at = end;
    }
    if (this.#stopped || at === chunk.length) return;
    if (this.#isPaused) this.#waiting.push(Buffer.from(chunk.subarray(at)));
    else this.#hold(chunk, at);
  }

  /** Adds to the incomplete frame; returns the number of bytes that it took from the chunk. */
  #complete(chunk: Buffer): number {
    let at = 0;
    if (this.#heldBytes < HEADER_BYTES) {
      at = this.#take(chunk, 0, HEADER_BYTES - this.#heldBytes);
      if (this.#heldBytes < HEADER_BYTES) return at;
    }
    const wanted = HEADER_BYTES + this.#checkedBytes(this.#held, 0);
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
    const wanted = known ? HEADER_BYTES + this.#checkedBytes(chunk, at) : HEADER_BYTES;
    this.#held = Buffer.allocUnsafe(
      Math.max(chunk.length - at, Math.min(wanted, this.#firstRoomBytes)),
    );
    this.#take(chunk, at, chunk.length - at);
  }

  #take(chunk: Buffer, at: number, wanted: number): number {
    const bytes = Math.min(wanted, chunk.length - at);
    const filled = this.#heldBytes + bytes;
    if (filled > this.#held.length) {
      const room = Math.min(
        this.#heldBytes + wanted,
        Math.max(filled, this.#held.length * 2, this.#firstRoomBytes),
      );
      const grown = Buffer.allocUnsafe(room);
      this.#held.copy(grown, 0, 0, this.#heldBytes);
      this.#held = grown;
    }
    chunk.copy(this.#held, this.#heldBytes, at, at + bytes);
    this.#heldBytes = filled;
    return bytes;
  }

  #checkedBytes(buffer: Buffer, at: number): number {
    const bytes = readU32(buffer, at);
    if (bytes > this.#maxBytes)
      throw frameError(`a body of ${bytes} bytes, where ${this.#maxBytes} are allowed`);
    // Checked before the body has arrived: the bytes of a foreign program may claim gigabytes.
    const type = buffer[at + 4] ?? 0;
    if (type < 1 || type > LAST_TYPE) throw frameError(`a frame of the unknown type ${type}`);
    const number = readMethod(buffer, at);
    if (this.#number !== undefined && number !== this.#number)
      throw frameError(`frame ${number}, where frame ${this.#number} is next`);
    return bytes;
  }

  #emit(buffer: Buffer, at: number, end: number): void {
    const frame = this.#frame;
    frame.type = buffer[at + 4] ?? 0;
    frame.flags = buffer[at + 5] ?? 0;
    frame.method = readMethod(buffer, at);
    if (this.#number !== undefined) this.#number = nextFrameNumber(this.#number);
    frame.id = readU32(buffer, at + 8);
    frame.aux = readU32(buffer, at + 12);
    frame.buffer = buffer;
    frame.start = at + HEADER_BYTES;
    frame.end = end;
    this.#onFrame(frame);
  }
}

function readMethod(buffer: Buffer, at: number): number {
  return (buffer[at + 6] ?? 0) | ((buffer[at + 7] ?? 0) << 8);
}

/** The number of the frame after one, where frames have numbers: 16 bits. */
export function nextFrameNumber(number: number): number {
  return (number + 1) & 0xffff;
}

/** The peer broke the protocol. */
export function frameError(why: string, cause?: unknown): Error {
  return newelError("NEWEL_E_FRAME", { why }, cause);
}
