import { newelError } from "../base/errors.ts";
import { bodyOfError, encodeBody, type Body } from "./body.ts";
import type { Link } from "./link.ts";
import { ToWorker } from "./protocol.ts";
import type { Task } from "./task.ts";
import { notCloneable } from "./transferable.ts";

/** The questions of one worker's tasks, which their callers answer. */
export class Questions {
  readonly #link: Link;
  readonly #worker: number;
  readonly #canClone: boolean;

  /**
   * @param worker - the number of the worker
   * @param canClone - the worker is a thread
   */
  constructor(link: Link, worker: number, canClone: boolean) {
    this.#link = link;
    this.#worker = worker;
    this.#canClone = canClone;
  }

  /**
   * Passes a question to the caller of the task immediately, so that the questions of a task keep
   * their order, and sends the answer.
   */
  async answer(task: Task | undefined, question: number, read: () => unknown): Promise<void> {
    let body: Body;
    try {
      body = encodeBody(await ask(task, read(), this.#worker), this.#canClone);
    } catch (error) {
      this.#link.send(ToWorker.REFUSAL, question, 0, bodyOfError(error));
      return;
    }
    try {
      this.#link.send(ToWorker.ANSWER, question, 0, body);
    } catch (error) {
      this.#link.send(ToWorker.REFUSAL, question, 0, bodyOfError(notCloneable(error)));
    }
  }
}

function ask(task: Task | undefined, question: unknown, worker: number): unknown {
  if (task === undefined || task.isSettled)
    throw newelError("NEWEL_E_POOL_NO_ANSWER", { why: "the task was given up" });
  const onAsk = task.limits?.onAsk;
  if (onAsk === undefined)
    throw newelError("NEWEL_E_POOL_NO_ANSWER", { why: "the task was run without onAsk" });
  return onAsk(question, { worker });
}
