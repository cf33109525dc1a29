import { isDraining, onDrain } from "../../base/draining.ts";
import type { RunEvent } from "../api.ts";
import { Mailbox } from "./mailbox.ts";
import { type Looks, refusalOf, type Viewer } from "./viewer.ts";

/**
 * The interval of heartbeats. A page that gets no bytes for 12 s treats the connection as dead; a proxy
 * may close a connection that is idle for a minute.
 */
const HEARTBEAT_MS = 5_000;
/** The wait before the browser reconnects; it is spread, so that not all pages reconnect at once after a deploy. */
const RETRY_MS = { least: 500, spread: 1_000 };
/** `authorize` is called again before an event when its last answer is older than this. */
const AUTHORIZED_MS = 1_000;

/** The status of a run when the browser has all of its events. */
const NOTHING_MORE = 204;
const HEARTBEAT = "event: heartbeat\ndata: {}\n\n";

/** A run followed by a browser. */
export interface Followed {
  readonly run: string;
  /** The id of the last event that the browser has. */
  readonly after?: string | undefined;
}

/** The options of one stream. */
export interface StreamOptions {
  readonly by: Viewer | undefined;
  /** Ends the stream when the browser has disconnected. */
  readonly signal?: AbortSignal | undefined;
  /** Sends the state of each run and ends, for a browser that polls. */
  readonly isPoll?: boolean;
  /** The browser names the runs: each is checked, and a refused one does not end the others. */
  readonly isOfMany?: boolean;
  /** Whether the viewer may still see the runs. */
  readonly authorize?: (() => boolean | Promise<boolean>) | undefined;
}

/** An event; or, in a stream of several runs, the HTTP status of a run that has no events. */
type Piece = RunEvent | { readonly run: string; readonly status: number };

/** Produces the text of one event stream to a browser. */
export class EventStream {
  readonly #looks: Looks;
  readonly #followed: readonly Followed[];
  readonly #options: StreamOptions;
  readonly #stop = new AbortController();
  readonly #mailbox = new Mailbox<Piece>();
  #isRead = false;
  #authorizedMs = performance.now();
  #forgetDrain: (() => void) | undefined;

  constructor(looks: Looks, followed: readonly Followed[], options: StreamOptions) {
    this.#looks = looks;
    this.#followed = followed;
    this.#options = options;
  }

  /** Nothing is followed before the first read, because a framework never reads the response to a HEAD request. */
  #startReading(): void {
    if (this.#isRead) return;
    this.#isRead = true;
    const { signal } = this.#options;
    const own = this.#stop.signal;
    const ends = signal === undefined ? own : AbortSignal.any([own, signal]);
    if (ends.aborted) this.#mailbox.release();
    ends.addEventListener("abort", () => this.#mailbox.release(), { once: true });
    void Promise.all(this.#followed.map((each) => this.#send(each, ends))).then(
      () => this.#mailbox.end(),
      // The events may end by throwing the abort reason.
      (error: unknown) => (ends.aborted ? this.#mailbox.end() : this.#mailbox.fail(error)),
    );
  }

  /** The events of one run, up to its end. */
  async #send({ run, after }: Followed, signal: AbortSignal): Promise<void> {
    const { by, isPoll = false, isOfMany = false } = this.#options;
    const refused = isOfMany ? await refusalOf(this.#looks, run, by) : undefined;
    if (refused !== undefined) return this.#mailbox.put({ run, status: refused });
    const options = { signal, ...(after === undefined || isPoll ? {} : { after }) };
    let isFollowed = false;
    for await (const event of this.#looks.events(run, options)) {
      await this.#mailbox.put(event);
      isFollowed = true;
      if (isPoll || signal.aborted) return;
    }
    if (isOfMany && !isFollowed) await this.#mailbox.put({ run, status: NOTHING_MORE });
  }

  /** Waits for the first event. @returns whether there is none to send */
  isEmpty(): Promise<boolean> {
    this.#startReading();
    return this.#mailbox.isEmpty();
  }

  /** The next text, at the latest after a heartbeat; `undefined` when the stream is over. */
  async read(): Promise<string | undefined> {
    if (this.#forgetDrain === undefined) return this.#begin();
    try {
      const next = await this.#mailbox.take(HEARTBEAT_MS);
      if (next === "end") {
        this.stop();
        return undefined;
      }
      if (!(await this.#isAuthorized(next === "late"))) {
        this.stop();
        return statusFrame({ status: 403 });
      }
      return next === "late" ? HEARTBEAT : frame(next.value);
    } catch (error) {
      this.stop();
      throw error;
    }
  }

  #begin(): string {
    this.#startReading();
    this.#forgetDrain = onDrain(() => this.stop());
    // A request during a drain comes on an old connection: closing it makes the browser connect to another process.
    if (isDraining()) this.stop();
    return `retry: ${RETRY_MS.least + Math.round(Math.random() * RETRY_MS.spread)}\n\n`;
  }

  async #isAuthorized(always: boolean): Promise<boolean> {
    const nowMs = performance.now();
    const { authorize } = this.#options;
    if (authorize === undefined) return true;
    if (!always && nowMs - this.#authorizedMs < AUTHORIZED_MS) return true;
    this.#authorizedMs = nowMs;
    return authorize();
  }

  /** Ends the stream, and removes its listeners. */
  stop(): void {
    this.#forgetDrain?.();
    this.#stop.abort();
  }
}

function frame(piece: Piece): string {
  if ("status" in piece) return statusFrame(piece);
  const { id, ...event } = piece;
  return `id: ${id}\ndata: ${JSON.stringify(event)}\n\n`;
}

/** Replaces an HTTP status after the response has begun. */
function statusFrame(status: { readonly run?: string; readonly status: number }): string {
  return `event: status\ndata: ${JSON.stringify(status)}\n\n`;
}
