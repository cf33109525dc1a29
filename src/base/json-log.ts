import { writeSync } from "node:fs";

import { systemCode } from "./errors.ts";

/** A method of a log: a message, with fields before it where there are some; `err` is the field of an error. */
export interface LogMethod {
  (message: string): void;
  (fields: object, message: string): void;
}

/** The log of a program. A pino logger is one, and so is a {@link JsonLog}. */
export interface Log {
  /** Entries below this level are not written. */
  level: string;
  readonly debug: LogMethod;
  readonly info: LogMethod;
  readonly warn: LogMethod;
  readonly error: LogMethod;
}

/** The numbers of pino, so that its tools can show these logs. */
const LEVELS = { debug: 20, info: 30, warn: 40, error: 50 } as const;

type Level = keyof typeof LEVELS;

/** How many causes of an error are written. */
const CAUSES = 10;

/**
 * Writes each entry as one line of JSON: `level`, `time` (milliseconds since the epoch), `pid`, the fields, `msg`. The
 * format is that of pino, which would take 2 MB of the memory of an idle daemon.
 */
export class JsonLog implements Log {
  level = "info";
  readonly debug: LogMethod = this.#method("debug");
  readonly info: LogMethod = this.#method("info");
  readonly warn: LogMethod = this.#method("warn");
  readonly error: LogMethod = this.#method("error");
  readonly #write: (line: string) => void;

  constructor(write: (line: string) => void) {
    this.#write = write;
  }

  #method(level: Level): LogMethod {
    return (first: string | object, message?: string) => {
      const wanted = Object.hasOwn(LEVELS, this.level) ? LEVELS[this.level as Level] : LEVELS.info;
      if (LEVELS[level] < wanted) return;
      const [fields, text] = typeof first === "string" ? [{}, first] : [first, message];
      this.#write(`${formatEntry(level, fields, text ?? "")}\n`);
    };
  }
}

/** Never throws: a field that JSON cannot say, such as a cycle, is written as its name and the reason. */
function formatEntry(level: Level, fields: object, message: string): string {
  const head = { level: LEVELS[level], time: Date.now(), pid: process.pid };
  const texts = Object.entries(head).map(([name, number]) => `"${name}":${number}`);
  for (const [name, value] of Object.entries(fields)) {
    const text = toJson(value);
    if (text !== undefined) texts.push(`${JSON.stringify(name)}:${text}`);
  }
  return `{${texts.join(",")},"msg":${JSON.stringify(message)}}`;
}

function toJson(value: unknown): string | undefined {
  try {
    return JSON.stringify(value instanceof Error ? describeError(value) : value);
  } catch (error) {
    return JSON.stringify(`(not written: ${String(error)})`);
  }
}

/** The fields of an error, with its causes: JSON would leave name, message and stack out. */
function describeError(error: Error, depth = 1): object {
  const { name, message, stack, cause } = error;
  const own: Record<string, unknown> = { type: name, message, stack };
  for (const [key, value] of Object.entries(error)) if (key !== "cause") own[key] = value;
  if (cause instanceof Error && depth < CAUSES) own["cause"] = describeError(cause, depth + 1);
  if (error instanceof AggregateError && depth < CAUSES)
    own["errors"] = error.errors
      .slice(0, CAUSES)
      .map((each: unknown) => (each instanceof Error ? describeError(each, depth + 1) : each));
  return own;
}

/** How long a line may wait for a full pipe before the program continues, in milliseconds. */
const WAIT_MS = 100;
const PAUSE_MS = 5;
/** When the rest of the lines is tried again, in milliseconds: soon while the reader reads. */
const RETRY_MS = { reading: 5, stopped: 100 };
/** Lines that a full pipe did not take are kept up to this size, in bytes. */
const KEPT_BYTES = 1_000_000;

/**
 * Writes whole lines to a descriptor. Where a pipe is full, lines wait in memory until its reader reads; beyond 1 MB
 * they are dropped, and a line says how many. Lines that cannot be written at all (a full disk) are dropped.
 */
export class LineWriter {
  readonly #fd: number;
  #rest: Buffer = Buffer.alloc(0);
  #dropped = 0;
  #retry: NodeJS.Timeout | undefined;

  constructor(fd: number) {
    this.#fd = fd;
    process.on("exit", () => this.#flush(WAIT_MS));
  }

  write(line: string): void {
    const isFull = this.#rest.length > 0;
    if (this.#rest.length > KEPT_BYTES) {
      this.#flush(0);
      if (this.#rest.length > KEPT_BYTES) {
        this.#dropped += 1;
        return;
      }
    }
    const dropped =
      this.#dropped === 0
        ? ""
        : `${formatEntry("warn", { dropped: this.#dropped }, "Lines of this log were dropped, because its reader was slow.")}\n`;
    this.#dropped = 0;
    this.#rest = Buffer.concat([this.#rest, Buffer.from(dropped + line)]);
    // Only the first line waits for a reader that has stopped reading.
    this.#flush(isFull ? 0 : WAIT_MS);
  }

  /** @param waitMs - how long to wait for a full pipe */
  #flush(waitMs: number): void {
    const until = performance.now() + waitMs;
    const before = this.#rest.length;
    while (this.#rest.length > 0) {
      try {
        this.#rest = this.#rest.subarray(writeSync(this.#fd, this.#rest));
      } catch (error) {
        if (systemCode(error) !== "EAGAIN") this.#rest = Buffer.alloc(0);
        else if (performance.now() > until) return this.#retryLater(this.#rest.length < before);
        else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
      }
    }
  }

  #retryLater(isReading: boolean): void {
    if (this.#retry !== undefined) return;
    this.#retry = setTimeout(
      () => {
        this.#retry = undefined;
        this.#flush(0);
      },
      RETRY_MS[isReading ? "reading" : "stopped"],
    ).unref();
  }
}
