/** The classes of HTTP status codes, in the order in which {@link NodeFigures.answered} counts them. */
export const STATUS_CLASSES = ["1xx", "2xx", "3xx", "4xx", "5xx"] as const;

/** The delays of an event loop between two questions, in milliseconds. */
export interface LoopDelay {
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

/** The figures of one Node.js process of a service, which its preload answers on the control socket. */
export interface NodeFigures {
  /** Milliseconds since the start in which the event loop did something, and in which it waited. */
  readonly activeMs: number;
  readonly idleMs: number;
  /** Missing in the first answer, which begins the measurement. */
  readonly delay?: LoopDelay;
  /** Finished HTTP responses by the class of their status, in the order of {@link STATUS_CLASSES}. */
  readonly answered: readonly number[];
  /** HTTP requests without a finished response. */
  readonly running: number;
  readonly connections: number;
}

/** Reads the answer of a preload; `undefined` when it is none, as that of an older preload. */
export function parseFigures(text: string): NodeFigures | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // An older preload answers with a text.
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const fields: Readonly<Partial<Record<keyof NodeFigures, unknown>>> = value;
  const { activeMs, idleMs, delay, answered, running, connections } = fields;
  if (!isNumber(activeMs) || !isNumber(idleMs) || !isNumber(running) || !isNumber(connections))
    return undefined;
  if (!Array.isArray(answered) || answered.length !== STATUS_CLASSES.length) return undefined;
  if (!answered.every(isNumber)) return undefined;
  const loopDelay = parseDelay(delay);
  const figures = { activeMs, idleMs, answered, running, connections };
  return loopDelay === undefined ? figures : { ...figures, delay: loopDelay };
}

function parseDelay(value: unknown): LoopDelay | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const fields: Readonly<Partial<Record<keyof LoopDelay, unknown>>> = value;
  const { mean, p50, p90, p99, max } = fields;
  return isNumber(mean) && isNumber(p50) && isNumber(p90) && isNumber(p99) && isNumber(max)
    ? { mean, p50, p90, p99, max }
    : undefined;
}

function isNumber(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}
