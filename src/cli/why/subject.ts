import { parseRunName, shownName } from "../../supervisor/process-names.ts";
import type { LastExit, ProcessView } from "../../supervisor/api.ts";
import type { ProcessInfo } from "../../kernel/process-api.ts";
import type { Observed, Subject } from "./types.ts";

/** The states of a replica, the one that most needs an explanation first. */
const ORDER: readonly ProcessView["state"][] = [
  "failed",
  "backoff",
  "stopped",
  "stopping",
  "starting",
];

/** Whether a service is as its operator wants it. */
export function isAsWanted({ wanted, state, ready, replicas, nextRunMs }: Observed): boolean {
  if (wanted === "down") return state === "stopped" || state === "stopping";
  if (state === "stopped" && nextRunMs !== undefined) return true;
  return state === "completed" || replicas === 0 || (state === "running" && ready >= replicas);
}

/**
 * The generation that explains the state of a service: of the replicas that are not as they should be the worst
 * one, and of that its last end. For a service that is as it should be: the last end that no command asked for.
 */
export function subjectOf(observed: Observed, named?: string): Subject | undefined {
  const { processes } = observed;
  if (isAsWanted(observed) && named === undefined) return lastEnd(observed);
  const candidates = processes.filter(({ name }) => named === undefined || name === named);
  for (const state of ORDER) {
    const found = candidates.find((process) => process.state === state && !process.ready);
    if (found !== undefined) return ofReplica(observed, found);
  }
  return lastEnd(observed, named);
}

function ofReplica(observed: Observed, process: ProcessView): Subject {
  const { name, state, pid, startedMs, nextTryMs } = process;
  const end = lastEnd(observed, name);
  const common = {
    name,
    state,
    ...(nextTryMs === undefined ? {} : { nextTryMs }),
  };
  // A replica that is started again and again is explained by its last end.
  const isLiving = state === "starting" || state === "stopping";
  if (!isLiving || (end !== undefined && state === "starting"))
    return end === undefined ? common : { ...end, ...common };
  return {
    ...common,
    kernelName: process.kernelName,
    ...(pid === undefined ? {} : { pid }),
    ...(startedMs === undefined ? {} : { startedMs }),
  };
}

/** The last end of a replica, or of any, that newel was not asked for by a command. */
function lastEnd({ runs, exits }: Observed, name?: string): Subject | undefined {
  for (const info of runs.toReversed()) {
    if (info.running) continue;
    const run = parseRunName(info.name);
    if (run === undefined || (name !== undefined && shownName(run) !== name)) continue;
    const exit = exits.findLast(({ kernelName }) => kernelName === info.name);
    if (isOrdinary(info, exit)) continue;
    return { ...ended(info), name: shownName(run), ...(exit === undefined ? {} : { exit }) };
  }
  return undefined;
}

/** The end of a replica that was stopped by a command, or that has done its work. */
function isOrdinary({ exitCode }: ProcessInfo, exit: LastExit | undefined): boolean {
  if (exit === undefined) return exitCode === 0;
  const { asked, reason, why } = exit;
  if (reason === "command" || reason === "excess") return true;
  return asked ? reason === undefined : why === undefined;
}

function ended({ name, pid, startedMs, endedMs, exitCode = null }: ProcessInfo): Subject {
  return {
    name,
    kernelName: name,
    state: "ended",
    pid,
    startedMs,
    exitCode,
    ...(endedMs === undefined ? {} : { endedMs }),
  };
}
