import { messageOf, newelError } from "../base/errors.ts";
import { type Act, lineOf } from "./messages.ts";
import type { Source } from "./source.ts";

const KEPT = 50;
const KEPT_LINES = 200;
const AT_ONCE = 20;

/** The commands that pages carried out since the dashboard was started. */
export class Acts {
  readonly #source: Source;
  readonly #changed: (acts: readonly Act[]) => void;
  #acts: readonly Act[] = [];
  #last = 0;

  constructor(source: Source, changed: (acts: readonly Act[]) => void) {
    this.#source = source;
    this.#changed = changed;
  }

  get all(): readonly Act[] {
    return this.#acts;
  }

  /**
   * Begins a command; its progress and its end are in {@link all}.
   *
   * @throws NEWEL_E_LIMIT when too many are under way
   */
  begin(words: readonly string[]): Act {
    const running = this.#acts.filter(({ endedMs }) => endedMs === undefined);
    if (running.length >= AT_ONCE)
      throw newelError("NEWEL_E_LIMIT", {
        what: "the number of commands under way",
        limit: AT_ONCE,
        unit: "commands",
      });
    const id = (this.#last += 1);
    const act: Act = { id, line: lineOf(words), startedMs: Date.now(), printed: [] };
    this.#acts = [...this.#acts, act].slice(-KEPT);
    this.#changed(this.#acts);
    void this.#run(id, words);
    return act;
  }

  async #run(id: number, words: readonly string[]): Promise<void> {
    const print = (line: string): void => {
      this.#update(id, ({ printed }) => ({ printed: [...printed, line].slice(-KEPT_LINES) }));
    };
    let exitCode = 1;
    try {
      exitCode = await this.#source.run(words, print);
    } catch (error) {
      print(messageOf(error));
    }
    this.#update(id, () => ({ endedMs: Date.now(), exitCode }));
  }

  #update(id: number, change: (act: Act) => Partial<Act>): void {
    this.#acts = this.#acts.map((act) => (act.id === id ? { ...act, ...change(act) } : act));
    this.#changed(this.#acts);
  }
}
