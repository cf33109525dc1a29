import { AsyncLocalStorage } from "node:async_hooks";

import type { SetupContext, TaskContext } from "./define-worker.ts";
import type { TaskScope } from "./scope.ts";
import type { Worker, WorkerRuntime } from "./worker.ts";

/** What a worker module does, whichever way it was written. */
export interface WorkerProgram {
  setup(context: SetupContext): unknown;
  task(task: unknown, scope: TaskScope): unknown;
  teardown(state: unknown): unknown;
}

/** What the program asks of the worker it runs in. */
export interface ProgramOwner {
  /** The task is done though its function goes on. */
  finish(scope: TaskScope): void;
}

/**
 * Loads a worker module and reads its default export.
 *
 * @throws TypeError when that is no worker, or what the module itself threw
 */
export async function loadProgram(module: string, owner: ProgramOwner): Promise<WorkerProgram> {
  const { default: exported } = (await import(module)) as { default?: unknown };
  if (typeof exported === "function" && isWorkerClass(exported))
    return classProgram(new exported(), owner);
  if (typeof exported === "object" && exported !== null && "task" in exported) {
    const { setup, task, teardown } = exported as Partial<Record<string, unknown>>;
    if (typeof task === "function" && isOptional(setup) && isOptional(teardown))
      return {
        setup: (context) => setup?.(context),
        task: task.bind(exported) as WorkerProgram["task"],
        teardown: (state) => teardown?.(state),
      };
  }
  throw new TypeError(
    "its default export is neither made by defineWorker nor a class that extends Worker",
  );
}

function isOptional(value: unknown): value is ((argument: unknown) => unknown) | undefined {
  return value === undefined || typeof value === "function";
}

/** By the shape: the module may have another copy of newel. */
function isWorkerClass(value: object): value is new () => Worker<unknown, unknown> {
  const prototype: unknown = "prototype" in value ? value.prototype : undefined;
  return (
    typeof prototype === "object" &&
    prototype !== null &&
    ["initialise", "processMessage", "put", "taskDone", "_attach"].every(
      (method) => method in prototype,
    )
  );
}

function classProgram(worker: Worker<unknown, unknown>, owner: ProgramOwner): WorkerProgram {
  const current: WorkerRuntime["current"] = new AsyncLocalStorage();
  return {
    setup(context) {
      const { workerNumber, pool, data, post } = context;
      worker._attach({ workerNumber, pool, data, current, post });
      return worker.initialise();
    },
    task: (task, scope) =>
      current.run({ post: scope.post, finish: () => owner.finish(scope) }, () =>
        worker.processMessage(task, scope as TaskContext<undefined>),
      ),
    teardown: () => worker.finish(),
  };
}
