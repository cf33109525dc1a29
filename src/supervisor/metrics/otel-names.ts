import type { FamilyName } from "./families.ts";

/** A metric as OpenTelemetry's conventions have it. */
export interface OtelName {
  readonly name: string;
  readonly unit: string;
  /** A value that sums over instances and may fall: OpenTelemetry's up-down counter. */
  readonly isUpDown?: true;
}

const count = (name: string): OtelName => ({ name, unit: "1" });
const seconds = (name: string): OtelName => ({ name, unit: "s" });

/** The names of OpenTelemetry for the families, whose own names are those of Prometheus. */
const OTEL_NAMES: Readonly<Record<Exclude<FamilyName, "newel_build">, OtelName>> = {
  newel_service_replicas_wanted: { ...count("newel.service.replicas.wanted"), isUpDown: true },
  newel_service_replicas_up: { ...count("newel.service.replicas.up"), isUpDown: true },
  newel_service_replicas_ready: { ...count("newel.service.replicas.ready"), isUpDown: true },
  newel_deploys: count("newel.deploys"),
  newel_release: count("newel.release"),
  newel_service_restarts: count("newel.service.restarts"),
  newel_service_exits: count("newel.service.exits"),
  newel_replica_stop_duration_seconds: seconds("newel.replica.stop.duration"),
  process_cpu_time_seconds: seconds("process.cpu.time"),
  process_memory_usage_bytes: { name: "process.memory.usage", unit: "By", isUpDown: true },
  process_unix_file_descriptor_count: {
    ...count("process.unix.file_descriptor.count"),
    isUpDown: true,
  },
  process_uptime_seconds: seconds("process.uptime"),
  newel_replica_processes: { ...count("newel.replica.processes"), isUpDown: true },
  nodejs_eventloop_time_seconds: seconds("nodejs.eventloop.time"),
  nodejs_eventloop_delay_mean_seconds: seconds("nodejs.eventloop.delay.mean"),
  nodejs_eventloop_delay_p50_seconds: seconds("nodejs.eventloop.delay.p50"),
  nodejs_eventloop_delay_p90_seconds: seconds("nodejs.eventloop.delay.p90"),
  nodejs_eventloop_delay_p99_seconds: seconds("nodejs.eventloop.delay.p99"),
  nodejs_eventloop_delay_max_seconds: seconds("nodejs.eventloop.delay.max"),
  http_server_active_requests: { ...count("http.server.active_requests"), isUpDown: true },
  newel_http_server_responses: count("newel.http.server.responses"),
  newel_http_server_connections: { ...count("newel.http.server.connections"), isUpDown: true },
  newel_socket_accept_queue_length: {
    ...count("newel.socket.accept_queue.length"),
    isUpDown: true,
  },
  newel_socket_accept_queue_limit: { ...count("newel.socket.accept_queue.limit"), isUpDown: true },
  newel_socket_accept_queue_overflows: count("newel.socket.accept_queue.overflows"),
};

/** Labels whose attributes have dots. */
const ATTRIBUTES: Readonly<Record<string, string>> = {
  service_namespace: "service.namespace",
  service_name: "service.name",
  service_instance_id: "service.instance.id",
  nodejs_eventloop_state: "nodejs.eventloop.state",
  server_address: "server.address",
  server_port: "server.port",
};

/** The name of OpenTelemetry for a family; `undefined` for one that is no metric there. */
export function otelName(family: string): OtelName | undefined {
  const names: Readonly<Record<string, OtelName | undefined>> = OTEL_NAMES;
  return Object.hasOwn(names, family) ? names[family] : undefined;
}

/** The attribute of a label. */
export function attributeName(label: string): string {
  return Object.hasOwn(ATTRIBUTES, label) ? (ATTRIBUTES[label] ?? label) : label;
}
