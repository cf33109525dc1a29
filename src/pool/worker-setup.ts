import { randomInt } from "node:crypto";

import { MAX_TIMER_MS } from "../base/timers.ts";
import type { Settings } from "./settings.ts";
import type { WorkerSetup } from "./protocol.ts";

/** The first frame of a worker. */
export function setupOf(settings: Settings, workerNumber: number, credit: number): WorkerSetup {
  const { worker, name, title, statsMs, telemetry, data } = settings;
  return {
    module: worker.href,
    // Random, because bytes of other programs have zeros most often.
    firstNumber: randomInt(2 ** 16),
    pool: name,
    workerNumber,
    title: `${title} ${workerNumber}`,
    credit,
    statsMs: Math.min(statsMs, MAX_TIMER_MS),
    telemetry,
    data,
  };
}
