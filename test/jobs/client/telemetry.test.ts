import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";

import {
  context,
  metrics,
  type MeterProvider,
  propagation,
  type Span,
  type SpanOptions,
  SpanKind,
  trace,
  type TracerProvider,
} from "@opentelemetry/api";

import { openBackend } from "../../../src/jobs/store/backend.ts";
import { Queues } from "../../../src/jobs/store/queues.ts";
import { cleanUp, temporaryDirectory } from "../../helpers/resources.ts";
import { setUpTelemetry } from "../../pool/fixtures/open-telemetry.ts";
import { contacts, plain } from "./definitions.ts";
import { openJobs } from "./world.ts";

interface Recorded {
  readonly name: string;
  readonly kind: SpanKind | undefined;
  readonly attributes: Record<string, unknown>;
  status?: unknown;
  ended: boolean;
}

/** The smallest possible SDK. */
function record(): { spans: Recorded[]; sent: [number, object][] } {
  const spans: Recorded[] = [];
  const sent: [number, object][] = [];
  setUpTelemetry();
  propagation.disable();
  propagation.setGlobalPropagator({
    inject: (active, carrier, setter) =>
      setter.set(carrier, "traceparent", trace.getSpanContext(active)?.spanId ?? "none"),
    extract: (active) => active,
    fields: () => ["traceparent"],
  });
  const startActiveSpan = (name: string, options: SpanOptions, run: (span: Span) => unknown) => {
    const span: Recorded = {
      name,
      kind: options.kind,
      attributes: { ...options.attributes },
      ended: false,
    };
    spans.push(span);
    const made = {
      spanContext: () => ({ traceId: "t", spanId: `span-${spans.length}`, traceFlags: 1 }),
      setAttribute: (key: string, value: unknown) => (span.attributes[key] = value),
      setStatus: (status: unknown) => (span.status = status),
      end: () => (span.ended = true),
    } as unknown as Span;
    return context.with(trace.setSpan(context.active(), made), () => run(made));
  };
  const provider = { getTracer: () => ({ startActiveSpan }) };
  trace.setGlobalTracerProvider(provider as unknown as TracerProvider);
  const meter = {
    createCounter: (name: string) => ({
      add: (count: number, attributes: object) => sent.push([count, { name, ...attributes }]),
    }),
  };
  metrics.setGlobalMeterProvider({ getMeter: () => meter } as unknown as MeterProvider);
  return { spans, sent };
}

test("enqueueing is a span, and its context is stored with the run", async (t) => {
  const { spans, sent } = record();
  const url = `sqlite:${join(temporaryDirectory(t), "jobs.db")}`;
  const jobs = await openJobs(t, { skip: false, fresh: async () => url });
  const run = await jobs.enqueue(contacts, { file: "a" }, { by: "ann" });
  assert.deepEqual(spans, [
    {
      name: "send imports",
      kind: SpanKind.PRODUCER,
      attributes: {
        "messaging.system": "newel",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.destination.name": "imports",
        "messaging.message.id": run.id,
      },
      ended: true,
    },
  ]);
  const queues = new Queues(await openBackend(url));
  cleanUp(t, () => queues.close());
  const job = await queues.reader("imports").getJob(run.id.split("~")[1] ?? "");
  assert.deepEqual(job?.data.trace, { traceparent: "span-1" });

  await assert.rejects(jobs.schedule(plain, "x", { cron: "no" }));
  await assert.rejects(jobs.enqueue(contacts, {} as never), { code: "NEWEL_E_JOB_INPUT" });
  assert.equal(spans.length, 1, "what is refused is not sent");
  const [[count, attributes] = [0, {}]] = sent;
  assert.equal(count, 1);
  assert.equal((attributes as { name: string }).name, "messaging.client.sent.messages");
});
