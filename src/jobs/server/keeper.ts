import { Job, type Queue } from "bullmq";

import type { StoredJob } from "../api.ts";
import type { ChildResult } from "../definition-types.ts";
import type { RunnerAsk } from "../runner/protocol.ts";
import { formatStep, isStepLine, type StepPage } from "../steps.ts";
import { runOfKey } from "../store/run.ts";
import type { HeldLease } from "./leases.ts";

/** The number of log lines that are read at once, and of characters in one answer. */
const PAGE = { lines: 1_000, characters: 4_000_000 };

type Kept = Exclude<RunnerAsk, { readonly kind: "begun" | "waits" }>;
export type Crash = Extract<RunnerAsk, { readonly kind: "crash" }>;

/**
 * The attempt journal: stores progress, log lines and finished steps of one attempt, in their order, while
 * the attempt and its lease last. Once the lease is lost, every write is refused.
 */
export class Keeper {
  readonly #queue: Queue;
  readonly #job: Job;
  readonly #attempt: number;
  readonly #lease: Pick<HeldLease, "confirm">;
  readonly #stored: StoredJob;
  #writing: Promise<unknown> = Promise.resolve();
  #isOver = false;
  #crash: Crash | undefined;

  constructor(
    queue: Queue,
    job: Job,
    stored: StoredJob,
    attempt: number,
    lease: Pick<HeldLease, "confirm">,
  ) {
    this.#queue = queue;
    this.#job = job;
    this.#stored = stored;
    this.#attempt = attempt;
    this.#lease = lease;
  }

  /** The error that ends the process, if the process has sent one. */
  get crash(): Crash | undefined {
    return this.#crash;
  }

  /** Stores one report. Resolves when it is stored. */
  keep(asked: Kept): Promise<unknown> {
    if (asked.kind === "crash") {
      this.#crash = asked;
      return Promise.resolve();
    }
    const written = this.#writing.then(() => (this.#isOver ? undefined : this.#write(asked)));
    this.#writing = written.catch(() => undefined);
    return written;
  }

  async #write(
    asked: Exclude<Kept, Crash>,
  ): Promise<readonly ChildResult[] | StepPage | undefined> {
    await this.#lease.confirm();
    switch (asked.kind) {
      case "children":
        return childResults(await this.#job.getChildrenValues());
      case "progress":
        await this.#job.updateProgress(asked.progress);
        return undefined;
      case "log":
        await this.#append(`${new Date().toISOString()} #${this.#attempt} ${asked.line}`);
        return undefined;
      case "step":
        await this.#append(asked.line);
        return undefined;
      case "steps":
        return this.#steps(asked.from);
    }
  }

  /** BullMQ's option `keepLogs` would remove finished steps, so it does not apply. */
  async #append(line: string): Promise<void> {
    await Job.addJobLog(this.#queue, this.#job.id ?? "", line);
  }

  async #steps(from: number): Promise<StepPage> {
    const last = from + PAGE.lines - 1;
    const { logs, count } = await this.#queue.getJobLogs(this.#job.id ?? "", from, last, true);
    const lines = from === 0 ? earlierSteps(this.#stored) : [];
    let characters = 0;
    let read = 0;
    for (const line of logs) {
      if (characters > PAGE.characters) break;
      read += 1;
      if (!isStepLine(line)) continue;
      lines.push(line);
      characters += line.length;
    }
    const next = from + read;
    return read === 0 || next >= count ? { lines } : { lines, next };
  }

  /** Refuses further writes; resolves when the writes that were begun are stored. */
  async end(): Promise<void> {
    this.#isOver = true;
    await this.#writing;
  }
}

/** Steps of a run that an earlier version of newel began; that version kept them in the job's data. */
function earlierSteps({ steps = {} }: StoredJob): string[] {
  return Object.entries(steps).map(([name, value]) =>
    formatStep({ name, json: JSON.stringify(value) }),
  );
}

function childResults(values: Readonly<Record<string, unknown>>): readonly ChildResult[] {
  return Object.entries(values).map(([key, result]) => ({ run: runOfKey(key) ?? key, result }));
}
