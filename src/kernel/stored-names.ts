import { toFileName } from "../base/names.ts";

/** Distinguishes newel's names from those that an administrator put into the unit. */
export const STORED_PREFIX = "newel-";

/** The name of a socket in systemd's fd store, or at another holder of the sockets. */
export function storedName(name: string): string {
  return STORED_PREFIX + toFileName(name);
}
