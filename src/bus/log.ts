/** The importance of an entry. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** An entry of the log, as listeners of the channel `log` get it. */
export interface LogEntry {
  /** Milliseconds since the epoch. */
  readonly timeMs: number;
  /** The importance of the entry. */
  readonly level: LogLevel;
  /** The text; with an error, its name and stack follow. */
  readonly message: string;
  /** The name of the bus it was logged on. */
  readonly bus: string;
  /** The process it was logged in. */
  readonly pid: number;
  /** The error the entry is about; missing in an entry of text alone. */
  readonly error?: unknown;
}

/**
 * The most errors that a text shows: an error can have any number of causes and parts, even itself.
 */
const SHOWN = 30;

/** The text of an entry: the message, then the error's stack, with its causes and parts. */
export function logText(message: string, error: unknown): string {
  return error === undefined ? message : `${message}\n${described(error)}`;
}

/** The message of any thrown value. */
export function messageText(error: unknown): string {
  try {
    const said: unknown = error instanceof Error ? error.message : error;
    return String(said);
  } catch {
    return UNREADABLE;
  }
}

const UNREADABLE = "(an error that cannot be read)";

/** Never throws: an error may be any value, even one whose properties throw. */
function described(error: unknown): string {
  const shown = new Set<unknown>();
  try {
    const text = describe(error, "", shown);
    return shown.size < SHOWN ? text : `${text}\n(more errors are not shown)`;
  } catch {
    return UNREADABLE;
  }
}

function describe(error: unknown, indent: string, shown: Set<unknown>): string {
  shown.add(error);
  if (!(error instanceof Error)) return `${indent}${messageText(error)}`;
  const stack: unknown = error.stack;
  const text = typeof stack === "string" ? stack : `${error.name}: ${error.message}`;
  const own = text.replaceAll(/^/gm, indent);
  // V8 writes the class with which a stack was captured, not a name that the instance got later.
  const lines = [own.includes(error.name) ? own : `${indent}${error.name}: ${own.trimStart()}`];
  const parts: unknown[] = error instanceof AggregateError ? [...error.errors] : [];
  if (error.cause !== undefined) parts.push(error.cause);
  for (const part of parts)
    if (shown.size < SHOWN && !shown.has(part)) lines.push(describe(part, `${indent}  `, shown));
  return lines.join("\n");
}
