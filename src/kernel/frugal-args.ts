/**
 * Options of Node.js that keep an idle kernel small: most of its life it waits, so the optimizing
 * compilers and V8's helper threads cost memory for nothing. They can be had back while it runs. The
 * space for young objects stays small (2 MB): grown to its usual 16 MB, it let thousands of restarts take
 * the heap from 20 to 80 MB, all of it garbage.
 */
export const FRUGAL_ARGS: readonly string[] = [
  "--no-opt",
  "--no-maglev",
  "--no-sparkplug",
  "--expose-gc",
  "--max-semi-space-size=2",
];
