import { fstatSync, readlinkSync, writeSync } from "node:fs";

import { messageOf, systemCode } from "../base/errors.ts";
import { formatReport, type ListenReport } from "../base/listening.ts";

import { report } from "./report.ts";

/** Writes `READY=1` and `STOPPING=1` to the kernel. */
export interface Notifier {
  ready(): void;
  stopping(): void;
  /** Writes a question or a message about listen() to the supervisor. */
  listen(report: ListenReport): void;
}

/**
 * Opens the notify descriptor to the kernel. Node marked it close-on-exec at its start, so the app's children
 * do not have it, and a plain write does not keep the event loop alive.
 *
 * @param fd - without it, the notifier writes nothing
 */
export function openNotifier(fd: number | undefined): Notifier {
  const usable = fd !== undefined && isChannel(fd) ? fd : undefined;
  if (fd !== undefined && usable === undefined)
    report(`descriptor ${fd} is no pipe or socket; READY=1 cannot be said`);
  return {
    ready: () => say(usable, "READY=1\n"),
    stopping: () => say(usable, "STOPPING=1\n"),
    listen: (text) => say(usable, `LISTEN=${formatReport(text)}\n`),
  };
}

// A wrong number must not lead to writes into a file of the app, or into a pipe of Node.js itself: such a
// pipe has no name, but the kernel's FIFO has one.
function isChannel(fd: number): boolean {
  try {
    const status = fstatSync(fd);
    if (status.isSocket()) return true;
    if (!status.isFIFO()) return false;
    return process.platform !== "linux" || readlinkSync(`/proc/self/fd/${fd}`).startsWith("/");
  } catch (error) {
    if (systemCode(error) === "EBADF") return false;
    throw error;
  }
}

function say(fd: number | undefined, line: string): void {
  if (fd === undefined) return;
  try {
    writeSync(fd, line);
  } catch (error) {
    // EPIPE: the kernel is gone and will ask again by other means when it is back. EAGAIN: 64 kB of earlier
    // lines are unread, so no reader waits for this one.
    const code = systemCode(error);
    if (code === "EPIPE" || code === "EAGAIN") return;
    report(`${line.trim()} could not be said (${messageOf(error)})`);
  }
}
