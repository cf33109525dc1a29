import type { MetricFamily } from "../supervisor/api.ts";
import type { ReplicaFigures } from "./messages.ts";

const DELAY = "nodejs_eventloop_delay_p99_seconds";
const DESCRIPTORS = "process_unix_file_descriptor_count";
const REQUESTS = "http_server_active_requests";

/** The figures of the replicas of a service, from the metrics of its app. */
export function figuresOf(
  families: readonly MetricFamily[],
  service: string,
): readonly ReplicaFigures[] {
  const found = new Map<string, Record<string, number>>();
  for (const { name, samples } of families) {
    if (name !== DELAY && name !== DESCRIPTORS && name !== REQUESTS) continue;
    for (const { labels, value } of samples) {
      const replica = labels["service_instance_id"];
      if (labels["service_name"] !== service || replica === undefined) continue;
      const values = found.get(replica) ?? {};
      found.set(replica, { ...values, [name]: value });
    }
  }
  return [...found].map(([process, values]) => ({
    process,
    ...(values[DELAY] === undefined ? {} : { loopDelaySeconds: values[DELAY] }),
    ...(values[DESCRIPTORS] === undefined ? {} : { descriptors: values[DESCRIPTORS] }),
    ...(values[REQUESTS] === undefined ? {} : { activeRequests: values[REQUESTS] }),
  }));
}
