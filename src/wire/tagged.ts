import { newelError } from "../base/errors.ts";

/**
 * Tagged JSON: a value that JSON lacks is written as `{"$": tag, "v": …}`, and so is an object that
 * has a key `$` itself. Objects are numbered in the order in which they begin, so that an object
 * that occurs twice, or contains itself, is written once and then as `{"$": "ref", "v": number}`.
 * Binary data is kept out of the text, as numbered parts. docs/reference/values.md has the table of
 * all values.
 */

/** A body that is ready to be written: plain JSON, or tagged JSON with its parts. */
export type Encoded = string | TaggedBody;

export interface TaggedBody {
  readonly json: string;
  /** Memory of the value itself, not a copy. */
  readonly parts: readonly Uint8Array[];
}

export interface CodecLimits {
  /** Nesting depth of arrays and objects. */
  readonly maxDepth: number;
  /** Pieces of binary data in one value. */
  readonly maxParts: number;
  /**
   * Both ends trust each other: a key `__proto__` crosses. Otherwise the writer refuses it, and the
   * reader drops it.
   */
  readonly allowsProto?: boolean;
}

/** Functions that cross by reference; references.ts implements it for a session. */
export interface References {
  /** The number under which the peer may call this function from now on. */
  hold(callback: (...args: never[]) => unknown): number;
  /** A function that calls the peer's. */
  receive(id: number): (...args: unknown[]) => unknown;
}

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** The maximum length of a list with holes: a reader that walks it must finish. */
export const MAX_SPARSE_LENGTH = 1_000_000;

/** @throws NEWEL_E_LIMIT */
export function tooDeep(maxDepth: number): Error {
  return newelError("NEWEL_E_LIMIT", {
    what: "the nesting of a value",
    limit: maxDepth,
    unit: "levels",
  });
}
