// The work of every pool, by the same function in all of their workers. `n`: return it.
// `s`: sleep. `b`: compute. `d`: give this back.
import { setTimeout as sleep } from "node:timers/promises";

export function work({ n, s, b, d }) {
  if (s !== undefined) return sleep(s);
  if (b !== undefined) burn(b);
  return d ?? n;
}

/** Keeps the processor busy. */
export function burn(ms) {
  const end = performance.now() + ms;
  while (performance.now() < end);
}
