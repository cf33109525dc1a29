import { monotonicMs, setImmediate } from "../base/globals.ts";
import { startTimer } from "../base/timers.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { Fleet } from "./fleet.ts";
import { CROWDED_MS, growBy, mustRecall } from "./growth.ts";
import type { WorkerHandle } from "./worker-handle.ts";

export interface PulseSettings {
  readonly max: number;
}

/**
 * Checks the pool every 20 ms for as long as tasks wait in it or in a worker, and carries out the
 * decisions of growth.ts: starts workers, recalls tasks. Nothing runs while no task waits.
 */
export class Pulse {
  readonly #max: number;
  readonly #fleet: Fleet;
  readonly #dispatcher: Dispatcher;
  #isRunning = false;

  constructor({ max }: PulseSettings, fleet: Fleet, dispatcher: Dispatcher) {
    this.#max = max;
    this.#fleet = fleet;
    this.#dispatcher = dispatcher;
  }

  /** A task waits, in the pool or in a worker. */
  start(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    if (this.#fleet.slots.length === 0) this.#fleet.grow(1);
    // Data that arrived in the meantime is read between a timer and the immediate that it sets.
    startTimer(CROWDED_MS, () => setImmediate(this.#look));
  }

  readonly #look = (): void => {
    this.#isRunning = false;
    const nowMs = monotonicMs();
    let untold = 0;
    let behind = 0;
    for (const worker of this.#fleet.workers) {
      // A worker that starts has the broadcasts that it must run before it is ready.
      if (worker.state === "starting" || worker.window.untold === 0) continue;
      untold += worker.window.untold;
      behind += this.#behind(worker, nowMs);
    }
    this.#grow(behind, nowMs);
    if (this.#dispatcher.waiting > 0) this.#dispatcher.pingQuiet(nowMs);
    if (untold > 0 || this.#dispatcher.waiting > 0) this.start();
  };

  /** Recalls tasks that wait in a silent worker; returns the number of those that it keeps. */
  #behind(worker: WorkerHandle, nowMs: number): number {
    const silentMs = worker.window.silentMs(nowMs);
    if (silentMs < CROWDED_MS) return 0;
    const { isSent: isRecalled, unbegun } = worker.recall;
    // A worker that leaves has a successor.
    const hasOthers = this.#max > 1 || worker.state === "leaving";
    if (!mustRecall({ unbegun, silentMs, isRecalled, hasOthers })) return unbegun;
    worker.takeBack();
    return worker.recall.unbegun;
  }

  #grow(behind: number, nowMs: number): void {
    const { slots } = this.#fleet;
    const count = growBy({
      max: this.#max,
      size: slots.length,
      starting: slots.filter(({ ready }) => ready === undefined).length,
      waiting: this.#dispatcher.waitingForAny,
      oldestMs: this.#dispatcher.oldestMs(nowMs),
      behind,
    });
    if (count > 0) this.#fleet.grow(count);
  }
}
