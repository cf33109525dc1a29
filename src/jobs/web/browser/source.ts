import type { RunEvent } from "../../api.ts";
import { readEvents, type ServerEvent } from "./event-reader.ts";
import { takePermit } from "./permits.ts";
import { afterEvent, afterStatus, isFinal, type JobView, UNKNOWN } from "./view.ts";
import { isHidden, onWake, pause } from "./waiting.ts";

/**
 * The server sends a heartbeat every 5 s: after this time without bytes the connection counts as dead. In
 * milliseconds.
 */
const SILENCE_MS = 12_000;
/** After this time without bytes a page that wakes up opens the stream again at once. In milliseconds. */
const SUSPECT_MS = 7_000;
/** The poll interval without a stream, while the page is visible and while it is hidden. In milliseconds. */
const POLL_MS = { seen: 2_000, hidden: 10_000 };
const FAILED_MS = { first: 500, longest: 30_000 };
/** The wait before a stream is opened again after the server ended it, such as at a deploy. */
const AGAIN_MS = 1_000;
/** The shortest interval between two polls of a page, so that many bars do not keep the site busy. */
const LOOK_GAP_MS = 50;
/** The largest number of runs in one request, because proxies limit the length of a URL. */
const MOST_RUNS = 50;

/** A followed run. */
interface Followed {
  readonly listeners: Set<(view: JobView) => void>;
  view: JobView;
  /** The id of the last event. */
  after: string;
}

/** The polls of all sources run one after the other, so that they need one connection. */
let lastLook: Promise<unknown> = Promise.resolve();

/**
 * Follows the runs of one URL until their ends. States: streaming (with a permit, while the page is visible),
 * polling (without a permit), waiting after a failure, and over when no run is left. Each
 * follower gets the whole view at each change.
 */
export class Source {
  readonly #url: string;
  /** The followed runs by their ids; `""` for a URL of one run. */
  readonly #followed = new Map<string, Followed>();
  #stop = new AbortController();
  #isRunning = false;
  #failures = 0;
  #retryMs = AGAIN_MS;

  constructor(url: string) {
    this.#url = url;
  }

  /** Whether a request has room for this run. */
  hasRoomFor(run: string): boolean {
    return this.#followed.has(run) || this.#followed.size < MOST_RUNS;
  }

  /** @returns a function that stops following */
  follow(run: string, onChange: (view: JobView) => void): () => void {
    const followed = this.#followed.get(run) ?? { listeners: new Set(), view: UNKNOWN, after: "" };
    const isNew = followed.listeners.size === 0;
    this.#followed.set(run, followed);
    followed.listeners.add(onChange);
    if (followed.view !== UNKNOWN) onChange(followed.view);
    if (isNew) this.#changed();
    return () => {
      followed.listeners.delete(onChange);
      if (followed.listeners.size > 0 || this.#followed.get(run) !== followed) return;
      this.#followed.delete(run);
      this.#changed();
    };
  }

  /** Restarts the request for a changed set of runs. Bars of one page are added in one turn. */
  #changed(): void {
    this.#stop.abort();
    this.#stop = new AbortController();
    if (this.#isRunning) return;
    this.#isRunning = true;
    void this.#run();
  }

  get #wanted(): [string, Followed][] {
    return [...this.#followed].filter(
      ([, { view }]) => !isFinal(view.state) && view.connection !== "closed",
    );
  }

  async #run(): Promise<void> {
    for (;;) {
      await Promise.resolve();
      if (this.#wanted.length === 0) {
        this.#isRunning = false;
        return;
      }
      const { signal } = this.#stop;
      const release = isHidden() ? undefined : await takePermit();
      try {
        if (release === undefined) await this.#look(signal);
        else await this.#ask(signal, false);
        this.#failures = 0;
      } catch {
        // An outage has no further details.
        if (!signal.aborted) this.#failures += 1;
      }
      release?.();
      if (this.#failures > 1) this.#showConnection("lost");
      if (!signal.aborted && this.#wanted.length > 0)
        await pause(this.#pauseMs(release !== undefined), signal);
    }
  }

  #pauseMs(streamed: boolean): number {
    const jitter = 0.75 + Math.random() / 2;
    if (this.#failures > 0)
      return Math.min(FAILED_MS.longest, FAILED_MS.first * 2 ** (this.#failures - 1)) * jitter;
    if (streamed) return this.#retryMs;
    return (isHidden() ? POLL_MS.hidden : POLL_MS.seen) * jitter;
  }

  #look(signal: AbortSignal): Promise<void> {
    const look = lastLook.then(() => (signal.aborted ? undefined : this.#ask(signal, true)));
    const gap = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, LOOK_GAP_MS));
    lastLook = look.then(gap, gap);
    return look;
  }

  /** Runs one request to its end: a stream or a poll. Rejects when the site does not answer as expected. */
  async #ask(outer: AbortSignal, isLook: boolean): Promise<void> {
    const abort = new AbortController();
    const end = (): void => abort.abort();
    outer.addEventListener("abort", end);
    const watch = this.#watch(abort, isLook);
    try {
      const response = await fetch(this.#address(isLook), {
        headers: { accept: "text/event-stream" },
        cache: "no-store",
        signal: abort.signal,
      });
      if (this.#isOver(response)) return;
      const isStream = response.headers.get("content-type")?.startsWith("text/event-stream");
      if (!response.ok || !isStream || response.body === null)
        throw new Error(String(response.status));
      await readEvents(
        response.body,
        () => watch.heard(),
        (event) => this.#take(event, isLook ? end : undefined),
      );
    } catch (error) {
      // A poll of a server that sends a stream anyway ends with its first event.
      if (!(isLook && watch.wasHeard())) throw error;
    } finally {
      watch.end();
      outer.removeEventListener("abort", end);
      abort.abort();
    }
  }

  /** Aborts a request without incoming bytes, and a stream whose page is not visible any more. */
  #watch(
    abort: AbortController,
    isLook: boolean,
  ): { heard(): void; wasHeard(): boolean; end(): void } {
    let heardMs = Date.now();
    let wasHeard = false;
    let timer: ReturnType<typeof setTimeout>;
    const silent = (): void => {
      // The view changes at once, so that the page shows that it may be out of date.
      this.#failures += 1;
      this.#showConnection("lost");
      abort.abort();
    };
    const arm = (): void => {
      clearTimeout(timer);
      timer = setTimeout(silent, SILENCE_MS);
    };
    const forget = onWake(() => {
      if (!isLook && isHidden()) abort.abort();
      // The wall clock also counts while the machine sleeps.
      else if (Date.now() - heardMs > SUSPECT_MS) abort.abort();
    });
    arm();
    return {
      heard: () => {
        heardMs = Date.now();
        wasHeard = true;
        this.#failures = 0;
        this.#showConnection("open");
        arm();
      },
      wasHeard: () => wasHeard,
      end: () => {
        clearTimeout(timer);
        forget();
      },
    };
  }

  #address(isLook: boolean): string {
    const query = new URLSearchParams();
    for (const [run, { after }] of this.#wanted)
      if (run !== "") query.append("run", `${run},${after}`);
      else if (after !== "" && !isLook) query.append("after", after);
    if (isLook) query.append("poll", "");
    const text = query.toString();
    return text === "" ? this.#url : `${this.#url}${this.#url.includes("?") ? "&" : "?"}${text}`;
  }

  /** Whether the response means that there is no run to follow. */
  #isOver(response: Response): boolean {
    const isEvents = response.headers.get("content-type")?.startsWith("text/event-stream");
    // The site redirects an expired session to its login page.
    const status = response.redirected && response.ok && !isEvents ? 401 : response.status;
    let isOver = false;
    for (const [, followed] of this.#wanted) {
      const view = afterStatus(followed.view, status);
      if (view === undefined) return false;
      isOver = true;
      this.#show(followed, view);
    }
    return isOver;
  }

  #take({ event, data, id, retryMs }: ServerEvent, endLook: (() => void) | undefined): void {
    if (retryMs !== undefined) this.#retryMs = retryMs;
    if (data === "" || event === "heartbeat") return;
    const told = JSON.parse(data) as RunEvent | { run?: string; status: number };
    if ("status" in told) {
      for (const [run, followed] of this.#wanted)
        if (told.run === undefined || told.run === run)
          this.#show(followed, afterStatus(followed.view, told.status) ?? followed.view);
      return;
    }
    const followed = this.#followed.get("") ?? this.#followed.get(told.run);
    if (followed === undefined) return;
    followed.after = id;
    this.#show(followed, afterEvent(followed.view, told));
    if (this.#followed.has("")) endLook?.();
  }

  #showConnection(connection: "open" | "lost"): void {
    for (const [, followed] of this.#wanted)
      if (
        followed.view.connection !== connection &&
        (followed.view !== UNKNOWN || connection === "lost")
      )
        this.#show(followed, { ...followed.view, connection });
  }

  #show(followed: Followed, view: JobView): void {
    if (JSON.stringify(view) === JSON.stringify(followed.view)) return;
    followed.view = view;
    for (const listener of followed.listeners) listener(view);
  }
}
