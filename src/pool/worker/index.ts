export {
  defineWorker,
  type SetupContext,
  type TaskContext,
  type WorkerDefinition,
} from "./define-worker.ts";
export { Worker } from "./worker.ts";
export {
  ResourceReporter,
  type GaugeClient,
  type ResourceReporterOptions,
} from "../resource-reporter.ts";
export type { ResourceReport } from "../protocol.ts";
