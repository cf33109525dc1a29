export { Pool } from "./pool.ts";
export type { BlockedWorker } from "./blocked-watch.ts";
export type { PoolEvents, PoolState } from "./events.ts";
export type {
  BroadcastOptions,
  CloseOptions,
  OutputInfo,
  PoolOptions,
  RecycleLimits,
  ResultInfo,
  RunOptions,
  SizeRange,
  StreamOptions,
  WorkerKind,
} from "./options.ts";
export type {
  DataOf,
  FunctionsOf,
  GeneratorsOf,
  ItemOf,
  MessageOf,
  ResultOf,
  RunTaskOf,
  StreamTaskOf,
  TaskOf,
} from "./module-types.ts";
export type { Transferable } from "./transferable.ts";
export { taskContext } from "./worker/context.ts";
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
export type { BlockedLoop } from "./loop-watch.ts";
