import { fstatSync, renameSync, statSync } from "node:fs";

import { messageOf } from "../base/errors.ts";
import { JsonLog, LineWriter, type Log } from "../base/json-log.ts";
import { redirectToFile } from "../posix/redirect.ts";

/**
 * The size in bytes at which the log of a daemon is rotated; the previously rotated file is
 * removed.
 */
const LIMIT_BYTES = 5_000_000;
const STDOUT = 1;
const STDERR = 2;

/**
 * The log of a daemon: JSON lines to stdout. If stdout is the file at `path`, as for a daemon that
 * a client started, the file is renamed to `path.1` before it exceeds the limit, and stdout and
 * stderr continue in a new file. Any other stdout (a terminal, a pipe, systemd's journal) is not
 * rotated.
 *
 * A line that cannot be written (a full disk) is lost, with no other effect.
 *
 * @param limitBytes - default 5,000,000
 */
export function openDaemonLog(path: string, limitBytes: number = LIMIT_BYTES): Log {
  const stdout = new LineWriter(STDOUT);
  let failure: string | undefined;
  const write = (line: string): void => {
    const why = rotate(path, Buffer.byteLength(line), limitBytes);
    // Reported once per reason: the log continues to grow, because that is better than losing
    // entries.
    if (why !== undefined && why !== failure) log.warn({ why }, "The log could not be put aside.");
    failure = why;
    stdout.write(line);
  };
  const log = new JsonLog(write);
  return log;
}

/** @returns the reason why a due rotation failed */
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
