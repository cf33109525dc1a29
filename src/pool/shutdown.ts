import { newelError } from "../base/errors.ts";
import { startTimer } from "../base/timers.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { PoolState } from "./events.ts";
import type { Fleet } from "./fleet.ts";
import type { KeepAlive } from "./keep-alive.ts";
import type { Results } from "./results.ts";

/** The parts of a pool that end with it. */
export interface PoolParts {
  readonly name: string;
  readonly fleet: Fleet;
  readonly dispatcher: Dispatcher;
  readonly results: Results;
  readonly keepAlive: KeepAlive;
  /**
   * Whether the pool has a handler: results then count as processed only when it has taken them.
   */
  readonly hasHandler: boolean;
  /** The last worker has ended. */
  ended(): void;
}

/** Milliseconds that `teardown` of the workers may take after the grace of `close`. */
const LAST_TEARDOWN_MS = 1_000;

/**
 * The shutdown of a pool from `open` to `closed`: refuse tasks, finish the present tasks, end the
 * workers, end the rest.
 */
export class Shutdown {
  readonly #parts: PoolParts;
  #onIdle: (() => void)[] = [];
  #closing: Promise<void> | undefined;
  #whyClosed: unknown;
  /**
   * The shutdown waits for nothing any more: tasks have been rejected, and a handler keeps its
   * results.
   */
  #isGraceOver = false;
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

  /** The first workers could not be started: there is nothing to wait for. */
  fail(error: Error): void {
    this.#whyClosed = error;
    void this.close(undefined);
  }

  /** @param graceMs - after this many milliseconds the remaining tasks and workers are ended */
  close(graceMs: number | undefined): Promise<void> {
    const isClosed = this.state === "closed";
    if (this.state === "open") this.state = "stopping";
    this.#closing ??= this.#end();
    if (graceMs === undefined || isClosed) return this.#closing;
    const timer = startTimer(graceMs, () => this.#endStuck(graceMs));
    return this.#closing.finally(() => timer.stop());
  }

  /** Tasks that no worker has are not run any more. */
  dropQueued(): void {
    const { name, dispatcher } = this.#parts;
    if (this.state === "open") this.state = "stopping";
    const { state } = this;
    dispatcher.failWaiting(() => newelError("NEWEL_E_POOL_CLOSED", { pool: name, state }));
  }

  async #end(): Promise<void> {
    const { keepAlive, results, dispatcher, fleet } = this.#parts;
    keepAlive.open();
    keepAlive.hold("stop");
    // Without a reader no room would ever be made: waiting results become readable.
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
    if (this.#isGraceOver) return dispatcher.outstanding === 0;
    return dispatcher.outstanding === 0 && !(hasHandler && results.pending > 0);
  }

  /** A task was settled, or a result taken: that may have been the last. */
  look(): void {
    if (this.#onIdle.length > 0 && this.#isIdle)
      for (const resolve of this.#onIdle.splice(0)) resolve();
  }

  #endStuck(graceMs: number): void {
    const { name, fleet, dispatcher, results } = this.#parts;
    const error = (): Error => newelError("NEWEL_E_POOL_STUCK", { pool: name, graceMs });
    for (const task of fleet.killBusy("its tasks were not done when the pool was closed"))
      dispatcher.fail(task, error());
    dispatcher.failWaiting(error);
    this.#isGraceOver = true;
    results.isUnlimited = true;
    this.look();
    startTimer(LAST_TEARDOWN_MS, () =>
      fleet.killAll("its teardown was not done when the pool was closed"),
    );
  }
}
