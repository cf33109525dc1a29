export type {
  Hello,
  LastExit,
  MetricFamily,
  MetricHistogram,
  MetricSample,
  PlannedChange,
  ProcessView,
  Progress,
  ScaleRequest,
  ServiceDetail,
  ServiceState,
  ServiceView,
  SupervisorApi,
  SupervisorEvent,
  Target,
} from "./api.ts";
export { connectSupervisor, type SupervisorConnection, type SupervisorOptions } from "./client.ts";
export { loadConfig } from "./config/load.ts";
