import { isDraining, onDrain } from "../../base/draining.ts";
import { sleep } from "../../base/timers.ts";
import type { RunEvent } from "../api.ts";
import type { Looks } from "./viewer.ts";

/** A proxy may cut a connection on which nothing came for a minute; a dead one is noticed by writing. */
const HEARTBEAT_MS = 15_000;
/** The wait before the browser comes back; spread, so that all pages do not come at once after a deploy. */
const RETRY_MS = { least: 500, spread: 1_000 };

/** The texts of one event stream to a browser, one after the other. */
export class EventStream {
  readonly #stop = new AbortController();
  readonly #events: AsyncIterator<RunEvent>;
  #forgetDrain: (() => void) | undefined;
  #next: Promise<IteratorResult<RunEvent>> | undefined;

  /**
   * @param after - the id of the last event that the browser has
   * @param signal - the request's
   */
  constructor(looks: Looks, run: string, after: string | undefined, signal?: AbortSignal) {
    const own = this.#stop.signal;
    const options = {
      signal: signal === undefined ? own : AbortSignal.any([own, signal]),
      ...(after === undefined ? {} : { after }),
    };
    this.#events = looks.events(run, options)[Symbol.asyncIterator]();
  }

  /** Whether there is nothing more to tell. Waits for the first event. */
  async isEmpty(): Promise<boolean> {
    this.#next ??= this.#events.next();
    return (await this.#next).done === true;
  }

  /** The next text, at the latest after a heartbeat; `undefined` when the stream is over. */
  async read(): Promise<string | undefined> {
    if (this.#forgetDrain === undefined) {
      this.#forgetDrain = onDrain(() => this.stop());
      // What comes during a drain is on a connection from before: the browser shall come to another process.
      if (isDraining()) this.stop();
      return `retry: ${RETRY_MS.least + Math.round(Math.random() * RETRY_MS.spread)}\n\n`;
    }
    this.#next ??= this.#events.next();
    const came = new AbortController();
    const beat = sleep(HEARTBEAT_MS, came.signal).then(() => undefined);
    try {
      const result = await Promise.race([this.#next, beat]);
      if (result === undefined) return ": \n\n";
      this.#next = undefined;
      if (result.done !== true) return frame(result.value);
      this.stop();
      return undefined;
    } catch (error) {
      this.stop();
      throw error;
    } finally {
      came.abort();
    }
  }

  /** Ends it, and lets go of what it listens to. */
  stop(): void {
    this.#forgetDrain?.();
    this.#stop.abort();
    // One that was never read from is not ended by its signal.
    if (this.#next === undefined) void this.#events.return?.();
  }
}

function frame({ id, ...event }: RunEvent): string {
  return `id: ${id}\ndata: ${JSON.stringify(event)}\n\n`;
}
