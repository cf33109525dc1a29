import { newelError } from "../base/errors.ts";
import type { CallOptions, Caller } from "./caller.ts";
import type { ServedMethod } from "./callee.ts";
import type { Hello, MethodKind } from "./hello.ts";
import type { Target } from "./link.ts";

export { callContext, type CallContext } from "./context.ts";
export type { CallOptions } from "./caller.ts";

/**
 * A contract joins the two ends of a connection: an interface for the compiler, and for run time
 * the list of its methods. A peer can call only these methods. One side serves an implementation,
 * the other side gets a {@link Remote} of it:
 *
 *     interface Counter {
 *       increment(by: number): Promise<number>;
 *       changes(): AsyncIterable<number>;
 *     }
 *     const counter: Contract<Counter> = defineContract<Counter>()({
 *       name: "counter", version: 1, calls: ["increment"], streams: ["changes"],
 *     });
 *
 *     await serveUnix(path, counter, new MyCounter());
 *
 *     const { remote, close } = await connectUnix(path, counter);
 *     await remote.increment(2);
 *     for await (const value of remote.changes()) console.log(value);
 *     await remote.with({ signal, timeoutMs: 500 }).increment(1);
 *
 * The methods of an implementation are plain or async functions, and (async) generators for
 * streams. A method that needs to notice the cancellation of its call asks `callContext()` at its
 * beginning; its parameters stay the same, so that it can also be called locally. Functions among
 * arguments and results cross by reference: the other side can call them (they return a promise),
 * and `fn[Symbol.dispose]()` releases them; garbage collection and the end of the connection
 * release them, too. A Buffer is not copied when it is sent: do not change it until the call has
 * answered.
 */
export interface Contract<Api> {
  readonly name: string;
  readonly version: number;
  readonly calls: readonly string[];
  readonly streams: readonly string[];
  /** For the compiler alone. */
  readonly api?: Pick<Api, CallNames<Api> | StreamNames<Api>>;
}

type AnyMethod = (...args: never[]) => unknown;

type Streaming = AsyncIterable<unknown> | Generator;

/** Whether a method gives many results; one that never returns gives one, its error. */
type IsStreaming<Method extends AnyMethod> = [ReturnType<Method>] extends [never]
  ? false
  : [ReturnType<Method>] extends [Streaming]
    ? true
    : false;

/** The methods of an interface that give one result. */
export type CallNames<Api> = {
  [Name in keyof Api]: Api[Name] extends AnyMethod
    ? IsStreaming<Api[Name]> extends true
      ? never
      : Name
    : never;
}[keyof Api] &
  string;

/** The methods of an interface that give many results. */
export type StreamNames<Api> = {
  [Name in keyof Api]: Api[Name] extends AnyMethod
    ? IsStreaming<Api[Name]> extends true
      ? Name
      : never
    : never;
}[keyof Api] &
  string;

/** A function that a method returned: it returns a promise and can be released. */
type Received<Value> = Value extends AnyMethod ? ReceivedFunction<Value> : Value;

type ReceivedFunction<Function_> = Function_ extends (...args: infer Args) => infer Result
  ? ((...args: Args) => Promise<Received<Awaited<Result>>>) & Disposable
  : never;

/**
 * A method as its callers see it. A method that is async already keeps its signature, with its type
 * parameters and overloads, unless its result is a function.
 */
type RemoteMethod<Method> = Method extends (...args: infer Args) => never
  ? (...args: Args) => Promise<never>
  : Method extends (...args: never[]) => Promise<infer Result>
    ? [Extract<Result, AnyMethod>] extends [never]
      ? Method
      : AnsweringMethod<Method>
    : AnsweringMethod<Method>;

type AnsweringMethod<Method> = Method extends (...args: infer Args) => infer Result
  ? Result extends AsyncIterable<infer Item> | Generator<infer Item>
    ? (...args: Args) => AsyncIterableIterator<Item>
    : (...args: Args) => Promise<Received<Awaited<Result>>>
  : never;

/**
 * The methods of these names. A mapped type over a type parameter of names, without an `as` clause,
 * keeps the documentation and the definition of each for editors.
 */
export type RemoteMap<Api, Names extends keyof Api> = {
  readonly [Name in Names]: RemoteMethod<Api[Name]>;
};

/**
 * An implementation on the other side: every method returns a promise, or an async iterator if it
 * streams. It is a plain object with exactly the contract's methods and `with`.
 */
export type Remote<Api> = RemoteMap<Api, CallNames<Api> | StreamNames<Api>> & {
  /** The same methods, called with a signal or a time limit. */
  with(options: CallOptions): Remote<Api>;
};

/**
 * Defines a contract. Every callable method of `Api` is named once, under `calls` or, when it gives
 * many results, under `streams`; the result has only these methods.
 *
 * @throws NEWEL_E_CONTRACT when a name is not allowed (`then` would make a remote look like a
 * promise, `constructor` is inherited, a name that starts with `_` is private by convention)
 */
export function defineContract<Api>(): <
  const Calls extends readonly CallNames<Api>[],
  const Streams extends readonly StreamNames<Api>[],
>(spec: {
  readonly name: string;
  readonly version: number;
  readonly calls: Calls;
  readonly streams: Streams;
}) => Contract<Pick<Api, Calls[number] | Streams[number]>> {
  return ({ name, version, calls, streams }) => {
    const names: string[] = [...calls, ...streams];
    for (const [index, method] of names.entries()) {
      const why = names.indexOf(method) < index ? "it stands there twice" : nameProblem(method);
      if (why !== undefined) throw newelError("NEWEL_E_CONTRACT", { method, why });
    }
    return Object.freeze({
      name,
      version,
      calls: Object.freeze([...calls]),
      streams: Object.freeze([...streams]),
    });
  };
}

const RESERVED: ReadonlySet<string> = new Set(["then", "catch", "finally", "with", "prototype"]);

/** The reason why a method cannot be exposed under this name. */
function nameProblem(name: string): string | undefined {
  if (RESERVED.has(name)) return "the name has a meaning of its own";
  if (name in Object.prototype) return "every object inherits one";
  if (name.startsWith("_")) return "a name that starts with _ is private";
  return undefined;
}

/**
 * The method table of an implementation, in the order of the contract.
 *
 * @throws NEWEL_E_CONTRACT when the implementation lacks a method
 */
export function methodTable<Api>(
  contract: Contract<Api>,
  implementation: Api,
): readonly ServedMethod[] {
  const methods = implementation as Readonly<Record<string, unknown>>;
  const entry =
    (kind: MethodKind) =>
    (name: string): ServedMethod => {
      const method = methods[name];
      if (typeof method !== "function")
        throw newelError("NEWEL_E_CONTRACT", { method: name, why: "the implementation has none" });
      return { name, kind, run: method as ServedMethod["run"], target: implementation };
    };
  return [...contract.calls.map(entry("call")), ...contract.streams.map(entry("stream"))];
}

/** The remote of the methods that the peer announced. */
export function makeRemote<Api>(
  caller: Caller,
  contract: Contract<Api>,
  table: NonNullable<Hello["serves"]>["methods"],
): Remote<Api> {
  const targets = [...contract.calls, ...contract.streams].map((name): Target => {
    // An older peer may lack a method: only a call of that method fails, with its name in the
    // error.
    return { name, method: table.findIndex(([served]) => served === name) };
  });
  const build = (options?: CallOptions): Remote<Api> => {
    const remote = Object.create(null) as Record<string, unknown>;
    for (const target of targets) {
      const isStream = contract.streams.includes(target.name);
      if (target.method < 0) remote[target.name] = missing(target.name, isStream);
      else if (isStream)
        remote[target.name] = (...args: unknown[]) => caller.stream(target, args, options);
      else remote[target.name] = (...args: unknown[]) => caller.call(target, args, options);
    }
    remote["with"] = (more: CallOptions) => build({ ...options, ...more });
    return Object.freeze(remote) as Remote<Api>;
  };
  return build();
}

/** The methods that a peer serves, called by name. */
export interface Methods {
  /** @throws NEWEL_E_NO_METHOD when the peer serves no method of that name */
  call(name: string, args: readonly unknown[], options?: CallOptions): Promise<unknown>;
  /** @throws NEWEL_E_NO_METHOD when the peer serves no method of that name */
  stream(
    name: string,
    args: readonly unknown[],
    options?: CallOptions,
  ): AsyncIterableIterator<unknown>;
}

/** The methods of a peer by their names. */
export function namedMethods(
  caller: Caller,
  table: NonNullable<Hello["serves"]>["methods"],
): Methods {
  const targets = new Map(
    table.map(([name], method): [string, Target] => [name, { name, method }]),
  );
  return {
    call(name, args, options) {
      const target = targets.get(name);
      if (target !== undefined) return caller.call(target, args, options);
      return Promise.reject(newelError("NEWEL_E_NO_METHOD", { method: name }));
    },
    stream(name, args, options) {
      const target = targets.get(name);
      if (target !== undefined) return caller.stream(target, args, options);
      throw newelError("NEWEL_E_NO_METHOD", { method: name });
    },
  };
}

/** A method that the peer's version of the contract lacks. */
function missing(method: string, isStream: boolean): () => unknown {
  const error = (): Error => newelError("NEWEL_E_NO_METHOD", { method });
  if (!isStream) return () => Promise.reject(error());
  return () => {
    throw error();
  };
}
