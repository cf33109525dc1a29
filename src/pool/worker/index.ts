export {
  defineWorker,
  type SetupContext,
  type TaskContext,
  type WorkerDefinition,
} from "./define-worker.ts";
export { taskContext } from "./context.ts";
export { Worker } from "./worker.ts";
export type { Transferable } from "../transferable.ts";
export {
  ResourceReporter,
  type GaugeClient,
  type ResourceReporterOptions,
} from "../resource-reporter.ts";
export type { BlockedLoop } from "../loop-watch.ts";
export type { ResourceReport } from "../protocol.ts";
