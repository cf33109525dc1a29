import type { LogLine } from "./line.ts";

/** Joins lines of several processes by time; the order within each process stays as it is. */
export async function* mergeByTime(
  sources: readonly (AsyncIterable<LogLine> | Iterable<LogLine>)[],
): AsyncGenerator<LogLine, void> {
  const iterators = sources.map(iterate);
  try {
    const heads = await Promise.all(iterators.map((iterator) => iterator.next()));
    for (;;) {
      const first = earliest(heads);
      const head = heads[first];
      const iterator = iterators[first];
      if (head === undefined || head.done === true || iterator === undefined) return;
      yield head.value;
      heads[first] = await iterator.next();
    }
  } finally {
    await Promise.all(iterators.map((iterator) => iterator.return?.()));
  }
}

function earliest(heads: readonly IteratorResult<LogLine, unknown>[]): number {
  let best = -1;
  let bestMs = Infinity;
  for (const [index, head] of heads.entries()) {
    if (head.done === true || head.value.timeMs >= bestMs) continue;
    best = index;
    bestMs = head.value.timeMs;
  }
  return best;
}

async function* iterate(
  lines: AsyncIterable<LogLine> | Iterable<LogLine>,
): AsyncGenerator<LogLine, void> {
  yield* lines;
}
