import type { ProcessTree, TreeProcess } from "./process-api.ts";
import type { Descendants } from "./descendants.ts";
import type { ManagedProcess } from "./managed-process.ts";
import { lookClosely, type Seen } from "./proc.ts";

/** The trees of these processes that have a living process, from one pass over /proc. */
export function viewTrees(
  roots: readonly ManagedProcess[],
  descendants: Descendants,
  detailed: boolean,
): readonly ProcessTree[] {
  const found = descendants.find();
  return roots.flatMap(({ name, running, record, exitCode }): ProcessTree[] => {
    const processes = found.get(record.id)?.map((seen) => view(seen, descendants, detailed)) ?? [];
    if (processes.length === 0) return [];
    const ending = exitCode === undefined ? {} : { exitCode };
    return [{ name, pid: record.info.pid, running, ...ending, processes }];
  });
}

function view(seen: Seen, descendants: Descendants, detailed: boolean): TreeProcess {
  const { pid, startTicks, parent, command, group, state, cpuTicks, memoryBytes } = seen;
  const stopped = state === "T" ? { stopped: true as const } : {};
  const brief = { pid, startTicks, parent, command, group, ...stopped, cpuTicks, memoryBytes };
  if (!detailed) return brief;
  const asked = descendants.asked(seen);
  const askedAgo =
    asked === undefined
      ? {}
      : { asked: { signal: asked.signal, agoMs: Math.round(performance.now() - asked.atMs) } };
  return { ...brief, detail: { ...lookClosely(pid), ...askedAgo } };
}
