/** The states that can follow each state directly. A name that is only a target needs no row. */
export type Edges = Readonly<Record<string, readonly string[]>>;

/** Every state in the table, as origin or as target. */
export function statesOf(edges: Edges): Set<string> {
  const states = new Set(Object.keys(edges));
  for (const targets of Object.values(edges)) for (const target of targets) states.add(target);
  return states;
}

/**
 * The states to pass, in order, from one state to another by the fewest transitions: the target
 * last. Empty when already there, `undefined` when there is no path. Among paths of equal length
 * the one whose transitions are first in the table is used.
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

/**
 * The first state on the shortest path, or `undefined` when there is no path or the target is
 * reached.
 */
export function nextHop(edges: Edges, from: string, to: string): string | undefined {
  return path(edges, from, to)?.[0];
}
