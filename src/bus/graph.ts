/** Which states can follow each state directly. A name that only follows needs no row of its own. */
export type Edges = Readonly<Record<string, readonly string[]>>;

/** Every state the table names, as origin or as target. */
export function statesOf(edges: Edges): Set<string> {
  const states = new Set(Object.keys(edges));
  for (const targets of Object.values(edges)) for (const target of targets) states.add(target);
  return states;
}

/**
 * The states to pass, in order, to come from one state to another by the fewest moves: the target
 * last. Empty when already there, `undefined` when there is no way. Among ways of equal length the
 * one whose moves stand first in the table is taken.
 */
export function path(edges: Edges, from: string, to: string): string[] | undefined {
  const cameFrom = new Map<string, string | undefined>([[from, undefined]]);
  for (const state of cameFrom.keys()) {
    if (state === to) return backtrack(cameFrom, to);
    for (const next of edges[state] ?? []) if (!cameFrom.has(next)) cameFrom.set(next, state);
  }
  return undefined;
}

function backtrack(cameFrom: ReadonlyMap<string, string | undefined>, to: string): string[] {
  const states: string[] = [];
  let state: string | undefined = to;
  while (state !== undefined) {
    states.unshift(state);
    state = cameFrom.get(state);
  }
  return states.slice(1);
}

/** The first state on the shortest way, or `undefined` when there is no way or nothing to do. */
export function nextHop(edges: Edges, from: string, to: string): string | undefined {
  return path(edges, from, to)?.[0];
}
