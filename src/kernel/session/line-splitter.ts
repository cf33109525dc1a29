/** The longest line of papa's grammar, and of JSON, in bytes without the line end. */
const TEXT_LINE_BYTES = 1_048_576;
const JSON_LINE_BYTES = 8_388_608;
/** The bytes of incomplete lines that all connections together may hold. */
export const PENDING_BYTES = 67_108_864;

/** The shared state of all splitters of a server. */
export interface PendingBudget {
  used: number;
  readonly limit: number;
}

export type Line =
  | { readonly kind: "line"; readonly bytes: Buffer }
  /** A line that passed a limit; it was skipped. */
  | { readonly kind: "refused"; readonly json: boolean; readonly limit: number };

const NEWLINE = 0x0a;
const RETURN = 0x0d;
const BRACE = 0x7b;
const NOTHING = Buffer.alloc(0);

/**
 * Cuts a connection's bytes into lines. It keeps only the incomplete line, in a separate buffer, so that
 * neither tiny writes nor idle connections hold more bytes than were sent.
 */
export class LineSplitter {
  readonly #budget: PendingBudget;
  #pending: Buffer = NOTHING;
  #length = 0;
  #skipping = false;

  constructor(budget: PendingBudget) {
    this.#budget = budget;
  }

  /** Yields the lines that end in a chunk, one at a time; the caller must read all of them. */
  *push(chunk: Buffer): Generator<Line, void> {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(NEWLINE, start);
      const piece = chunk.subarray(start, end === -1 ? undefined : end);
      if (!this.#skipping && (end === -1 || this.#length > 0)) {
        const refused = this.#keep(piece);
        if (refused !== undefined) yield refused;
      }
      if (end === -1) return;
      start = end + 1;
      if (this.#skipping) this.#skipping = false;
      else yield this.#length > 0 ? this.#finished() : toLine(piece);
    }
  }

  /** Releases the held bytes when the connection is gone. */
  close(): void {
    this.#budget.used -= this.#pending.length;
    this.#pending = NOTHING;
    this.#length = 0;
  }

  /** Adds to the incomplete line; past its limit the line is skipped to its end. */
  #keep(piece: Buffer): Line | undefined {
    if (piece.length === 0) return undefined;
    const length = this.#length + piece.length;
    const first = this.#length > 0 ? this.#pending[0] : piece[0];
    if (length <= limitOf(first) && this.#reserve(length)) {
      piece.copy(this.#pending, this.#length);
      this.#length = length;
      return undefined;
    }
    this.close();
    this.#skipping = true;
    return refusal(first);
  }

  /** Allocates room for a line of `length` bytes, doubling so that many small pieces stay cheap. */
  #reserve(length: number): boolean {
    if (length <= this.#pending.length) return true;
    const capacity = Math.max(256, 2 ** Math.ceil(Math.log2(length)));
    const more = capacity - this.#pending.length;
    if (this.#budget.used + more > this.#budget.limit) return false;
    this.#budget.used += more;
    const grown = Buffer.allocUnsafeSlow(capacity);
    this.#pending.copy(grown, 0, 0, this.#length);
    this.#pending = grown;
    return true;
  }

  #finished(): Line {
    const bytes = this.#pending.subarray(0, this.#length);
    this.close();
    return toLine(bytes);
  }
}

function toLine(bytes: Buffer): Line {
  if (bytes.length > limitOf(bytes[0])) return refusal(bytes[0]);
  return { kind: "line", bytes: bytes.at(-1) === RETURN ? bytes.subarray(0, -1) : bytes };
}

function limitOf(first: number | undefined): number {
  return first === BRACE ? JSON_LINE_BYTES : TEXT_LINE_BYTES;
}

function refusal(first: number | undefined): Line {
  return { kind: "refused", json: first === BRACE, limit: limitOf(first) };
}
