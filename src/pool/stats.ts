import type { Dispatcher } from "./dispatcher.ts";
import type { Fleet } from "./fleet.ts";
import type { TimeSummary } from "./histogram.ts";
import type { ResourceReport } from "./protocol.ts";
import type { Seat } from "./seat.ts";

/** One worker, as `pool.stats()` shows it. */
export interface WorkerStats {
  readonly number: number;
  /** 0 while none runs. */
  readonly pid: number;
  readonly state: "starting" | "ready" | "leaving" | "ended" | "absent";
  /** Tasks it has at this moment. */
  readonly running: number;
  /** Tasks that wait for this worker and no other. */
  readonly waiting: number;
  readonly done: number;
  readonly ageMs: number;
  /** What a task keeps its event loop busy for, by the pool's estimate. */
  readonly busyMsPerTask: number;
  /** As it last said, every `statsMs`; absent before the first time. */
  readonly resources: ResourceReport | undefined;
}

/** A pool at one moment. */
export interface PoolStats {
  readonly pool: string;
  readonly state: string;
  readonly workers: readonly WorkerStats[];
  /** Tasks that wait for a worker. */
  readonly waiting: number;
  readonly running: number;
  /** Tasks that were settled since the start, well and not. */
  readonly done: number;
  readonly failed: number;
  /** Results and messages that somebody has not dealt with yet. */
  readonly pendingResults: number;
  /** Workers that were replaced. */
  readonly restarts: number;
  /** From `run` to the worker. */
  readonly waitTime: TimeSummary;
  /** From there to the answer. */
  readonly runTime: TimeSummary;
}

export function poolStats(
  { name, state }: { readonly name: string; readonly state: string },
  { seats, restarts, runTimes }: Fleet,
  { waiting, done, failed, waitTimes }: Dispatcher,
  pendingResults: number,
): PoolStats {
  const workers = seats.map(workerStats).sort((a, b) => a.number - b.number);
  return {
    pool: name,
    state,
    workers,
    waiting,
    running: workers.reduce((sum, { running }) => sum + running, 0),
    done,
    failed,
    pendingResults,
    restarts,
    waitTime: waitTimes.summary(),
    runTime: runTimes.summary(),
  };
}

function workerStats({ number, worker, own }: Seat): WorkerStats {
  return {
    number,
    pid: worker?.pid ?? 0,
    state: worker?.state ?? "absent",
    running: worker?.inFlight ?? 0,
    waiting: own.size,
    done: worker?.tasksDone ?? 0,
    ageMs: worker?.ageMs ?? 0,
    busyMsPerTask: worker?.allowance.estimateMs ?? 0,
    resources: worker?.report,
  };
}
