import { newelError } from "../base/errors.ts";
import { countWaiting, hideFromClients, isHidden } from "../posix/hide.ts";
import type { SocketInfo } from "./api.ts";
import { isUnbound } from "./late-sockets.ts";

/**
 * Retired sockets: a socket whose clients another socket of the kernel takes over. The state is that of the
 * socket itself, so that it needs no line of the journal and the next kernel finds it.
 */

/**
 * Leaves new clients of a socket to another socket that covers the address. Safe to repeat.
 *
 * @returns how many clients wait for the processes that have the socket
 */
export function retireSocket(fd: number, info: SocketInfo): number {
  if (isUnbound(info)) return 0;
  if (!canRetire(info)) {
    throw newelError("NEWEL_E_COMMAND", {
      what: `The socket ${info.name} cannot be retired: only a TCP socket without a network device can`,
    });
  }
  hideFromClients(fd);
  return countWaiting(fd);
}

/** Whether a socket was retired, by this kernel or an earlier one. */
export function isRetiredSocket(fd: number, info: SocketInfo): boolean {
  return canRetire(info) && !isUnbound(info) && isHidden(fd);
}

function canRetire(info: SocketInfo): boolean {
  return info.family !== "unix" && info.type === "stream" && info.interface === undefined;
}
