import { newelError } from "../base/errors.ts";

/** The new image of the program that takes the process over at the end of a restart. */
export class Replacement {
  #act: (() => Promise<void> | void) | undefined;
  #isDue = false;
  #owed = 0;

  /** Whether a plugin can start one. */
  get isKnown(): boolean {
    return this.#act !== undefined;
  }

  /** Whether the shutdown makes way for it. */
  get isDue(): boolean {
    return this.#isDue;
  }

  /** How many restarts it has to make up for: what was changed since its own began is not in it. */
  get owed(): number {
    return this.#owed;
  }

  isDoneBy(act: () => Promise<void> | void): void {
    this.#act = act;
  }

  /** @throws NEWEL_E_BUS_NO_RESTART when no plugin can restart this program */
  check(): void {
    if (this.#act === undefined) throw newelError("NEWEL_E_BUS_NO_RESTART", {});
  }

  owe(): void {
    this.#owed += 1;
  }

  makeDue(isDue: boolean): void {
    this.#isDue = isDue;
  }

  /** Returns only where the new image is a process of its own. */
  async takeOver(): Promise<void> {
    await this.#act?.();
  }
}
