/**
 * Finds runs that can never continue, because runs that wait for other runs hold all permits that those need. It is
 * pure: `blocked-runs.ts` reads the runs and reports.
 *
 * A limit (the processes of the server, a shared process, a queue's or a group's concurrency) has permits; a run that
 * executes holds one of each limit that applies to it, and a run that waits in the store needs them. A run is stuck
 * when
 *
 * - it executes, and every run that it waits for is stuck, or
 * - it has not begun, and all permits of a limit that it needs are held by stuck runs.
 *
 * The largest set of runs with this property is computed: all runs are taken for stuck, and those without a reason are
 * removed until none is left to remove. Runs that are not listed (they have ended, or execute on another server) are not
 * stuck.
 */

/** A run that executes here, or one that such a run waits for. */
export interface WaitingRun {
  readonly run: string;
  /** The limits of which it holds a permit. */
  readonly holds: readonly string[];
  /** The limits of which it needs a permit to begin. */
  readonly needs: readonly string[];
  /** The runs that it waits for. */
  readonly waitsFor: readonly string[];
}

export interface Deadlock {
  /** The executing runs that are stuck. */
  readonly runs: readonly WaitingRun[];
  /** The limits whose permits they hold all. */
  readonly limits: readonly string[];
}

/** @param sizes - the number of permits of each limit */
export function findDeadlock(
  sizes: ReadonlyMap<string, number>,
  runs: readonly WaitingRun[],
): Deadlock | undefined {
  let stuck = new Map(runs.map((each) => [each.run, each]));
  let full = fullLimits(sizes, runs, stuck);
  for (;;) {
    const kept = new Map([...stuck].filter(([, each]) => hasReason(each, stuck, full)));
    if (kept.size === stuck.size) break;
    stuck = kept;
    full = fullLimits(sizes, runs, stuck);
  }
  const held = [...stuck.values()].filter(({ holds }) => holds.length > 0);
  return held.length === 0 ? undefined : { runs: held, limits: [...full] };
}

function hasReason(
  { needs, waitsFor }: WaitingRun,
  stuck: ReadonlyMap<string, WaitingRun>,
  full: ReadonlySet<string>,
): boolean {
  if (needs.some((limit) => full.has(limit))) return true;
  return waitsFor.length > 0 && waitsFor.every((run) => stuck.has(run));
}

/** The limits whose permits are all held by stuck runs. */
function fullLimits(
  sizes: ReadonlyMap<string, number>,
  runs: readonly WaitingRun[],
  stuck: ReadonlyMap<string, WaitingRun>,
): Set<string> {
  const full = new Set<string>();
  for (const [limit, size] of sizes) {
    const holders = runs.filter(({ holds }) => holds.includes(limit));
    if (holders.length >= size && holders.every(({ run }) => stuck.has(run))) full.add(limit);
  }
  return full;
}
