/** The facts about the current call that a method can ask for. */
export interface CallContext {
  /** Aborts when the caller cancels, its deadline passes or its connection is lost. */
  readonly signal: AbortSignal;
  /**
   * Aborts when the caller's connection ends, even long after the call was answered: its process
   * has exited or disconnected. A method that keeps a function of its caller can then drop it.
   */
  readonly disconnected: AbortSignal;
  /** The caller: `uid 0, pid 77` or an address. For log lines, not for access decisions. */
  readonly peer: string;
}

let current: CallContext | undefined;

/**
 * Returns the context of the call that is being answered. Ask for it at the beginning of the
 * method, before the first `await`; a generator may ask again after each `yield`. It is created
 * only when a method asks. A method that is called locally, not over a connection, gets a context
 * that never aborts.
 *
 * @example
 * async function* logs(name: string): AsyncGenerator<Line> {
 *   const { signal } = callContext();
 *   for await (const line of follow(name, { signal })) yield line;
 * }
 */
export function callContext(): CallContext {
  if (current !== undefined) return current;
  const { signal } = new AbortController();
  return { signal, disconnected: signal, peer: "this process" };
}

/** Runs the synchronous part of a method within its context. */
export function runWithin<Result, Args extends readonly unknown[]>(
  context: CallContext,
  run: (...args: Args) => Result,
  target: unknown,
  args: Args,
): Result {
  const outer = current;
  current = context;
  try {
    return Reflect.apply<unknown, Args, Result>(run, target, args);
  } finally {
    current = outer;
  }
}
