import type { Worker } from "./worker/worker.ts";
import type { WorkerDefinition } from "./worker/define-worker.ts";

/**
 * The types that a pool reads from its worker module: `new Pool<typeof import("./worker.ts")>(…)`
 * takes the types of tasks, results, messages and static data from the module's default export.
 */

/** The types of one worker module. */
interface WorkerTypes<Task, Result, Message, Data> {
  readonly task: Task;
  readonly result: Result;
  readonly message: Message;
  readonly data: Data;
}

/** A pool without a module type accepts and returns any value. */
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

/** The argument type of the worker's `task`. */
export type TaskOf<Module> = TypesOf<Module>["task"];
/** The result type of `task`. */
export type ResultOf<Module> = TypesOf<Module>["result"];
/** The type of messages that the worker posts without a task, or several times per task. */
export type MessageOf<Module> = TypesOf<Module>["message"];
/** The type of `data` in `setup`. */
export type DataOf<Module> = TypesOf<Module>["data"];

/** A generator, or another iterator: its items can be read one after the other. */
type Iterating = AsyncIterator<unknown, unknown, never> | Iterator<unknown, unknown, never>;

type Streaming = AsyncIterable<unknown> | Generator;

type ItemOfResult<Result> = unknown extends Result
  ? unknown
  : Result extends AsyncIterable<infer Item> | Generator<infer Item>
    ? Item
    : never;

/** The type of the items of `pool.stream()`: those of a `task` that is a generator. */
export type ItemOf<Module> = ItemOfResult<ResultOf<Module>>;

/** The argument type of a task that `run` and its like accept: that of a `task` that is no generator. */
export type RunTaskOf<Module> = [ResultOf<Module>] extends [never]
  ? TaskOf<Module>
  : [ResultOf<Module>] extends [Iterating]
    ? never
    : TaskOf<Module>;

/** The argument type of a task that `stream` accepts: that of a `task` that is a generator. */
export type StreamTaskOf<Module> = [ItemOf<Module>] extends [never] ? never : TaskOf<Module>;

type AnyFunction = (...args: never[]) => unknown;

/** Names that a promise or the module itself uses. */
type ReservedNames = "default" | "then";

/** `yes` or `no`, by whether a function returns the type; one that never returns does not. */
type Returns<Function_ extends AnyFunction, Type> = [ReturnType<Function_>] extends [never]
  ? "no"
  : [ReturnType<Function_>] extends [Type]
    ? "yes"
    : "no";

type FunctionNames<Module> = {
  [Name in keyof Module]: Module[Name] extends AnyFunction
    ? Returns<Module[Name], Iterating> extends "no"
      ? Name
      : never
    : never;
}[keyof Module];

type GeneratorNames<Module> = {
  [Name in keyof Module]: Module[Name] extends AnyFunction
    ? Returns<Module[Name], Streaming> extends "yes"
      ? Name
      : never
    : never;
}[keyof Module];

/** A function that is async already keeps its signature, with type parameters and overloads. */
type Called<Function_> = Function_ extends (...args: infer Args) => never
  ? (...args: Args) => Promise<never>
  : Function_ extends (...args: never[]) => Promise<unknown>
    ? Function_
    : Function_ extends (...args: infer Args) => infer Result
      ? (...args: Args) => Promise<Awaited<Result>>
      : never;

type Streamed<Function_> = Function_ extends (...args: infer Args) => infer Result
  ? (...args: Args) => AsyncIterableIterator<ItemOfResult<Result>, undefined>
  : never;

// Mapped types over a type parameter of names keep the documentation and the definition of each
// name for editors.
type CalledMap<Module, Names extends keyof Module> = {
  readonly [Name in Names]: Called<Module[Name]>;
};
type StreamedMap<Module, Names extends keyof Module> = {
  readonly [Name in Names]: Streamed<Module[Name]>;
};

/** The functions that a worker module exports by name, as `pool.fn()` has them. */
export type FunctionsOf<Module> = CalledMap<Module, Exclude<FunctionNames<Module>, ReservedNames>>;

/** The generators that a worker module exports by name, as `pool.gen()` has them. */
export type GeneratorsOf<Module> = StreamedMap<
  Module,
  Exclude<GeneratorNames<Module>, ReservedNames>
>;
