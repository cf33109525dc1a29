import type { monitorEventLoopDelay } from "node:perf_hooks";

import { loadPerfHooks } from "../base/builtins.ts";
import type { LoopDelay, NodeFigures } from "../base/node-figures.ts";
import type { Traffic } from "./traffic.ts";

type IntervalHistogram = ReturnType<typeof monitorEventLoopDelay>;

/** The interval of the timer that measures the event loop, in milliseconds. */
const RESOLUTION_MS = 20;
/** Without a question for this long, the measurement of the event loop ends, in milliseconds. */
const UNASKED_MS = 300_000;
const NS_PER_MS = 1e6;

/**
 * Answers with the figures of this process. The event loop is measured from the first question on, and no more
 * once questions stay away: a process that is never asked has no timer for it.
 */
export function openFigures(traffic: Traffic): () => NodeFigures {
  let histogram: IntervalHistogram | undefined;
  let unasked: NodeJS.Timeout | undefined;
  const end = (): void => {
    histogram?.disable();
    histogram = undefined;
  };
  const measure = (): LoopDelay | undefined => {
    clearTimeout(unasked);
    unasked = setTimeout(end, UNASKED_MS).unref();
    if (histogram === undefined) {
      histogram = loadPerfHooks().monitorEventLoopDelay({ resolution: RESOLUTION_MS });
      histogram.enable();
      return undefined;
    }
    const delay = histogram.count === 0 ? undefined : delayOf(histogram);
    histogram.reset();
    return delay;
  };
  return () => {
    const { active, idle } = performance.eventLoopUtilization();
    const delay = measure();
    return {
      activeMs: active,
      idleMs: idle,
      ...(delay === undefined ? {} : { delay }),
      answered: traffic.answered,
      running: traffic.running,
      connections: traffic.connections.size,
    };
  };
}

/** Node.js reports the whole interval between two calls of the timer: the interval itself is no delay. */
function delayOf(histogram: IntervalHistogram): LoopDelay {
  const ms = (ns: number): number => Math.max(0, ns / NS_PER_MS - RESOLUTION_MS);
  return {
    mean: ms(histogram.mean),
    p50: ms(histogram.percentile(50)),
    p90: ms(histogram.percentile(90)),
    p99: ms(histogram.percentile(99)),
    max: ms(histogram.max),
  };
}
