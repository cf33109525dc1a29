/**
 * Options of Node.js that keep an idle kernel small: it waits most of the time, so the optimizing compilers
 * and V8's helper threads cost memory without use. They can be enabled again while it runs. The space for
 * young objects stays small (2 MB): at its usual limit of 16 MB, thousands of restarts let the heap grow from
 * 20 to 80 MB, all of it garbage.
 */
export const FRUGAL_ARGS: readonly string[] = [
  "--no-opt",
  "--no-maglev",
  "--no-sparkplug",
  "--expose-gc",
  "--max-semi-space-size=2",
];
