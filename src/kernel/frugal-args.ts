/**
 * Options of Node.js that keep an idle kernel small: most of its life it waits, so the optimizing
 * compilers and V8's helper threads cost memory for nothing. They can be had back while it runs.
 */
export const FRUGAL_ARGS: readonly string[] = [
  "--no-opt",
  "--no-maglev",
  "--no-sparkplug",
  "--expose-gc",
];
