import type { Run, RunEvent, RunState } from "../api.ts";
import { CANCELLED_CODE, parseFailure } from "../failure.ts";
import { type Entry, parseJson } from "./entry.ts";
import type { Listener } from "./listener.ts";
import { parseAfter, type Shown, snapshotId } from "./position.ts";
import type { QueueLog } from "./queue-log.ts";

/** Gives a run as it is now, whoever's it is; `undefined` when there is none. */
export type ReadRun = (id: string) => Promise<Run | undefined>;

/** One run's events are quiet for so long: its state is looked at, in case that something was missed. */
const QUIET_MS = 15_000;

const ENDED: ReadonlySet<RunState | undefined> = new Set<RunState>(["done", "failed", "cancelled"]);

/** Whether a run in that state is over; only `retry` makes it wait again. */
export function isEnded(state: RunState): boolean {
  return ENDED.has(state);
}

/** The events of one run for one who listens: what it was shown, and what follows from that. */
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

  /** From the event `after`, or from the state now, up to the end of the run. */
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

  /** The events since `after`, if they are all there; then also what the reader was shown before. */
  #resume(after: string): readonly Entry[] | undefined {
    const from = parseAfter(after);
    if (from === undefined) return undefined;
    const found = this.#log.around(this.#job, from.position);
    if (found === undefined) return undefined;
    for (const entry of found.before) this.#isNews(entry);
    if (from.shown !== undefined) this.#shown = from.shown;
    // Else what was before is not kept any more, and it may have been the end.
    return this.#shown.state === undefined ? undefined : found.since;
  }

  /**
   * The state as it is.
   *
   * @param always - otherwise only when it is another than was shown
   */
  async *#snapshot(always: boolean): AsyncGenerator<RunEvent, void, undefined> {
    const { position } = this.#log;
    const run = await this.#read(this.#run);
    if (run === undefined) {
      // It was waiting or running a while ago, and somebody removed it.
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

  /** Whether an entry tells more than was shown; from then on it was. */
  #isNews(entry: Entry): boolean {
    if (entry.kind === "progress") {
      if (this.#isBehind(entry.progress)) return false;
      const { progress } = this.#shown;
      const { done, total, note } = entry.progress ?? {};
      if (progress?.done === done && progress?.total === total && progress?.note === note)
        return false;
      // It runs; the event that said so may have been before the state that was shown.
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

  /** With a short result from the event; else with result or error from the run, if it is kept. */
  async #ending(entry: Entry): Promise<RunEvent> {
    const { id, state, detail } = entry;
    const result = state === "done" && detail !== undefined ? parseJson(detail) : undefined;
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
