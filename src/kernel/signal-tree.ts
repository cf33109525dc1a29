import { systemCode } from "../base/errors.ts";
import { signalPidfd } from "../posix/process.ts";
import type { ProcessId, SignalReport, SignalScope } from "./process-api.ts";
import type { Descendants } from "./descendants.ts";
import type { ManagedProcess } from "./managed-process.ts";
import { isLiving, look, type Seen } from "./proc.ts";

/** A signal and its target processes in a tree. */
export interface TreeSignal {
  readonly signal: number;
  readonly scope: SignalScope;
  /** Exactly these processes of the tree, in this order; the scope does not matter then. */
  readonly only: readonly ProcessId[] | undefined;
}

/** Sends a signal to processes of one tree, each by its start time, so that a reused pid is never hit. */
export function signalTree(
  managed: ManagedProcess,
  descendants: Descendants,
  { signal, scope, only }: TreeSignal,
): SignalReport {
  const { record, pidfd } = managed;
  const send = (seen: Seen): boolean =>
    only === undefined && seen.pid === record.info.pid && pidfd !== undefined
      ? signalPidfd(pidfd, signal)
      : descendants.signal(seen, signal);
  const targets = findTargets(managed, descendants, scope, only);
  const reached =
    scope === "group" && only === undefined
      ? signalGroup(record.info.pid, targets, signal)
      : targets.filter(send);
  return { signalled: reached.map(({ pid, command }) => ({ pid, command })) };
}

function findTargets(
  { record, running }: ManagedProcess,
  descendants: Descendants,
  scope: SignalScope,
  only: readonly ProcessId[] | undefined,
): readonly Seen[] {
  const { pid } = record.info;
  if (scope === "process" && only === undefined) {
    const self = look(pid);
    const alive = self !== undefined && running && self.startTicks === record.startTicks;
    return alive && isLiving(self) ? [self] : [];
  }
  const recalled = only === undefined ? undefined : descendants.recall(record.id, only);
  if (recalled !== undefined) return recalled;
  const tree = descendants.find().get(record.id) ?? [];
  if (only !== undefined)
    return only.flatMap((id) => tree.filter((seen) => isSame(seen, id)).slice(0, 1));
  return scope === "tree" ? tree : tree.filter(({ group }) => group === pid);
}

function isSame(seen: Seen, id: ProcessId): boolean {
  return seen.pid === id.pid && seen.startTicks === id.startTicks;
}

/**
 * Signals the whole group with one call: a shell that outlives its command would continue with the next one.
 */
function signalGroup(group: number, members: readonly Seen[], signal: number): readonly Seen[] {
  if (members.length === 0) return [];
  try {
    // While the group has a member, its number cannot be reused.
    process.kill(-group, signal);
    return members;
  } catch (error) {
    if (systemCode(error) === "ESRCH") return [];
    throw error;
  }
}
