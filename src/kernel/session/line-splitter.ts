/** The longest line of papa's grammar, and of JSON, in bytes without the line end. */
export const TEXT_LINE_BYTES = 1_048_576;
export const JSON_LINE_BYTES = 8_388_608;
/** What all connections together may hold of lines that have not ended yet, in bytes. */
export const PENDING_BYTES = 67_108_864;

/** What all splitters of a server share. */
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
 * Cuts a connection's bytes into lines. It keeps only the line that has not ended, in one buffer of
 * its own, so that neither tiny writes nor idle connections hold more than what was sent.
 */
export class LineSplitter {
  readonly #budget: PendingBudget;
  #pending: Buffer = NOTHING;
  #length = 0;
  #skipping = false;

  constructor(budget: PendingBudget) {
    this.#budget = budget;
  }

  push(chunk: Buffer): readonly Line[] {
    const lines: Line[] = [];
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(NEWLINE, start);
      const piece = chunk.subarray(start, end === -1 ? undefined : end);
      if (!this.#skipping) this.#take(piece, lines);
      if (end === -1) return lines;
      if (this.#skipping) this.#skipping = false;
      else lines.push({ kind: "line", bytes: this.#finished() });
      start = end + 1;
    }
  }

  /** Gives back what it holds, when its connection is gone. */
  close(): void {
    this.#budget.used -= this.#pending.length;
    this.#pending = NOTHING;
    this.#length = 0;
  }

  #take(piece: Buffer, lines: Line[]): void {
    if (piece.length === 0) return;
    const json = (this.#length > 0 ? this.#pending[0] : piece[0]) === BRACE;
    const limit = json ? JSON_LINE_BYTES : TEXT_LINE_BYTES;
    const length = this.#length + piece.length;
    if (length > limit || !this.#reserve(length)) {
      this.close();
      this.#skipping = true;
      lines.push({ kind: "refused", json, limit });
      return;
    }
    piece.copy(this.#pending, this.#length);
    this.#length = length;
  }

  /** Makes room for a line of `length` bytes, doubling so that many small pieces stay cheap. */
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

  #finished(): Buffer {
    const end = this.#pending[this.#length - 1] === RETURN ? this.#length - 1 : this.#length;
    const bytes = this.#pending.subarray(0, end);
    this.close();
    return bytes;
  }
}
