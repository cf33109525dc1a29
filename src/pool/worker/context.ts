import { newelError } from "../../base/errors.ts";
import type { TaskContext } from "./define-worker.ts";

let current: TaskContext<unknown, unknown> | undefined;

// oxlint-disable typescript/no-unnecessary-type-parameters -- the types that the function knows of its module
/**
 * Returns the context of the task to which the calling function belongs. Call it at the beginning,
 * before the first `await`; a generator may call it again after each `yield`.
 *
 * @example
 * export async function resize(image: Uint8Array, width: number): Promise<Uint8Array> {
 *   const { signal } = taskContext();
 *   return scale(image, width, { signal });
 * }
 *
 * @throws NEWEL_E_POOL_NO_CONTEXT outside of a task
 */
export function taskContext<State = unknown, Message = unknown, Data = unknown>(): TaskContext<
  State,
  Message,
  Data
> {
  if (current === undefined) throw newelError("NEWEL_E_POOL_NO_CONTEXT", {});
  return current as TaskContext<State, Message, Data>;
}

/** Runs the synchronous part of a task within its context. */
export function runWithin<Result>(
  context: TaskContext<unknown, unknown>,
  run: () => Result,
): Result {
  const outer = current;
  current = context;
  try {
    return run();
  } finally {
    current = outer;
  }
}
