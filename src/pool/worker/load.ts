import { AsyncLocalStorage } from "node:async_hooks";

import { newelError } from "../../base/errors.ts";
import type { SetupContext, TaskContext } from "./define-worker.ts";
import type { TaskScope } from "./scope.ts";
import type { Worker, WorkerRuntime } from "./worker.ts";

/** The functions of a worker module, for all ways to write it. */
export interface WorkerProgram {
  setup(context: SetupContext): unknown;
  task(task: unknown, scope: TaskScope): unknown;
  /**
   * Calls an exported function.
   *
   * @param call - its name, then its arguments
   * @throws NEWEL_E_POOL_NO_FUNCTION
   */
  call(call: unknown, scope: TaskScope): unknown;
  teardown(state: unknown): unknown;
}

/** The requests of the program to its worker. */
export interface ProgramOwner {
  /** The task is done although its function continues. */
  finish(scope: TaskScope): void;
}

type DefaultProgram = Omit<WorkerProgram, "call">;

/**
 * Loads a worker module: its default export, and the functions that it exports by name.
 *
 * @throws TypeError when it has neither; any error that the module itself threw
 */
export async function loadProgram(module: string, owner: ProgramOwner): Promise<WorkerProgram> {
  const namespace: unknown = await import(module);
  const exported = defaultExport(namespace);
  const program = defaultProgram(exported, owner) ?? withoutDefault(namespace, exported);
  if (program === undefined)
    throw new TypeError(
      "its default export is neither made by defineWorker nor a class that extends Worker, and it exports no function by name",
    );
  return {
    ...program,
    call(call, { pool }) {
      const [name, ...args] = call as readonly [string, ...unknown[]];
      const run = functionNamed(name, namespace) ?? functionNamed(name, exported);
      if (run === undefined) throw newelError("NEWEL_E_POOL_NO_FUNCTION", { pool, name });
      return run(...args);
    },
  };
}

function defaultProgram(exported: unknown, owner: ProgramOwner): DefaultProgram | undefined {
  if (typeof exported === "function" && isWorkerClass(exported))
    return classProgram(new exported(), owner);
  if (typeof exported !== "object" || exported === null || !("task" in exported)) return undefined;
  const { setup, task, teardown } = exported as Partial<Record<string, unknown>>;
  if (typeof task !== "function" || !isOptional(setup) || !isOptional(teardown)) return undefined;
  return {
    setup: (context) => setup?.(context),
    task: task.bind(exported) as WorkerProgram["task"],
    teardown: (state) => teardown?.(state),
  };
}

/** A module of named functions alone. */
function withoutDefault(...sources: readonly unknown[]): DefaultProgram | undefined {
  const hasFunctions = sources.some(
    (source) =>
      typeof source === "object" &&
      source !== null &&
      Object.keys(source).some((name) => functionNamed(name, source) !== undefined),
  );
  if (!hasFunctions) return undefined;
  return {
    setup: () => undefined,
    task(_task, { pool }) {
      throw newelError("NEWEL_E_POOL_NO_FUNCTION", { pool, name: "default" });
    },
    teardown: () => undefined,
  };
}

type NamedFunction = (...args: readonly unknown[]) => unknown;

/** The function that a module, or the `exports` object of a CommonJS module, has by this name. */
function functionNamed(name: string, source: unknown): NamedFunction | undefined {
  if (typeof source !== "object" || source === null || name === "default") return undefined;
  const value: unknown = Object.hasOwn(source, name) ? Reflect.get(source, name) : undefined;
  return typeof value === "function" ? (value as NamedFunction) : undefined;
}

/**
 * The default export of a module in all shapes that compilers emit. A CommonJS module is imported
 * as the default export of another: `exports.default = …`, or `module.exports = { default: … }`.
 */
function defaultExport(module: unknown): unknown {
  let value = module;
  for (let level = 0; level < 3; level += 1) {
    if (typeof value !== "object" || value === null || !("default" in value)) return value;
    if (level > 0 && "task" in value) return value;
    value = value.default;
  }
  return value;
}

function isOptional(value: unknown): value is ((argument: unknown) => unknown) | undefined {
  return value === undefined || typeof value === "function";
}

/** Checked by its shape: the module may have another copy of newel. */
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

function classProgram(worker: Worker<unknown, unknown>, owner: ProgramOwner): DefaultProgram {
  const current: WorkerRuntime["current"] = new AsyncLocalStorage();
  return {
    setup(context) {
      const { workerNumber, pool, data, post } = context;
      worker._attach({ workerNumber, pool, data, current, post });
      return worker.initialise();
    },
    task: (task, scope) =>
      current.run({ post: scope.post, finish: () => owner.finish(scope) }, () => {
        if (scope.isStream) scope.inContext = AsyncLocalStorage.snapshot();
        return worker.processMessage(task, scope as TaskContext<undefined>);
      }),
    teardown: () => worker.finish(),
  };
}
