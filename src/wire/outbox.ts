import { newelError } from "../base/errors.ts";
import { FrameFlag, HEADER_BYTES, writeHeader, writeU32 } from "./frames.ts";
import { MAX_HELLO_BYTES } from "./hello.ts";
import type { Encoded } from "./tagged.ts";
import type { Transport } from "./transport.ts";

const SLAB_BYTES = 65_536;
/** Most connections never have more to say at once; for these the slab stays this small. */
const FIRST_SLAB_BYTES = 4_096;
/** Bytes that UTF-8 needs at most for one unit of a JavaScript string. */
const UTF8_BYTES_PER_UNIT = 3;
/** A binary part up to this size is copied into the slab; a larger one is sent from where it lies. */
const COPY_BYTES = 16_384;

/**
 * The way out of one connection. Frames are written into one slab, and what gathered there is sent
 * once per turn of the event loop: many small messages cost one system call. While the other end is
 * slow the frames wait here; whoever produces more on its own (streams) asks `isBlocked` first.
 */
export class Outbox {
  readonly #transport: Transport;
  readonly #maxBacklogBytes: number;
  readonly #onOverflow: (error: Error) => void;
  #slab = Buffer.allocUnsafeSlow(FIRST_SLAB_BYTES);
  /** The slab holds unsent bytes from `#sent` to `#used`. */
  #sent = 0;
  #used = 0;
  /** Full slabs and large bodies that go before the slab. */
  #queue: Buffer[] = [];
  #queueBytes = 0;
  #isBlocked = false;
  #isScheduled = false;
  #isClosed = false;
  /** The most bytes the peer takes in one body; its HELLO sets it. */
  peerMaxFrameBytes: number = MAX_HELLO_BYTES;

  /** @param onOverflow - the peer takes so little that more than `maxBacklogBytes` wait for it */
  constructor(transport: Transport, maxBacklogBytes: number, onOverflow: (error: Error) => void) {
    this.#transport = transport;
    this.#maxBacklogBytes = maxBacklogBytes;
    this.#onOverflow = onOverflow;
  }

  /** Whether the other end is slow to take what was sent. */
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
   * @param reference - the function the call is for, when its flag says so
   * @returns the bytes of the body
   * @throws NEWEL_E_LIMIT when the body is larger than the peer takes; nothing was added
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
      this.#overflow();
      return 0;
    }
    if (typeof body === "string")
      return this.#addText(type, flags, method, id, aux, body, reference);
    return this.#addParts(type, flags | FrameFlag.TAGGED, method, id, aux, body, reference);
  }

  /** Forgets what waits, whole frames all of it, and has the connection closed. */
  #overflow(): void {
    this.#queue = [];
    this.#queueBytes = 0;
    this.#used = this.#sent;
    this.#onOverflow(
      newelError("NEWEL_E_LIMIT", {
        what: "what waits for a peer that does not read",
        limit: this.#maxBacklogBytes,
        unit: "bytes",
      }),
    );
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

  /** A body of several pieces, any of which may be too large for the slab. */
  #addLarge(
    type: number,
    flags: number,
    method: number,
    id: number,
    aux: number,
    pieces: readonly Buffer[],
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

  #addPiece(piece: Buffer): void {
    if (piece.length > COPY_BYTES) {
      this.#enqueueSlab();
      this.#queue.push(piece);
      this.#queueBytes += piece.length;
      return;
    }
    if (piece.length > this.#slab.length - this.#used) this.#nextSlab();
    piece.copy(this.#slab, this.#used);
    this.#used += piece.length;
  }

  #enqueueSlab(): void {
    if (this.#used === this.#sent) return;
    this.#queue.push(this.#slab.subarray(this.#sent, this.#used));
    this.#queueBytes += this.#used - this.#sent;
    this.#sent = this.#used;
  }

  /** Large enough for whatever goes into a slab at all. */
  #nextSlab(): void {
    this.#enqueueSlab();
    this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
    this.#sent = 0;
    this.#used = 0;
  }

  /** Until `endTurn` nothing is sent by itself: the caller adds all frames of a turn and flushes. */
  beginTurn(): void {
    this.#isScheduled = true;
  }

  endTurn(): void {
    this.#flushScheduled();
  }

  #schedule(): void {
    this.#isScheduled = true;
    process.nextTick(this.#flushScheduled);
  }

  readonly #flushScheduled = (): void => {
    this.#isScheduled = false;
    this.flush();
  };

  /** Sends what gathered, unless the other end is slow. */
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
    // All of it has left this process: the slab can be written from its beginning again.
    if (this.#transport.pendingBytes === 0) {
      this.#sent = 0;
      this.#used = 0;
    }
  }

  /** The other end has caught up. */
  drained(): void {
    this.#isBlocked = false;
    this.flush();
  }

  /** Nothing is sent any more, and what waits is forgotten. */
  close(): void {
    this.#isClosed = true;
    this.#queue = [];
    this.#queueBytes = 0;
  }
}
