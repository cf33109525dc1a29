export { Pool } from "./pool.ts";
export type { PoolEvents, PoolState } from "./events.ts";
export type {
  BroadcastOptions,
  CloseOptions,
  PoolOptions,
  RecycleLimits,
  ResultInfo,
  RunOptions,
  SizeRange,
  WorkerKind,
} from "./options.ts";
export type { DataOf, MessageOf, ResultOf, TaskOf } from "./module-types.ts";
export type { PoolStats, WorkerStats } from "./stats.ts";
export type { TimeSummary } from "./histogram.ts";
export type { ResourceReport } from "./protocol.ts";
export {
  defineWorker,
  type SetupContext,
  type TaskContext,
  type WorkerDefinition,
} from "./worker/define-worker.ts";
export { Worker } from "./worker/worker.ts";
export {
  ResourceReporter,
  type GaugeClient,
  type ResourceReporterOptions,
} from "./resource-reporter.ts";
