/** What the kernel's program ends with, beside the codes of its bus. */
export const KERNEL_EXIT = {
  /** The arguments were not understood. */
  usage: 64,
  /** The home cannot be used, or the kernel could not begin to serve. */
  failed: 70,
  /** Another kernel serves the home: whoever started this one can connect to that. */
  running: 75,
} as const;
