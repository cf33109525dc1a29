import type { Worker } from "./worker/worker.ts";
import type { WorkerDefinition } from "./worker/define-worker.ts";

/**
 * What a pool knows of its worker module: `new Pool<typeof import("./worker.ts")>(…)` takes the types
 * of tasks, results, messages and static data from the module's default export.
 */

/** The types one worker module works with. */
interface WorkerTypes<Task, Result, Message, Data> {
  readonly task: Task;
  readonly result: Result;
  readonly message: Message;
  readonly data: Data;
}

/** A pool made without a module type takes and gives anything. */
type Untyped = WorkerTypes<unknown, unknown, unknown, unknown>;

type TypesOf<Module> = Module extends { readonly default: infer Default }
  ? Default extends WorkerDefinition<
      infer Task,
      infer Result,
      infer _State,
      infer Message,
      infer Data
    >
    ? WorkerTypes<Task, Result, Message, Data>
    : Default extends new () => Worker<infer Task, infer Result, infer Message, infer Data>
      ? WorkerTypes<Task, Result, Message, Data>
      : never
  : Untyped;

/** What the worker's `task` takes. */
export type TaskOf<Module> = TypesOf<Module>["task"];
/** What it resolves with. */
export type ResultOf<Module> = TypesOf<Module>["result"];
/** What it posts without a task, or several times for one. */
export type MessageOf<Module> = TypesOf<Module>["message"];
/** What `setup` is given as `data`. */
export type DataOf<Module> = TypesOf<Module>["data"];
