import { monotonicMs } from "../../base/globals.ts";
import { monitorEventLoopDelay, type EventLoopUtilization } from "node:perf_hooks";

import type { ResourceReport } from "../protocol.ts";

/** Milliseconds between two checks of timer delay. */
const DELAY_RESOLUTION_MS = 20;

/** Measures the resource use of this thread or process, each time since the previous read. */
export class ResourceMeter {
  readonly #delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
  #loop: EventLoopUtilization = performance.eventLoopUtilization();
  readonly #isThread: boolean;
  #cpu: number;
  #atMs = monotonicMs();

  /** @param isThread - whether a thread is measured, not a whole process */
  constructor(isThread: boolean) {
    this.#isThread = isThread;
    this.#cpu = cpuUsage(isThread);
    this.#delay.enable();
  }

  /** The longest block of the event loop since the last `read`, in milliseconds. */
  get longestDelayMs(): number {
    return Math.max(0, this.#delay.max / 1e6 - DELAY_RESOLUTION_MS);
  }

  read(): ResourceReport {
    const now = monotonicMs();
    const cpu = cpuUsage(this.#isThread);
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

/** Microseconds of processor time; in a thread that of the thread alone. */
function cpuUsage(isThread: boolean): number {
  const { user, system } = isThread ? process.threadCpuUsage() : process.cpuUsage();
  return user + system;
}
