import { closeSync, openSync, writeSync } from "node:fs";
import type { Writable } from "node:stream";

import type { Bus } from "../bus.ts";
import type { LogEntry, LogLevel } from "../log.ts";

export interface LogOptions {
  /** Entries below this level are left out. Default `info`. */
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

/**
 * Writes the bus's log to a stream.
 *
 * @param stream - default stderr
 * @returns takes the logger off
 */
export function logToStream(
  bus: Bus,
  stream: Writable = process.stderr,
  options: LogOptions = {},
): () => void {
  return logWith(bus, "stream logger", options, (line) => void stream.write(`${line}\n`));
}

/**
 * Appends the bus's log to a file, each entry with one write(2), so that the last words before an
 * abrupt end are there and several processes may share the file. `graceful` opens the path anew, as
 * log rotation wants.
 *
 * @returns takes the logger off and closes the file
 */
export function logToFile(bus: Bus, path: string, options: LogOptions = {}): () => void {
  let fd = openSync(path, "a");
  const name = "file logger";
  const offLog = logWith(bus, name, options, (line) => void writeSync(fd, `${line}\n`));
  const reopen = (): void => {
    const next = openSync(path, "a");
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

/**
 * Hands the bus's log to a pino logger, or one with the same methods.
 *
 * @returns takes the logger off
 */
export function logToPino(bus: Bus, logger: PinoLike): () => void {
  return bus.subscribe(
    "log",
    ({ level, message, bus: name, error }) => {
      // The message has the stack already; pino's own serializer wants its first line alone.
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
