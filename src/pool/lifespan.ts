import { newelError } from "../base/errors.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { PoolState } from "./events.ts";
import type { Fleet } from "./fleet.ts";
import type { KeepAlive } from "./keep-alive.ts";
import type { Results } from "./results.ts";

/** What a pool consists of that has to come to an end with it. */
export interface PoolParts {
  readonly name: string;
  readonly fleet: Fleet;
  readonly dispatcher: Dispatcher;
  readonly results: Results;
  readonly keepAlive: KeepAlive;
  /** Results are only dealt with when the handler of the pool has taken them. */
  readonly hasHandler: boolean;
  /** The last worker has ended. */
  ended(): void;
}

/** A pool's way from `open` to `closed`: no more tasks, those there are, the workers, the rest. */
export class Lifespan {
  readonly #parts: PoolParts;
  #onIdle: (() => void)[] = [];
  #closing: Promise<void> | undefined;
  #whyClosed: unknown;
  state: PoolState = "open";

  constructor(parts: PoolParts) {
    this.#parts = parts;
  }

  /** @throws NEWEL_E_POOL_CLOSED */
  checkOpen(): void {
    if (this.state === "open") return;
    const { name } = this.#parts;
    throw newelError("NEWEL_E_POOL_CLOSED", { pool: name, state: this.state }, this.#whyClosed);
  }

  /** Its first workers could not be started: there is nothing to wait for. */
  fail(error: Error): void {
    this.#whyClosed = error;
    void this.close(undefined);
  }

  /** @param graceMs - after so long, what is left is ended */
  close(graceMs: number | undefined): Promise<void> {
    const isClosed = this.state === "closed";
    if (this.state === "open") this.state = "stopping";
    this.#closing ??= this.#end();
    if (graceMs === undefined || isClosed) return this.#closing;
    const timer = setTimeout(() => this.#endStuck(graceMs), graceMs);
    return this.#closing.finally(() => clearTimeout(timer));
  }

  async #end(): Promise<void> {
    const { keepAlive, results, dispatcher, fleet } = this.#parts;
    keepAlive.open();
    keepAlive.hold("stop");
    // Without a reader nothing would ever make room: what is waiting becomes what can be read.
    if (!results.hasReader) {
      results.isUnlimited = true;
      dispatcher.refillAll();
    }
    while (!this.#isIdle)
      await new Promise<void>((resolve) => {
        this.#onIdle.push(resolve);
      });
    await fleet.leave();
    this.state = "closed";
    this.#parts.ended();
    results.end();
    keepAlive.close();
  }

  get #isIdle(): boolean {
    const { hasHandler, results, dispatcher } = this.#parts;
    return dispatcher.outstanding === 0 && !(hasHandler && results.pending > 0);
  }

  /** A task was settled, or a result taken: that may have been the last. */
  look(): void {
    if (this.#onIdle.length > 0 && this.#isIdle)
      for (const resolve of this.#onIdle.splice(0)) resolve();
  }

  #endStuck(graceMs: number): void {
    const { name, fleet, dispatcher } = this.#parts;
    const error = (): Error => newelError("NEWEL_E_POOL_STUCK", { pool: name, graceMs });
    for (const task of fleet.killBusy("its tasks were not done when the pool was closed"))
      dispatcher.fail(task, error());
    dispatcher.failWaiting(error);
  }
}
