import { fstatSync, renameSync, statSync } from "node:fs";

import { destination, type Logger, pino } from "pino";

import { messageOf } from "../base/errors.ts";
import { redirectToFile } from "../posix/redirect.ts";

/** At this size, in bytes, the log of a daemon is put aside; the one that was put aside before is removed. */
const LIMIT_BYTES = 5_000_000;
const STDOUT = 1;
const STDERR = 2;

/**
 * The log of a daemon: JSON lines to stdout. Where stdout is the file at `path`, as for a daemon that a client
 * started, the file is renamed to `path.1` before it outgrows the limit, and stdout and stderr continue in a new
 * one. Any other stdout (a terminal, a pipe, systemd's journal) is left to its owner.
 *
 * A line that cannot be written (a full disk) is lost, and ends nothing.
 *
 * @param limitBytes - default 5,000,000
 */
export function openDaemonLog(path: string, limitBytes: number = LIMIT_BYTES): Logger {
  const stdout = destination({ sync: true });
  stdout.on("error", () => undefined);
  let failure: string | undefined;
  const write = (line: string): void => {
    const why = rotate(path, Buffer.byteLength(line), limitBytes);
    // Reported once for each reason: the log continues to grow, which is better than losing it.
    if (why !== undefined && why !== failure) log.warn({ why }, "The log could not be put aside.");
    failure = why;
    stdout.write(line);
  };
  const log = pino({ base: { pid: process.pid } }, { write });
  return log;
}

/** @returns why it was not possible, if it was due */
function rotate(path: string, comingBytes: number, limitBytes: number): string | undefined {
  try {
    if (!leadsTo(STDOUT, path)) return undefined;
    const { size } = fstatSync(STDOUT);
    if (size === 0 || size + comingBytes <= limitBytes) return undefined;
    const withStderr = leadsTo(STDERR, path);
    renameSync(path, `${path}.1`);
    redirectToFile(STDOUT, path);
    if (withStderr) redirectToFile(STDERR, path);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

function leadsTo(fd: number, path: string): boolean {
  const file = statSync(path, { throwIfNoEntry: false });
  if (file === undefined) return false;
  const open = fstatSync(fd);
  return open.ino === file.ino && open.dev === file.dev;
}
