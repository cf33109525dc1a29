import { newelError } from "../../base/errors.ts";
import type { TaskScope } from "./scope.ts";

/** The most waiting questions of one worker; code that awaits each question has at most one. */
const MAX_WAITING = 4_096;

interface Question {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** The questions of this worker's tasks that were not answered yet. */
export class Asks {
  readonly #waiting = new Map<number, Question>();
  #last = 0;

  /**
   * @throws NEWEL_E_POOL_NO_ANSWER when the task is over: another task may have its place in the pool
   * @throws NEWEL_E_LIMIT
   */
  ask({ isAnswered }: TaskScope): { readonly number: number; readonly answer: Promise<unknown> } {
    if (isAnswered) throw newelError("NEWEL_E_POOL_NO_ANSWER", { why: "the task is over" });
    if (this.#waiting.size >= MAX_WAITING)
      throw newelError("NEWEL_E_LIMIT", {
        what: "the number of questions that wait for an answer",
        limit: MAX_WAITING,
        unit: "questions; await each `ask`",
      });
    // The number as the frame carries it.
    do this.#last = (this.#last + 1) >>> 0;
    while (this.#waiting.has(this.#last));
    const number = this.#last;
    const answer = new Promise<unknown>((resolve, reject) => {
      this.#waiting.set(number, { resolve, reject });
    });
    return { number, answer };
  }

  answered(number: number, read: () => unknown): void {
    const question = this.#take(number);
    if (question === undefined) return;
    try {
      question.resolve(read());
    } catch (error) {
      question.reject(error instanceof Error ? error : new Error(String(error)));
    }
  }

  refused(number: number, error: Error): void {
    this.#take(number)?.reject(error);
  }

  #take(number: number): Question | undefined {
    const question = this.#waiting.get(number);
    this.#waiting.delete(number);
    return question;
  }
}
