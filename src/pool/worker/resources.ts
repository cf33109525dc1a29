import { monitorEventLoopDelay, type EventLoopUtilization } from "node:perf_hooks";

import type { ResourceReport } from "../protocol.ts";

/** Milliseconds between two looks at how late timers are. */
const DELAY_RESOLUTION_MS = 20;

/** Reads what this thread or process takes of the machine, each time since the time before. */
export class ResourceMeter {
  readonly #delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
  #loop: EventLoopUtilization = performance.eventLoopUtilization();
  #cpu = cpuUsage();
  #atMs = performance.now();

  constructor() {
    this.#delay.enable();
  }

  read(): ResourceReport {
    const now = performance.now();
    const cpu = cpuUsage();
    const loop = performance.eventLoopUtilization();
    const delayMs = this.#delay.percentile(99) / 1e6 - DELAY_RESOLUTION_MS;
    const kinds = process.getActiveResourcesInfo();
    const timers = kinds.filter((kind) => kind === "Timeout" || kind === "Immediate").length;
    const { rss, heapUsed } = process.memoryUsage();
    const report: ResourceReport = {
      rssBytes: rss,
      heapUsedBytes: heapUsed,
      cpu: (cpu - this.#cpu) / Math.max(1, (now - this.#atMs) * 1_000),
      loopDelayMs: Math.max(0, delayMs),
      loopUtilization: performance.eventLoopUtilization(loop, this.#loop).utilization,
      handles: kinds.length - timers,
      timers,
    };
    this.#delay.reset();
    this.#loop = loop;
    this.#cpu = cpu;
    this.#atMs = now;
    return report;
  }

  stop(): void {
    this.#delay.disable();
  }
}

/** Microseconds of processor time: of this thread alone in a thread. */
function cpuUsage(): number {
  // A process that has no threads need not load what they need.
  const { isMainThread } = process.getBuiltinModule("node:worker_threads");
  const { user, system } = isMainThread ? process.cpuUsage() : process.threadCpuUsage();
  return user + system;
}
