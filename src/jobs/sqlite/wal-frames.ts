/**
 * The format of SQLite's WAL file (fileformat2.html, section 4): a header of 32 bytes, then frames, each a header
 * of 24 bytes and a page. Header and frames name the salt of their generation; a cumulative checksum runs
 * through all of them. The WAL ends at the first frame with another salt or a wrong checksum.
 */
export const WAL_HEADER = 32;
export const FRAME_HEADER = 24;
/** The offsets of the salt in the header and in a frame. */
export const WAL_SALT = 16;
export const FRAME_SALT = 8;
export const SALT_LENGTH = 8;

const MAGIC_LITTLE_ENDIAN = 0x37_7f_06_82;
const MAGIC_BIG_ENDIAN = 0x37_7f_06_83;

/** Counts the frames of a WAL whose salts and checksums are right, up to the first that is not. */
export class FrameCounter {
  readonly #pageBytes: number;
  readonly #littleEndian: boolean;
  readonly #salt: Buffer;
  #sums: readonly [number, number];
  /** Whether the last frame of the WAL was seen. */
  ended = false;
  count = 0;

  constructor(header: Buffer, pageBytes: number) {
    const magic = header.length < WAL_HEADER ? 0 : header.readUInt32BE(0);
    this.#pageBytes = pageBytes;
    this.#littleEndian = magic === MAGIC_LITTLE_ENDIAN;
    this.#salt = Buffer.from(header.subarray(WAL_SALT, WAL_SALT + SALT_LENGTH));
    this.#sums = this.#isSupported(magic) ? this.#sum([0, 0], header.subarray(0, 24)) : [0, 0];
    this.ended = !(
      this.#isSupported(magic) &&
      header.readUInt32BE(24) === this.#sums[0] &&
      header.readUInt32BE(28) === this.#sums[1]
    );
  }

  #isSupported(magic: number): boolean {
    return magic === MAGIC_LITTLE_ENDIAN || magic === MAGIC_BIG_ENDIAN;
  }

  /** Reads the next frames in the order of the file. */
  add(frames: Buffer): void {
    const length = FRAME_HEADER + this.#pageBytes;
    for (let at = 0; at + length <= frames.length; at += length) {
      if (this.ended) return;
      const frame = frames.subarray(at, at + length);
      const sums = this.#sum(
        this.#sum(this.#sums, frame.subarray(0, 8)),
        frame.subarray(FRAME_HEADER),
      );
      this.ended =
        !frame.subarray(FRAME_SALT, FRAME_SALT + SALT_LENGTH).equals(this.#salt) ||
        frame.readUInt32BE(16) !== sums[0] ||
        frame.readUInt32BE(20) !== sums[1];
      if (this.ended) return;
      this.#sums = sums;
      this.count += 1;
    }
  }

  /** The checksum of section 4.2: words of 32 bits in pairs, added with overflow. */
  #sum([first, second]: readonly [number, number], bytes: Buffer): readonly [number, number] {
    let a = first;
    let b = second;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = 0; at + 8 <= bytes.byteLength; at += 8) {
      a = (a + view.getUint32(at, this.#littleEndian) + b) >>> 0;
      b = (b + view.getUint32(at + 4, this.#littleEndian) + a) >>> 0;
    }
    return [a, b];
  }
}
