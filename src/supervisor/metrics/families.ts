/** The kind, unit and meaning of a metric family. */
export interface Family {
  readonly type: "counter" | "gauge" | "histogram" | "info";
  /** The last part of the name; missing for a plain number. */
  readonly unit?: "seconds" | "bytes" | "ratio";
  readonly help: string;
}

/** The names of the families. */
export type FamilyName =
  | "newel_build"
  | "newel_service_replicas_wanted"
  | "newel_service_replicas_up"
  | "newel_service_replicas_ready"
  | "newel_service_restarts"
  | "newel_service_exits"
  | "newel_replica_stop_duration_seconds"
  | "process_cpu_time_seconds"
  | "process_memory_usage_bytes"
  | "process_unix_file_descriptor_count"
  | "process_uptime_seconds"
  | "newel_replica_processes"
  | "nodejs_eventloop_time_seconds"
  | "nodejs_eventloop_delay_mean_seconds"
  | "nodejs_eventloop_delay_p50_seconds"
  | "nodejs_eventloop_delay_p90_seconds"
  | "nodejs_eventloop_delay_p99_seconds"
  | "nodejs_eventloop_delay_max_seconds"
  | "http_server_active_requests"
  | "newel_http_server_responses"
  | "newel_http_server_connections"
  | "newel_socket_accept_queue_length"
  | "newel_socket_accept_queue_limit"
  | "newel_socket_accept_queue_overflows"
  | "newel_release"
  | "newel_deploys";

/**
 * Every metric family, in the order of the output. Names that OpenTelemetry has are its names in the form that
 * its Prometheus translation gives them (semantic conventions 1.45, of which most are experimental); the others
 * begin with `newel_`. The samples of a counter have `_total` after the name.
 */
export const FAMILIES: Readonly<Record<FamilyName, Family>> = {
  newel_build: {
    type: "info",
    help: "The version of the supervisor.",
  },
  newel_service_replicas_wanted: {
    type: "gauge",
    help: "Replicas that the service is to have; 0 while it is stopped.",
  },
  newel_service_replicas_up: {
    type: "gauge",
    help: "Replicas whose process runs and is not being stopped.",
  },
  newel_service_replicas_ready: {
    type: "gauge",
    help: "Replicas that are ready.",
  },
  newel_service_restarts: {
    type: "counter",
    help: "Automatic restarts of replicas.",
  },
  newel_service_exits: {
    type: "counter",
    help: "Ended replicas by reason: requested, completed, error (an exit code), signal, not_ready, unknown.",
  },
  newel_replica_stop_duration_seconds: {
    type: "histogram",
    unit: "seconds",
    help: "Time from the stop signal, with which a drain begins, until the last process of the replica has ended.",
  },
  process_cpu_time_seconds: {
    type: "counter",
    unit: "seconds",
    help: "CPU time of the processes of the replica, as far as it was seen between two readings.",
  },
  process_memory_usage_bytes: {
    type: "gauge",
    unit: "bytes",
    help: "Resident memory of the processes of the replica; shared pages count for each process.",
  },
  process_unix_file_descriptor_count: {
    type: "gauge",
    help: "Open file descriptors of the processes of the replica.",
  },
  process_uptime_seconds: {
    type: "gauge",
    unit: "seconds",
    help: "Time since the start of the replica.",
  },
  newel_replica_processes: {
    type: "gauge",
    help: "Processes of the replica, with their descendants.",
  },
  nodejs_eventloop_time_seconds: {
    type: "counter",
    unit: "seconds",
    help: "Time of the Node.js event loop by state: active or idle.",
  },
  nodejs_eventloop_delay_mean_seconds: {
    type: "gauge",
    unit: "seconds",
    help: "Mean delay of the Node.js event loop since the reading before.",
  },
  nodejs_eventloop_delay_p50_seconds: {
    type: "gauge",
    unit: "seconds",
    help: "Median delay of the Node.js event loop since the reading before.",
  },
  nodejs_eventloop_delay_p90_seconds: {
    type: "gauge",
    unit: "seconds",
    help: "90th percentile of the delay of the Node.js event loop since the reading before.",
  },
  nodejs_eventloop_delay_p99_seconds: {
    type: "gauge",
    unit: "seconds",
    help: "99th percentile of the delay of the Node.js event loop since the reading before.",
  },
  nodejs_eventloop_delay_max_seconds: {
    type: "gauge",
    unit: "seconds",
    help: "Longest delay of the Node.js event loop since the reading before.",
  },
  http_server_active_requests: {
    type: "gauge",
    help: "HTTP requests whose response is not finished.",
  },
  newel_http_server_responses: {
    type: "counter",
    help: "Finished HTTP responses by the class of their status.",
  },
  newel_http_server_connections: {
    type: "gauge",
    help: "Open connections of the servers of the replica.",
  },
  newel_socket_accept_queue_length: {
    type: "gauge",
    help: "Connections that wait for an accept at a held TCP socket.",
  },
  newel_socket_accept_queue_limit: {
    type: "gauge",
    help: "The most connections that may wait at a held TCP socket.",
  },
  newel_socket_accept_queue_overflows: {
    type: "counter",
    help: "Connection attempts that Linux dropped at a held TCP socket, because its accept queue was full.",
  },
  newel_release: {
    type: "gauge",
    help: "The number of the release that the app runs; missing for an app that was not deployed.",
  },
  newel_deploys: {
    type: "counter",
    help: "Ended deploys and rollbacks by result: live, failed, interrupted.",
  },
};
