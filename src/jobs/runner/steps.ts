import { newelError } from "../../base/errors.ts";
import { formatSize } from "../../base/units.ts";
import { checkJson, PAYLOAD_LIMIT_BYTES } from "../json.ts";
import {
  type FinishedStep,
  formatStep,
  parseStep,
  type StepPage,
  STEPS_LIMIT,
  STEPS_LIMIT_BYTES,
} from "../steps.ts";
import { parseStored } from "../stored-json.ts";
import { unreadable } from "../unreadable.ts";
import type { Ask } from "./protocol.ts";

/**
 * The steps of one attempt. The results of earlier attempts are read once, before the first step; a
 * result is stored separately when its step has finished, and parsed only when it is used.
 */
export class Steps {
  readonly #job: string;
  readonly #ask: Ask;
  /** Results of earlier attempts as JSON, by the step's name. */
  #finished: Promise<ReadonlyMap<string, string>> | undefined;
  /** The steps of this attempt. */
  readonly #begun = new Map<string, Promise<unknown>>();
  #count = 0;
  #bytes = 0;

  /** @param job - the name of the definition, for errors */
  constructor(job: string, ask: Ask) {
    this.#job = job;
    this.#ask = ask;
  }

  /** The same step called twice in one attempt runs once; a failed step may be tried again. */
  run(name: string, fn: () => unknown): Promise<unknown> {
    const begun = this.#begun.get(name);
    if (begun !== undefined) return begun;
    const running = this.#run(name, fn);
    this.#begun.set(name, running);
    running.catch(() => this.#begun.delete(name));
    return running;
  }

  /** Returns the same value that a later attempt gets: the result converted to JSON and back. */
  async #run(name: string, fn: () => unknown): Promise<unknown> {
    const known = (await this.#known()).get(name);
    if (known !== undefined) {
      const stored = parseStored(known);
      if (stored === undefined) throw unreadable(this.#job, `step "${name}"`);
      return stored.value;
    }
    if (this.#count >= STEPS_LIMIT) throw this.#tooMany(`${STEPS_LIMIT} steps`);
    const result = await fn();
    const what = `The result of the step "${name}" of ${this.#job}`;
    const step = { name, json: checkJson(result, what, PAYLOAD_LIMIT_BYTES) };
    this.#add(step);
    await this.#ask({ kind: "step", line: formatStep(step) });
    return result === undefined ? undefined : (JSON.parse(step.json) as unknown);
  }

  #known(): Promise<ReadonlyMap<string, string>> {
    const finished = (this.#finished ??= this.#read());
    // A later step reads again.
    finished.catch(() => (this.#finished = undefined));
    return finished;
  }

  async #read(): Promise<ReadonlyMap<string, string>> {
    const finished = new Map<string, string>();
    let [count, bytes] = [0, 0];
    for (let from: number | undefined = 0; from !== undefined;) {
      const page = (await this.#ask({ kind: "steps", from })) as StepPage;
      for (const line of page.lines) {
        const step = parseStep(line, this.#job);
        if (step === undefined) continue;
        finished.set(step.name, step.json);
        count += 1;
        bytes += bytesOf(step);
      }
      from = page.next;
    }
    [this.#count, this.#bytes] = [count, bytes];
    return finished;
  }

  /** Counts a step before it is stored. */
  #add(step: FinishedStep): void {
    const bytes = bytesOf(step);
    if (this.#bytes + bytes > STEPS_LIMIT_BYTES)
      throw this.#tooMany(`${formatSize(STEPS_LIMIT_BYTES)} of results`);
    this.#count += 1;
    this.#bytes += bytes;
  }

  #tooMany(limit: string): Error {
    return newelError("NEWEL_E_JOB_STEPS", { job: this.#job, limit });
  }
}

function bytesOf({ name, json }: FinishedStep): number {
  return Buffer.byteLength(name) + Buffer.byteLength(json);
}
