import { newelError } from "../base/errors.ts";
import { bodyOfError, encodeBody, type Body } from "./body.ts";
import { ToWorker } from "./protocol.ts";
import type { Task } from "./task.ts";

/** What goes back to a worker that asked. */
export interface Answer {
  readonly type: number;
  readonly body: Body;
}

/**
 * Puts a task's question to its caller, at once: so the questions of a task keep their order.
 *
 * @param canClone - the worker is a thread
 */
export async function answerTo(
  task: Task | undefined,
  read: () => unknown,
  worker: number,
  canClone: boolean,
): Promise<Answer> {
  try {
    const answer = await ask(task, read(), worker);
    return { type: ToWorker.ANSWER, body: encodeBody(answer, canClone) };
  } catch (error) {
    return { type: ToWorker.REFUSAL, body: bodyOfError(error) };
  }
}

function ask(task: Task | undefined, question: unknown, worker: number): unknown {
  if (task === undefined || task.isSettled)
    throw newelError("NEWEL_E_POOL_NO_ANSWER", { why: "the task was given up" });
  const onAsk = task.terms?.onAsk;
  if (onAsk === undefined)
    throw newelError("NEWEL_E_POOL_NO_ANSWER", { why: "the task was run without onAsk" });
  return onAsk(question, { worker });
}
