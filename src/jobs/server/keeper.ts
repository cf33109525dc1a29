import type { Job } from "bullmq";

import type { ChildResult, StoredJob } from "../api.ts";
import { formatRunId } from "../names.ts";
import type { RunnerAsk } from "../runner/protocol.ts";

/** Stores what a handler says while its attempt lasts. Nobody else writes to a job that is taken. */
export class Keeper {
  readonly #job: Job;
  readonly #attempt: number;
  #stored: StoredJob;
  #writing: Promise<unknown> = Promise.resolve();
  #isOver = false;

  constructor(job: Job, stored: StoredJob, attempt: number) {
    this.#job = job;
    this.#stored = stored;
    this.#attempt = attempt;
  }

  /** Resolves when it is stored. */
  keep(asked: RunnerAsk): Promise<unknown> {
    const written = this.#writing.then(() => (this.#isOver ? undefined : this.#write(asked)));
    this.#writing = written.catch(() => undefined);
    return written;
  }

  async #write(asked: RunnerAsk): Promise<readonly ChildResult[] | undefined> {
    switch (asked.kind) {
      case "children":
        return childResults(await this.#job.getChildrenValues());
      case "progress":
        await this.#job.updateProgress(asked.progress);
        return undefined;
      case "log":
        await this.#job.log(`${new Date().toISOString()} #${this.#attempt} ${asked.line}`);
        return undefined;
      case "step": {
        const steps = { ...this.#stored.steps, [asked.name]: asked.value };
        this.#stored = { ...this.#stored, steps };
        await this.#job.updateData(this.#stored);
        return undefined;
      }
    }
  }

  /** Nothing is stored after this; resolves when what was begun is. */
  async end(): Promise<void> {
    this.#isOver = true;
    await this.#writing;
  }
}

/** BullMQ has them by `PREFIX:QUEUE:ID`. */
function childResults(values: Readonly<Record<string, unknown>>): readonly ChildResult[] {
  return Object.entries(values).map(([key, result]) => {
    const [, queue = "", ...id] = key.split(":");
    return { run: formatRunId(queue, id.join(":")), result };
  });
}
