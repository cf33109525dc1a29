import { hasCode } from "../../base/errors.ts";
import type { Progress } from "../api.ts";
import type { ChildResult, JobContext } from "../definition-types.ts";
import { optionError } from "../names.ts";
import { LogLines } from "./log-lines.ts";
import { ProgressReporter } from "./progress.ts";
import type { Ask, RunTask } from "./protocol.ts";
import { Steps } from "./steps.ts";
import { Turns } from "./turns.ts";

/** Creates the context that the handler of one attempt gets. */
export class AttemptContext implements JobContext {
  readonly #task: RunTask;
  readonly #ask: Ask;
  readonly #progress: ProgressReporter;
  readonly #lines: LogLines;
  readonly #steps: Steps;
  readonly #turns = new Turns();
  readonly signal: AbortSignal;

  constructor(task: RunTask, signal: AbortSignal, ask: Ask) {
    this.#task = task;
    this.#ask = ask;
    this.signal = signal;
    this.#progress = new ProgressReporter(task.progress, (progress) =>
      ask({ kind: "progress", progress }),
    );
    this.#lines = new LogLines((line) => ask({ kind: "log", line }));
    this.#steps = new Steps(task.name, ask);
  }

  get id(): string {
    return this.#task.run;
  }

  get name(): string {
    return this.#task.name;
  }

  get attempt(): number {
    return this.#task.attempt;
  }

  get attempts(): number {
    return this.#task.attempts;
  }

  get by(): string | undefined {
    return this.#task.by;
  }

  // Getters, so that the functions also work when destructured: ({ progress }) => progress(1, 10).
  get progress(): JobContext["progress"] {
    return async (done, total, note) => {
      for (const [option, value] of Object.entries({ done, total }))
        if (!Number.isFinite(value) || value < 0)
          throw optionError(`the progress of ${this.name}`, option, value, "a number from 0");
      const progress: Progress = { done, total, ...(note === undefined ? {} : { note }) };
      this.#checkLease();
      this.#progress.report(progress);
      await this.#turns.pass();
    };
  }

  get log(): JobContext["log"] {
    return async (line) => {
      this.#checkLease();
      await this.#lines.write(line);
      await this.#turns.pass();
    };
  }

  get children(): JobContext["children"] {
    return async () => (await this.#ask({ kind: "children" })) as readonly ChildResult[];
  }

  get step(): JobContext["step"] {
    return <Value>(name: string, fn: () => Value | Promise<Value>) =>
      this.#steps.run(name, fn) as Promise<Value>;
  }

  /** Checks the signal first, because reports do not wait and the server's refusal would come late. */
  #checkLease(): void {
    const reason: unknown = this.signal.reason;
    if (hasCode(reason, "NEWEL_E_JOB_LEASE_LOST")) throw reason;
  }

  /**
   * Resolves when the last progress and all lines are stored.
   *
   * @returns failures that no call of the handler has thrown
   */
  async finish(): Promise<readonly unknown[]> {
    const ends = await Promise.allSettled([this.#progress.flush(), this.#lines.flush()]);
    return ends.flatMap((end) => (end.status === "rejected" ? [end.reason as unknown] : []));
  }
}
