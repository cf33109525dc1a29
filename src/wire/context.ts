/** What a method can know of the call it answers. */
export interface CallContext {
  /** Aborts when the caller cancels, its deadline passes or its connection is lost. */
  readonly signal: AbortSignal;
  /** Who calls: `uid 0, pid 77` or an address. For log lines, not for decisions. */
  readonly peer: string;
}

let current: CallContext | undefined;

/**
 * The context of the call that is being answered. Ask for it at the beginning of the method, before
 * the first `await`; a generator may ask again after each `yield`. It costs nothing until asked for,
 * and a method called locally, not over a connection, gets a context that never aborts.
 *
 * @example
 * async function* logs(name: string): AsyncGenerator<Line> {
 *   const { signal } = callContext();
 *   for await (const line of follow(name, { signal })) yield line;
 * }
 */
export function callContext(): CallContext {
  return current ?? { signal: new AbortController().signal, peer: "this process" };
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
