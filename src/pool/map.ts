/**
 * Runs something for each item, so many at once at most, and gives the results in the order of the
 * items.
 *
 * @param ahead - items that are taken before the first result is asked for
 */
export async function* runEach<Item, Result>(
  items: Iterable<Item> | AsyncIterable<Item>,
  ahead: number,
  outer: AbortSignal | undefined,
  run: (item: Item, signal: AbortSignal) => Promise<Result>,
): AsyncGenerator<Result, void, undefined> {
  const running: Promise<Result>[] = [];
  const ended = new AbortController();
  const signal = outer === undefined ? ended.signal : AbortSignal.any([ended.signal, outer]);
  try {
    for await (const item of items) {
      const result = run(item, signal);
      // Whoever iterates meets the failure when it is its turn.
      result.catch(() => undefined);
      running.push(result);
      if (running.length >= ahead) yield await shift(running);
    }
    while (running.length > 0) yield await shift(running);
  } finally {
    ended.abort();
  }
}

/** Called only when there is one. */
async function shift<Result>(running: Promise<Result>[]): Promise<Result> {
  return running.shift() as Promise<Result>;
}
