import { newelError } from "../base/errors.ts";

/** The new image of the program that replaces the process's program at the end of a restart. */
export class Replacement {
  #act: (() => Promise<void> | void) | undefined;
  #owed = 0;

  /** Whether a plugin can start a new image. */
  get isKnown(): boolean {
    return this.#act !== undefined;
  }

  /**
   * The number of restarts that must follow: the image lacks the changes made since its own restart
   * began.
   */
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

  /** The restart was refused, and so are the restarts that were to follow. */
  forgive(): void {
    this.#owed = 0;
  }

  /** Returns only if the new image is a separate process. */
  async takeOver(): Promise<void> {
    await this.#act?.();
  }
}
