import type { ChildResult, JobContext, Progress } from "../api.ts";
import { checkJson, PAYLOAD_LIMIT_BYTES } from "../json.ts";
import { optionError } from "../names.ts";
import { ProgressReporter } from "./progress.ts";
import type { RunnerAsk, RunTask } from "./protocol.ts";

/** Asks the server to keep something; resolves when it is stored. */
export type Ask = (question: RunnerAsk) => Promise<unknown>;

/** What the handler of one attempt is given. */
export class AttemptContext implements JobContext {
  readonly #task: RunTask;
  readonly #ask: Ask;
  readonly #progress: ProgressReporter;
  /** Results as they are read back, by the step's name. */
  readonly #steps: Map<string, Promise<unknown>>;
  readonly signal: AbortSignal;

  constructor(task: RunTask, signal: AbortSignal, ask: Ask) {
    this.#task = task;
    this.#ask = ask;
    this.signal = signal;
    this.#progress = new ProgressReporter(task.progress, (progress) =>
      ask({ kind: "progress", progress }),
    );
    const finished = Object.entries(task.steps ?? {});
    this.#steps = new Map(finished.map(([name, value]) => [name, Promise.resolve(value)]));
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

  // Getters, so that they also work taken out of ctx: ({ progress }) => progress(1, 10).
  get progress(): JobContext["progress"] {
    return async (done, total, note) => {
      for (const [option, value] of Object.entries({ done, total }))
        if (!Number.isFinite(value) || value < 0)
          throw optionError(`the progress of ${this.name}`, option, value, "a number from 0");
      const progress: Progress = { done, total, ...(note === undefined ? {} : { note }) };
      await this.#progress.report(progress);
    };
  }

  get log(): JobContext["log"] {
    return async (line) => {
      await this.#ask({ kind: "log", line });
    };
  }

  get children(): JobContext["children"] {
    return async () => (await this.#ask({ kind: "children" })) as readonly ChildResult[];
  }

  get step(): JobContext["step"] {
    return <Value>(name: string, fn: () => Value | Promise<Value>) =>
      this.#step(name, fn) as Promise<Value>;
  }

  /** The same step asked for twice in one attempt runs once; one that failed may be tried again. */
  #step(name: string, fn: () => unknown): Promise<unknown> {
    const known = this.#steps.get(name);
    if (known !== undefined) return known;
    const running = this.#runStep(name, fn);
    this.#steps.set(name, running);
    running.catch(() => this.#steps.delete(name));
    return running;
  }

  /** Gives what a later attempt will be given, which is what JSON makes of the value. */
  async #runStep(name: string, fn: () => unknown): Promise<unknown> {
    const result = await fn();
    const what = `The result of the step "${name}" of ${this.name}`;
    const value = JSON.parse(checkJson(result, what, PAYLOAD_LIMIT_BYTES)) as unknown;
    await this.#ask({ kind: "step", name, value });
    return result === undefined ? undefined : value;
  }

  /** The last progress is stored before the attempt ends. */
  async finish(): Promise<void> {
    await this.#progress.flush();
  }
}
