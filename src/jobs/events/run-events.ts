import type { Run, RunEvent, RunState } from "../api.ts";
import { CANCELLED_CODE, parseFailure } from "../failure.ts";
import { parseStored } from "../stored-json.ts";
import type { Entry } from "./entry.ts";
import type { Listener } from "./listener.ts";
import { parseAfter, type Shown, snapshotId } from "./position.ts";
import type { QueueLog } from "./queue-log.ts";

/** Reads the current state of a run of any owner; `undefined` when there is none. */
export type ReadRun = (id: string) => Promise<Run | undefined>;

/** After this time without an event of a run its state is read, in case an event was missed. In milliseconds. */
const QUIET_MS = 15_000;

const ENDED: ReadonlySet<RunState | undefined> = new Set<RunState>(["done", "failed", "cancelled"]);

/** Whether a run in this state is finished; only `retry` requeues it. */
export function isEnded(state: RunState): boolean {
  return ENDED.has(state);
}

/** The events of one run for one listener: the state that it has seen, and the events after it. */
export class RunReading {
  readonly #log: QueueLog;
  readonly #read: ReadRun;
  readonly #run: string;
  readonly #job: string;
  #shown: Shown = { state: undefined, progress: undefined };

  constructor(log: QueueLog, read: ReadRun, run: string) {
    this.#log = log;
    this.#read = read;
    this.#run = run;
    this.#job = run.slice(run.indexOf("~") + 1);
  }

  /** The events from `after`, or from the current state, up to the end of the run. */
  async *events(
    after: string | undefined,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<RunEvent, void, undefined> {
    await this.#log.ready();
    const listener = this.#log.listen(this.#job);
    try {
      const since = after === undefined ? undefined : this.#resume(after);
      if (since === undefined) yield* this.#snapshot(true);
      else yield* this.#follow(since);
      while (!this.#isOver(listener, signal)) {
        const came = await listener.wait(QUIET_MS, signal);
        if (listener.ended || signal?.aborted === true) return;
        const { entries, missed } = listener.take();
        if (missed || !came) yield* this.#snapshot(false);
        else yield* this.#follow(entries);
      }
    } finally {
      this.#log.leave(this.#job, listener);
    }
  }

  #isOver(listener: Listener, signal: AbortSignal | undefined): boolean {
    return ENDED.has(this.#shown.state) || listener.ended || signal?.aborted === true;
  }

  /** The events since `after`, if all are kept; this also restores the state that the reader had seen. */
  #resume(after: string): readonly Entry[] | undefined {
    const from = parseAfter(after);
    if (from === undefined) return undefined;
    const found = this.#log.around(this.#job, from.position);
    if (found === undefined) return undefined;
    for (const entry of found.before) this.#isNews(entry);
    if (from.shown !== undefined) this.#shown = from.shown;
    // Otherwise earlier events are not kept any more, and the end may have been among them.
    return this.#shown.state === undefined ? undefined : found.since;
  }

  /**
   * Returns the current state as an event.
   *
   * @param always - `false`: only when the state differs from the one that was shown
   */
  async *#snapshot(always: boolean): AsyncGenerator<RunEvent, void, undefined> {
    const { position } = this.#log;
    const run = await this.#read(this.#run);
    if (run === undefined) {
      // The run was waiting or running before, and was removed.
      if (this.#shown.state === undefined) this.#shown = { ...this.#shown, state: "cancelled" };
      else yield this.#gone(position);
      return;
    }
    const before = this.#shown;
    const progress = this.#isBehind(run.progress) ? before.progress : run.progress;
    this.#shown = { state: run.state, progress };
    const id = snapshotId(position, this.#shown);
    if (always || id !== snapshotId(position, before)) yield { id, ...eventOf(run, progress) };
  }

  async *#follow(entries: readonly Entry[]): AsyncGenerator<RunEvent, void, undefined> {
    for (const [at, entry] of entries.entries()) {
      if (entry.kind === "look") {
        yield* this.#snapshot(false);
      } else if (entry.kind === "removed") {
        if (!ENDED.has(this.#shown.state)) yield this.#gone(entry.id);
      } else if (this.#isNews(entry)) {
        const goesOn = entries.slice(at + 1).some(({ kind }) => kind !== "removed");
        const isEnd = ENDED.has(entry.state) && !goesOn;
        yield isEnd ? await this.#ending(entry) : this.#event(entry);
      }
    }
  }

  /** Whether an entry is newer than the shown state, which is updated with it. */
  #isNews(entry: Entry): boolean {
    if (entry.kind === "progress") {
      if (this.#isBehind(entry.progress)) return false;
      const { progress } = this.#shown;
      const { done, total, note } = entry.progress ?? {};
      if (progress?.done === done && progress?.total === total && progress?.note === note)
        return false;
      // The run is running; its event may have come before the state that was shown.
      const state = ENDED.has(this.#shown.state) ? this.#shown.state : "running";
      this.#shown = { state, progress: entry.progress };
      return true;
    }
    if (entry.kind !== "state" || entry.state === this.#shown.state) return false;
    this.#shown = { ...this.#shown, state: entry.state };
    return true;
  }

  #isBehind(progress: Run["progress"]): boolean {
    const { progress: shown } = this.#shown;
    return (
      progress !== undefined &&
      shown !== undefined &&
      progress.total === shown.total &&
      progress.done < shown.done
    );
  }

  #event({ id, kind, progress }: Entry): RunEvent {
    const state = this.#shown.state ?? "waiting";
    return kind === "progress" && progress !== undefined
      ? { id, run: this.#run, type: "progress", state, progress }
      : { id, run: this.#run, type: "state", state };
  }

  /** Adds a short result from the event; otherwise result or error from the run, if it is kept. */
  async #ending(entry: Entry): Promise<RunEvent> {
    const { id, state, detail } = entry;
    const result = state === "done" ? parseStored(detail)?.value : undefined;
    if (result !== undefined) {
      const { progress } = this.#shown;
      const known = progress === undefined ? {} : { progress };
      return { id, run: this.#run, type: "state", state: "done", ...known, result };
    }
    const run = await this.#read(this.#run);
    if (run !== undefined && isEnded(run.state)) {
      this.#shown = { state: run.state, progress: run.progress };
      return { ...eventOf(run, run.progress), id: entry.id, type: "state" };
    }
    const event = this.#event(entry);
    if (detail === undefined || state === "done") return event;
    const error = parseFailure(detail);
    return { ...event, state: error.code === CANCELLED_CODE ? "cancelled" : event.state, error };
  }

  #gone(id: string): RunEvent {
    this.#shown = { ...this.#shown, state: "cancelled" };
    return { id, run: this.#run, type: "state", state: "cancelled" };
  }
}

function eventOf(run: Run, progress: Run["progress"]): Omit<RunEvent, "id"> {
  const { id, state, result, error } = run;
  return {
    run: id,
    type: "run",
    state,
    ...(progress === undefined ? {} : { progress }),
    ...(result === undefined ? {} : { result }),
    ...(error === undefined ? {} : { error }),
  };
}
