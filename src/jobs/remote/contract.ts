import { type Contract, defineContract } from "../../wire/contract.ts";
import type {
  EnqueueRequest,
  FlowRequest,
  ListFilter,
  QueueStats,
  Run,
  RunEvent,
  RunPage,
  RunTree,
  ScheduleRequest,
  ScheduleView,
  Scope,
} from "../api.ts";

/** The methods of a job server for programs that cannot reach its store. `null` stands for a missing run. */
export interface RemoteJobsApi {
  enqueue(request: EnqueueRequest): Promise<Run>;
  get(id: string, scope: Scope): Promise<Run | null>;
  list(filter: ListFilter): Promise<RunPage>;
  cancel(id: string, scope: Scope): Promise<Run | null>;
  retry(id: string, scope: Scope): Promise<Run | null>;
  logs(id: string, scope: Scope): Promise<readonly string[]>;
  stats(): Promise<readonly QueueStats[]>;
  pause(queue: string): Promise<void>;
  resume(queue: string): Promise<void>;
  drain(queue: string, delayed: boolean): Promise<number>;
  schedule(request: ScheduleRequest): Promise<ScheduleView>;
  unschedule(queue: string, id: string): Promise<boolean>;
  schedules(): Promise<readonly ScheduleView[]>;
  flow(request: FlowRequest): Promise<RunTree>;
  events(id: string, scope: Scope, after: string | null): AsyncIterable<RunEvent>;
}

export const JOBS_CONTRACT: Contract<RemoteJobsApi> = defineContract<RemoteJobsApi>()({
  name: "newel.jobs",
  version: 1,
  calls: [
    "enqueue",
    "get",
    "list",
    "cancel",
    "retry",
    "logs",
    "stats",
    "pause",
    "resume",
    "drain",
    "schedule",
    "unschedule",
    "schedules",
    "flow",
  ],
  streams: ["events"],
});
