import type * as Api from "@opentelemetry/api";

import { messageOf, systemCode } from "../base/errors.ts";
import { loadApi } from "../base/open-telemetry.ts";
import type { EnqueueRequest, Run } from "./api.ts";

let api: typeof Api | undefined;
let sent: Api.Counter | undefined;
let isLoaded = false;

/**
 * Enqueues within a span `send QUEUE`, if the program has OpenTelemetry's API package, and gives the run
 * the span's context, so that the attempts belong to the same trace wherever they run.
 */
export async function sendTraced(
  request: EnqueueRequest,
  send: (request: EnqueueRequest) => Promise<Run>,
): Promise<Run> {
  if (!isLoaded) load();
  const otel = api;
  if (otel === undefined) return send(request);
  const attributes = {
    "messaging.system": "newel",
    "messaging.operation.name": "send",
    "messaging.operation.type": "send",
    "messaging.destination.name": request.queue,
  };
  const tracer = otel.trace.getTracer("newel/jobs");
  const options = { kind: otel.SpanKind.PRODUCER, attributes };
  return tracer.startActiveSpan(`send ${request.queue}`, options, async (span) => {
    const trace: Record<string, string> = {};
    otel.propagation.inject(otel.context.active(), trace);
    try {
      const run = await send(Object.keys(trace).length === 0 ? request : { ...request, trace });
      span.setAttribute("messaging.message.id", run.id);
      sent?.add(1, attributes);
      return run;
    } catch (error) {
      const type = systemCode(error) ?? "_OTHER";
      span.setAttribute("error.type", type);
      span.setStatus({ code: otel.SpanStatusCode.ERROR, message: messageOf(error) });
      sent?.add(1, { ...attributes, "error.type": type });
      throw error;
    } finally {
      span.end();
    }
  });
}

function load(): void {
  isLoaded = true;
  api = loadApi();
  sent = api?.metrics.getMeter("newel/jobs").createCounter("messaging.client.sent.messages");
}
