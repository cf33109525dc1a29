/** The most kinds or names that a line shows. */
const SHOWN = 10;

/**
 * The kinds of resources that keep the process alive, with their numbers, the most frequent first:
 * `TCPSocketWrap × 2000, Timeout × 3, PipeWrap`. The length of the text is bounded.
 */
export function openResources(except?: RegExp): string {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo())
    if (except?.test(kind) !== true) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const kinds = [...counts].sort(([, a], [, b]) => b - a);
  return listed(kinds.map(([kind, count]) => (count === 1 ? kind : `${kind} × ${count}`)));
}

/** Names for a log line: the first ten, and the number of the others. */
export function listed(names: readonly string[]): string {
  const more = names.length - SHOWN;
  if (more <= 0) return names.join(", ");
  return `${names.slice(0, SHOWN).join(", ")} and ${more} more`;
}
