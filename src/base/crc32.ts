const POLYNOMIAL = 0xedb88320;

const TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let word = index;
  for (let bit = 0; bit < 8; bit += 1)
    word = (word & 1) === 1 ? (word >>> 1) ^ POLYNOMIAL : word >>> 1;
  return word;
});

/**
 * The CRC-32 of zlib, computed without zlib: Node's module also loads compression, which adds two megabytes
 * to a kernel that should be small.
 */
export function crc32(text: string): number {
  let crc = 0xffff_ffff;
  for (const byte of Buffer.from(text)) crc = (TABLE[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8);
  return (crc ^ 0xffff_ffff) >>> 0;
}
