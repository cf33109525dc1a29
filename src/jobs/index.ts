// Defining jobs, enqueueing them, and following their runs.
export { job } from "./define.ts";
export { jobs, Jobs, type JobsOptions } from "./jobs.ts";
export { jobFields } from "./runner/current.ts";
export type { JobDefinition } from "./definition.ts";
export type { Flow, FlowChild } from "./flows.ts";
export type {
  EnqueueOptions,
  ListFilter,
  Progress,
  Run,
  RunError,
  RunEvent,
  RunPage,
  RunState,
  RunTree,
  ScheduleSpec,
  ScheduleView,
} from "./api.ts";
export type { JobContext, JobHandler, JobOptions } from "./definition-types.ts";
export { everyone, type Viewer } from "./web/viewer.ts";
export type { RequestLike, SseOptions, SseRunsOptions, SseViewer } from "./web/sse.ts";
