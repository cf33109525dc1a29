import type * as Api from "@opentelemetry/api";

import { messageOf, systemCode } from "../../base/errors.ts";
import { loadApi } from "../../base/open-telemetry.ts";
import type { RunTask } from "./protocol.ts";

/** The span around one attempt. */
export interface ConsumerSpan {
  readonly traceId: string | undefined;
  /** Runs within the span's context. */
  run<Value>(work: () => Value): Value;
  failed(error: unknown): void;
  end(): void;
}

type Begin = (task: RunTask) => ConsumerSpan;

/** Loads the OpenTelemetry API that the jobs' modules use; `undefined` when the package is not installed. */
export function consumerTelemetry(): Begin | undefined {
  const api = loadApi();
  return api === undefined ? undefined : (task) => begin(api, task);
}

function begin(api: typeof Api, task: RunTask): ConsumerSpan {
  const parent = api.propagation.extract(api.ROOT_CONTEXT, task.trace ?? {});
  const span = api.trace.getTracer("newel/jobs").startSpan(
    `process ${task.queue}`,
    {
      kind: api.SpanKind.CONSUMER,
      attributes: {
        "messaging.system": "newel",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": task.queue,
        "messaging.message.id": task.run,
        "newel.job.name": task.name,
        "newel.job.attempt": task.attempt,
      },
    },
    parent,
  );
  const { traceId } = span.spanContext();
  return {
    traceId: api.isSpanContextValid(span.spanContext()) ? traceId : undefined,
    run: (work) => api.context.with(api.trace.setSpan(parent, span), work),
    failed(error) {
      if (error instanceof Error) span.recordException(error);
      span.setAttribute("error.type", systemCode(error) ?? "_OTHER");
      span.setStatus({ code: api.SpanStatusCode.ERROR, message: messageOf(error) });
    },
    end: () => span.end(),
  };
}
