import { constants } from "node:os";

import type { ProcessInfo } from "../kernel/process-api.ts";
import type { ResolvedService } from "./config/resolved.ts";
import type { FoundReplica } from "./machine/types.ts";
import { processAgeMs } from "./process-age.ts";
import { isOfHash, type RunName } from "./process-names.ts";

/** A process of the kernel that belongs to a service. */
export interface FoundProcess {
  readonly run: RunName;
  readonly info: ProcessInfo;
  /** Whether a process of the tree is running. */
  readonly isAlive: boolean;
  /** The signals that processes of its tree were sent by an earlier stop. */
  readonly asked: readonly number[];
}

/** The same process as the machine reads it. `current`: the settings that the service has now. */
export function toFoundReplica(
  { run, info, isAlive, asked }: FoundProcess,
  spec: ResolvedService,
  current: ResolvedService,
): FoundReplica {
  return {
    generation: run.run,
    number: run.slot,
    spec,
    current: isOfHash(run, current.hash),
    running: info.running,
    hasDescendants: !info.running && isAlive,
    isStopping: asked.some((signal) => stopSignals(spec).includes(signal)),
    ...(info.exitCode === undefined ? {} : { exitCode: info.exitCode }),
    ageMs: info.running
      ? processAgeMs(info.pid)
      : Math.max(0, (info.endedMs ?? info.startedMs) - info.startedMs),
  };
}

function stopSignals({ stop }: ResolvedService): readonly number[] {
  const { SIGKILL, SIGTERM } = constants.signals;
  const named = Object.entries(constants.signals).find(([name]) => name === stop.signal);
  return [SIGKILL, named?.[1] ?? SIGTERM];
}
