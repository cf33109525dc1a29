import { closeSync, openSync, writeSync } from "node:fs";
import type { Writable } from "node:stream";

import { counted } from "../../base/counted.ts";
import { messageOf } from "../../base/errors.ts";
import type { Bus } from "../bus.ts";
import type { LogEntry, LogLevel } from "../log.ts";
import { notWritable } from "../not-writable.ts";
import { survive } from "../output.ts";

/** Options of the destinations of the log. */
export interface LogOptions {
  /** Entries below this level are omitted. Default `info`. */
  readonly level?: LogLevel;
  /** One entry as text, without the end of line. Default {@link formatEntry}. */
  readonly format?: (entry: LogEntry) => string;
}

/** The part of a pino logger that is used. */
export type PinoLike = Record<LogLevel, (fields: object, message: string) => void>;

const WEIGHT: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

/** `2026-01-31T09:00:00.000Z info Bank[4711] Placing order`. */
export function formatEntry({ timeMs, level, bus, pid, message }: LogEntry): string {
  return `${new Date(timeMs).toISOString()} ${level} ${bus}[${pid}] ${message}`;
}

/** The most memory for entries that a stream's reader has not read, in bytes. */
const MOST_WAITING_BYTES = 16_000_000;

/**
 * Writes the bus's log to a stream. If writing to the stream fails (EPIPE), because its reader disconnected or
 * its terminal was closed, the program continues: entries are lost, and a process warning reports that once.
 * While 16 MB wait for a slow reader, further entries are dropped and counted.
 *
 * @param stream - default stderr
 * @returns a function that removes the logger
 */
export function logToStream(
  bus: Bus,
  stream: Writable = process.stderr,
  options: LogOptions = {},
): () => void {
  let dropped = 0;
  survive(stream, (error) =>
    process.emitWarning(`The stream of the log failed, entries are lost: ${messageOf(error)}`, {
      type: "NewelBusLog",
    }),
  );
  return logWith(bus, "stream logger", options, (line) => {
    if (stream.writableLength > MOST_WAITING_BYTES) {
      dropped += 1;
      return;
    }
    if (dropped > 0)
      stream.write(
        `(${counted(dropped, "entry was", "entries were")} dropped: the log is not read)\n`,
      );
    dropped = 0;
    stream.write(`${line}\n`);
  });
}

/**
 * Appends the bus's log to a file, each entry with one write(2), so that the last entries before an
 * abrupt end are in the file and several processes may share it. `graceful` reopens the path, as
 * log rotation requires.
 *
 * @returns a function that removes the logger and closes the file
 * @throws NEWEL_E_BUS_FILE when the file cannot be written
 */
export function logToFile(bus: Bus, path: string, options: LogOptions = {}): () => void {
  let fd = openLog(path);
  const name = "file logger";
  const offLog = logWith(bus, name, options, (line) => void writeSync(fd, `${line}\n`));
  const reopen = (): void => {
    const next = openLog(path);
    closeSync(fd);
    fd = next;
  };
  const offGraceful = bus.subscribe("graceful", reopen, { name, priority: 10 });
  return () => {
    offLog();
    offGraceful();
    closeSync(fd);
  };
}

function openLog(path: string): number {
  try {
    return openSync(path, "a");
  } catch (error) {
    throw notWritable("log file", path, error);
  }
}

/**
 * Passes the bus's log to a pino logger, or one with the same methods.
 *
 * @returns a function that removes the logger
 */
export function logToPino(bus: Bus, logger: PinoLike): () => void {
  return bus.subscribe(
    "log",
    ({ level, message, bus: name, error }) => {
      // The message already contains the stack; pino's own serializer expects its first line alone.
      const text = error === undefined ? message : (message.split("\n")[0] ?? message);
      logger[level]({ bus: name, ...(error === undefined ? {} : { err: error }) }, text);
    },
    { name: "pino logger" },
  );
}

function logWith(
  bus: Bus,
  name: string,
  { level = "info", format = formatEntry }: LogOptions,
  write: (line: string) => void,
): () => void {
  return bus.subscribe(
    "log",
    (entry) => {
      if (WEIGHT[entry.level] >= WEIGHT[level]) write(format(entry));
    },
    { name },
  );
}
