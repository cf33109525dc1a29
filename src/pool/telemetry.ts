import type * as Api from "@opentelemetry/api";

import { loadApi } from "../base/open-telemetry.ts";
import { withContext, type Body } from "./body.ts";
import type { PoolStats } from "./stats.ts";

/** The pool's end of OpenTelemetry. */
export interface CallerTelemetry {
  /** Adds the active context to a task. */
  addContext(body: Body): Body;
  stop(): void;
}

/**
 * Joins the OpenTelemetry API that the program uses; `undefined` if the package is not installed.
 * The program's SDK decides where the recorded data goes.
 */
export function callerTelemetry(stats: () => PoolStats): CallerTelemetry | undefined {
  const api = loadApi();
  if (api === undefined) return undefined;
  const stop = observe(api.metrics.getMeter("newel/pool"), stats);
  return {
    addContext(body) {
      const carrier: Record<string, string> = {};
      api.propagation.inject(api.context.active(), carrier);
      return Object.keys(carrier).length === 0 ? body : withContext(body, JSON.stringify(carrier));
    },
    stop,
  };
}

/** Gauges and counters of the pool, read when the SDK collects. */
function observe(meter: Api.Meter, stats: () => PoolStats): () => void {
  const queue = meter.createObservableGauge("newel.pool.tasks.waiting");
  const running = meter.createObservableGauge("newel.pool.tasks.running");
  const done = meter.createObservableCounter("newel.pool.tasks.done");
  const failed = meter.createObservableCounter("newel.pool.tasks.failed");
  const memory = meter.createObservableGauge("newel.pool.worker.memory", { unit: "By" });
  const loop = meter.createObservableGauge("newel.pool.worker.eventloop.utilization");
  const instruments = [queue, running, done, failed, memory, loop];
  const callback = (result: {
    observe: (instrument: (typeof instruments)[number], value: number, attributes: object) => void;
  }): void => {
    const { pool, workers, ...counts } = stats();
    result.observe(queue, counts.waiting, { pool });
    result.observe(running, counts.running, { pool });
    result.observe(done, counts.done, { pool });
    result.observe(failed, counts.failed, { pool });
    for (const { number, resources } of workers) {
      if (resources === undefined) continue;
      result.observe(memory, resources.rssBytes, { pool, worker: number });
      result.observe(loop, resources.loopUtilization, { pool, worker: number });
    }
  };
  meter.addBatchObservableCallback(callback as never, instruments);
  return () => meter.removeBatchObservableCallback(callback as never, instruments);
}
