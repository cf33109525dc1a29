/** How much an entry matters. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** What listeners of the channel `log` get. */
export interface LogEntry {
  /** Milliseconds since the epoch. */
  readonly timeMs: number;
  readonly level: LogLevel;
  /** The text; with an error, its name and stack stand below. */
  readonly message: string;
  /** The name of the bus it was logged on. */
  readonly bus: string;
  /** The process it was logged in. */
  readonly pid: number;
  readonly error?: unknown;
}

/** The text of an entry: the message, then what the error says of itself, causes and parts included. */
export function logText(message: string, error: unknown): string {
  return error === undefined ? message : `${message}\n${describe(error, "")}`;
}

function describe(error: unknown, indent: string): string {
  if (!(error instanceof Error)) return `${indent}${String(error)}`;
  const own = (error.stack ?? `${error.name}: ${error.message}`).replaceAll(/^/gm, indent);
  // V8 writes the class a stack was captured with, not a name given to the instance later.
  const named = own.includes(error.name) ? own : `${indent}${error.name}: ${own.trimStart()}`;
  const parts = error instanceof AggregateError ? error.errors : [];
  const inner = [...parts, ...(error.cause === undefined ? [] : [error.cause])];
  return [named, ...inner.map((part) => describe(part, `${indent}  `))].join("\n");
}
