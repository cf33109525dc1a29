/** The exit codes of the kernel's program, in addition to the codes of its bus. */
export const KERNEL_EXIT = {
  /** The arguments are invalid. */
  usage: 64,
  /** The home cannot be used, or the kernel could not begin to serve. */
  failed: 70,
  /** Another kernel serves the home: the process that started this one can connect to the other. */
  running: 75,
} as const;
