import type { Dispatcher } from "./dispatcher.ts";
import type { Fleet } from "./fleet.ts";
import type { TimeSummary } from "./histogram.ts";
import type { ResourceReport } from "./protocol.ts";
import type { WorkerSlot } from "./worker-slot.ts";

/** One worker, as `pool.stats()` shows it. */
export interface WorkerStats {
  /** The number of the worker; a replacement has the number of its predecessor. */
  readonly number: number;
  /** 0 while none runs. */
  readonly pid: number;
  /** The state of the worker; `absent` where the range of the pool's size has room for one. */
  readonly state: "starting" | "ready" | "leaving" | "ended" | "absent";
  /** Tasks that it has at present. */
  readonly running: number;
  /** Tasks that wait for this worker alone. */
  readonly waiting: number;
  /** Tasks that it has settled. */
  readonly done: number;
  /** The time since its start, in milliseconds. */
  readonly ageMs: number;
  /** The time that a task keeps its event loop busy, by the pool's estimate. */
  readonly busyMsPerTask: number;
  /** Its last report, made every `statsMs`; `undefined` before the first report. */
  readonly resources: ResourceReport | undefined;
}

/** A pool at one moment. */
export interface PoolStats {
  /** The name of the pool. */
  readonly pool: string;
  /** The state of the pool. */
  readonly state: string;
  /** The workers, by their numbers. */
  readonly workers: readonly WorkerStats[];
  /** Tasks that wait for a worker. */
  readonly waiting: number;
  /** Tasks that the workers have at present. */
  readonly running: number;
  /** Tasks that were settled since the start, successfully and not. */
  readonly done: number;
  /** The settled tasks that rejected. */
  readonly failed: number;
  /** Results and messages that no reader has processed yet. */
  readonly pendingResults: number;
  /** Workers that were replaced. */
  readonly restarts: number;
  /**
   * Time from `run` until the task was given to the worker that answered it. A task that was taken
   * back from a busy worker, or retried, has one wait, up to its last worker.
   */
  readonly waitTime: TimeSummary;
  /** Time from there to the answer. Both have each answered task once. */
  readonly runTime: TimeSummary;
}

export function poolStats(
  { name, state }: { readonly name: string; readonly state: string },
  { slots, restarts, times }: Fleet,
  { waiting, done, failed }: Dispatcher,
  pendingResults: number,
): PoolStats {
  const workers = slots.map(workerStats).sort((a, b) => a.number - b.number);
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
    waitTime: times.wait.summary(),
    runTime: times.run.summary(),
  };
}

function workerStats({ number, worker, own }: WorkerSlot): WorkerStats {
  return {
    number,
    pid: worker?.pid ?? 0,
    state: worker?.state ?? "absent",
    running: worker?.inFlight ?? 0,
    waiting: own.size,
    done: worker?.tasksDone ?? 0,
    ageMs: worker?.ageMs ?? 0,
    busyMsPerTask: worker?.window.estimateMs ?? 0,
    resources: worker?.report,
  };
}
