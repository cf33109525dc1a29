/**
 * Runs a function for each item, up to a maximum number at once, and yields the results in the
 * order of the items.
 *
 * @param ahead - items that are started before the first result is requested
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
      // The iteration throws the failure when it reaches this item.
      result.catch(() => undefined);
      running.push(result);
      if (running.length >= ahead) yield await shift(running);
    }
    while (running.length > 0) yield await shift(running);
  } finally {
    ended.abort();
  }
}

/** Called only if there is one. */
async function shift<Result>(running: Promise<Result>[]): Promise<Result> {
  return running.shift() as Promise<Result>;
}
