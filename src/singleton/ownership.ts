import type { Ownership } from "./api.ts";

let current: Ownership | undefined;

/**
 * The ownership under which an instance is being made. Ask for it in the constructor; `lateInit` and
 * `restore` get it as their argument. An object made without `singleton` gets one that never ends.
 *
 * @example
 * class Counter {
 *   readonly #ownership = ownership();
 *   epoch(): number {
 *     return this.#ownership.epoch;
 *   }
 * }
 */
export function ownership(): Ownership {
  return current ?? ALONE;
}

const ALONE: Ownership = {
  name: "",
  key: undefined,
  epoch: 0,
  signal: new AbortController().signal,
  save: () => Promise.resolve(),
};

/** Runs a constructor under an ownership. */
export function makeUnder<T>(own: Ownership, make: () => T): T {
  const outer = current;
  current = own;
  try {
    return make();
  } finally {
    current = outer;
  }
}
