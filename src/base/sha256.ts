// SHA-256 (FIPS 180-4) for fingerprints of settings and names, not for secrets: node:crypto would take 1.4 MB of
// the memory of an idle supervisor, which hashes a few kilobytes at a change of the configuration.

const BLOCK_BYTES = 64;
const ROUNDS = 64;

/** The first 32 bits of the fractional parts of a root of the first primes: of cube roots, or square roots. */
function fractions(count: number, root: (prime: number) => number): Uint32Array {
  const found: number[] = [];
  for (let number = 2; found.length < count; number += 1)
    if (!found.some((prime) => number % prime === 0)) found.push(number);
  return Uint32Array.from(found, (prime) => (root(prime) % 1) * 2 ** 32);
}

const CONSTANTS = fractions(ROUNDS, Math.cbrt);
const INITIAL = fractions(8, Math.sqrt);

/** The hexadecimal SHA-256 of a text in UTF-8. */
export function sha256(text: string): string {
  const message = padded(Buffer.from(text));
  const state = Uint32Array.from(INITIAL);
  for (let at = 0; at < message.length; at += BLOCK_BYTES) compress(state, message, at);
  return [...state].map((word) => word.toString(16).padStart(8, "0")).join("");
}

/** The message, a one bit, zeros, and its length in bits in the last 8 bytes of a block. */
function padded(message: Buffer): Buffer {
  const blocks = Math.ceil((message.length + 9) / BLOCK_BYTES);
  const all = Buffer.alloc(blocks * BLOCK_BYTES);
  message.copy(all);
  all[message.length] = 0x80;
  all.writeBigUInt64BE(BigInt(message.length) * 8n, all.length - 8);
  return all;
}

function compress(state: Uint32Array, message: Buffer, at: number): void {
  const schedule = expand(message, at);
  let [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = state;
  for (let round = 0; round < ROUNDS; round += 1) {
    const mix = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    const word = (CONSTANTS[round] ?? 0) + (schedule[round] ?? 0);
    const first = (h + mix + ((e & f) ^ (~e & g)) + word) | 0;
    const second = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    [a, b, c, d, e, f, g, h] = [(first + second) | 0, a, b, c, (d + first) | 0, e, f, g];
  }
  for (const [index, word] of [a, b, c, d, e, f, g, h].entries())
    state[index] = (state[index] ?? 0) + word;
}

function expand(message: Buffer, at: number): Int32Array {
  const schedule = new Int32Array(ROUNDS);
  const word = (index: number): number => schedule[index] ?? 0;
  for (let index = 0; index < 16; index += 1) schedule[index] = message.readInt32BE(at + 4 * index);
  for (let index = 16; index < ROUNDS; index += 1) {
    const [early, late] = [word(index - 15), word(index - 2)];
    const low = rotate(early, 7) ^ rotate(early, 18) ^ (early >>> 3);
    const high = rotate(late, 17) ^ rotate(late, 19) ^ (late >>> 10);
    schedule[index] = word(index - 16) + low + word(index - 7) + high;
  }
  return schedule;
}

function rotate(word: number, bits: number): number {
  return (word >>> bits) | (word << (32 - bits));
}
