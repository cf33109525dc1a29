import { newelError } from "../base/errors.ts";
import { nextTick } from "../base/globals.ts";
import { FrameFlag, FrameType, HEADER_BYTES, writeHeader, writeU32 } from "./frames.ts";
import { MAX_HELLO_BYTES } from "./hello.ts";
import type { Encoded } from "./tagged.ts";
import type { Transport } from "./transport.ts";

const SLAB_BYTES = 65_536;
/** Initial slab size: most connections never have more unsent bytes at once. */
const FIRST_SLAB_BYTES = 4_096;
/** The most bytes that UTF-8 needs for one unit of a JavaScript string. */
const UTF8_BYTES_PER_UNIT = 3;
/** A binary part up to this size is copied into the slab; a larger part is sent without a copy. */
const COPY_BYTES = 16_384;

/**
 * Frames whose failure costs one call; all other frames are small and keep the connection
 * consistent.
 */
const HEAVY: ReadonlySet<number> = new Set([
  FrameType.CALL,
  FrameType.STREAM,
  FrameType.OK,
  FrameType.ITEM,
]);

function backlogError(limit: number): Error {
  const what = "the data that waits for a peer that does not read";
  return newelError("NEWEL_E_LIMIT", { what, limit, unit: "bytes" });
}

/**
 * The send queue of one connection. Frames are written into one slab and sent together once per
 * turn of the event loop, so that many small messages cost one system call. While the peer is slow
 * the frames wait here; a producer of further data (a stream) checks `isBlocked` first.
 */
export class Outbox {
  readonly #transport: Transport;
  readonly #maxBacklogBytes: number;
  readonly #onOverflow: (error: Error) => void;
  #slab = Buffer.allocUnsafeSlow(FIRST_SLAB_BYTES);
  /** The slab holds unsent bytes from `#sent` to `#used`. */
  #sent = 0;
  #used = 0;
  /** Full slabs and large bodies that are sent before the slab. */
  #queue: Buffer[] = [];
  #queueBytes = 0;
  #isBlocked = false;
  #isScheduled = false;
  #isClosed = false;
  /** The most bytes that the peer accepts in one body; set by its HELLO. */
  peerMaxFrameBytes: number = MAX_HELLO_BYTES;

  /** @param onOverflow - called when the peer reads so little that more than `maxBacklogBytes` wait for it */
  constructor(transport: Transport, maxBacklogBytes: number, onOverflow: (error: Error) => void) {
    this.#transport = transport;
    this.#maxBacklogBytes = maxBacklogBytes;
    this.#onOverflow = onOverflow;
  }

  /** Whether the peer reads more slowly than this side sends. */
  get isBlocked(): boolean {
    return this.#isBlocked;
  }

  /** Bytes that have not left this process. */
  get backlogBytes(): number {
    return this.#queueBytes + this.#used - this.#sent + this.#transport.pendingBytes;
  }

  /**
   * Adds a frame.
   *
   * @param reference - the function that is called, when the frame has that flag
   * @returns the bytes of the body
   * @throws NEWEL_E_LIMIT when the body is larger than the peer accepts, or too many bytes wait for
   * a peer that does not read; nothing was added
   */
  add(
    type: number,
    flags: number,
    method: number,
    id: number,
    aux: number,
    body: Encoded,
    reference?: number,
  ): number {
    if (this.#isClosed) return 0;
    if (this.#queueBytes > this.#maxBacklogBytes) {
      if (HEAVY.has(type) && this.#queueBytes <= 2 * this.#maxBacklogBytes)
        throw backlogError(this.#maxBacklogBytes);
      if (this.#queueBytes > 2 * this.#maxBacklogBytes) {
        this.#overflow();
        return 0;
      }
    }
    if (typeof body === "string")
      return this.#addText(type, flags, method, id, aux, body, reference);
    return this.#addParts(type, flags | FrameFlag.TAGGED, method, id, aux, body, reference);
  }

  /** Drops all waiting frames (whole frames only) and has the connection closed. */
  #overflow(): void {
    this.#queue = [];
    this.#queueBytes = 0;
    this.#used = this.#sent;
    this.#onOverflow(backlogError(this.#maxBacklogBytes));
  }

  #addText(
    type: number,
    flags: number,
    method: number,
    id: number,
    aux: number,
    text: string,
    reference: number | undefined,
  ): number {
    const prefix = reference === undefined ? 0 : 4;
    const worst = HEADER_BYTES + prefix + text.length * UTF8_BYTES_PER_UNIT;
    if (worst > SLAB_BYTES || worst > this.peerMaxFrameBytes)
      return this.#addLarge(type, flags, method, id, aux, [Buffer.from(text)], reference);
    if (worst > this.#slab.length - this.#used) this.#nextSlab();
    const at = this.#used;
    const start = at + HEADER_BYTES;
    if (reference !== undefined) writeU32(this.#slab, start, reference);
    const bytes =
      prefix +
      (text === "" ? 0 : this.#slab.write(text, start + prefix, this.#slab.length, "utf8"));
    writeHeader(this.#slab, at, bytes, type, flags, method, id, aux);
    this.#used = start + bytes;
    if (!this.#isScheduled) this.#schedule();
    return bytes;
  }

  #addParts(
    type: number,
    flags: number,
    method: number,
    id: number,
    aux: number,
    body: Exclude<Encoded, string>,
    reference: number | undefined,
  ): number {
    const json = Buffer.from(body.json);
    const head = Buffer.allocUnsafe(8 + 4 * body.parts.length);
    writeU32(head, 0, body.parts.length);
    writeU32(head, 4, json.length);
    for (const [index, part] of body.parts.entries()) writeU32(head, 8 + 4 * index, part.length);
    return this.#addLarge(type, flags, method, id, aux, [head, json, ...body.parts], reference);
  }

  /** A body of several pieces, each of which may be too large for the slab. */
  #addLarge(
    type: number,
    flags: number,
    method: number,
    id: number,
    aux: number,
    pieces: readonly Uint8Array[],
    reference: number | undefined,
  ): number {
    let bytes = reference === undefined ? 0 : 4;
    for (const piece of pieces) bytes += piece.length;
    if (bytes > this.peerMaxFrameBytes)
      throw newelError("NEWEL_E_LIMIT", {
        what: "the body of one frame",
        limit: this.peerMaxFrameBytes,
        unit: "bytes",
      });
    if (HEADER_BYTES + 4 > this.#slab.length - this.#used) this.#nextSlab();
    writeHeader(this.#slab, this.#used, bytes, type, flags, method, id, aux);
    this.#used += HEADER_BYTES;
    if (reference !== undefined) {
      writeU32(this.#slab, this.#used, reference);
      this.#used += 4;
    }
    for (const piece of pieces) this.#addPiece(piece);
    if (!this.#isScheduled) this.#schedule();
    return bytes;
  }

  #addPiece(piece: Uint8Array): void {
    if (piece.length > COPY_BYTES) {
      this.#enqueueSlab();
      this.#queue.push(asBuffer(piece));
      this.#queueBytes += piece.length;
      return;
    }
    if (piece.length > this.#slab.length - this.#used) this.#nextSlab();
    this.#slab.set(piece, this.#used);
    this.#used += piece.length;
  }

  #enqueueSlab(): void {
    if (this.#used === this.#sent) return;
    this.#queue.push(this.#slab.subarray(this.#sent, this.#used));
    this.#queueBytes += this.#used - this.#sent;
    this.#sent = this.#used;
  }

  /** Large enough for any frame that is written into a slab. */
  #nextSlab(): void {
    this.#enqueueSlab();
    this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
    this.#sent = 0;
    this.#used = 0;
  }

  /** Sends nothing until `endTurn`: the caller adds all frames of a turn and flushes. */
  beginTurn(): void {
    this.#isScheduled = true;
  }

  endTurn(): void {
    this.#flushScheduled();
  }

  #schedule(): void {
    this.#isScheduled = true;
    nextTick(this.#flushScheduled);
  }

  readonly #flushScheduled = (): void => {
    this.#isScheduled = false;
    this.flush();
  };

  /** Sends the gathered frames, unless the peer is slow. */
  flush(): void {
    if (this.#isBlocked || this.#isClosed) return;
    if (this.#queue.length > 0) {
      this.#enqueueSlab();
      const chunks = this.#queue;
      this.#queue = [];
      this.#queueBytes = 0;
      this.#isBlocked = !this.#transport.sendAll(chunks);
    } else if (this.#used > this.#sent) {
      const chunk = this.#slab.subarray(this.#sent, this.#used);
      this.#sent = this.#used;
      this.#isBlocked = !this.#transport.send(chunk);
    }
    // All bytes have left this process: the slab can be written from its beginning again.
    if (this.#transport.pendingBytes === 0) {
      this.#sent = 0;
      this.#used = 0;
    }
  }

  /** The peer has caught up. */
  drained(): void {
    this.#isBlocked = false;
    this.flush();
  }

  /** Sends nothing any more and drops the waiting frames. */
  close(): void {
    this.#isClosed = true;
    this.#queue = [];
    this.#queueBytes = 0;
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  if (Buffer.isBuffer(bytes)) return bytes;
  return Buffer.from(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength);
}
