import { readFileSync } from "node:fs";

import type { BackendFactory, IQueueBackend } from "bullmq";

/** The operations and options with which the behaviours made BullMQ call a store. */
export class Coverage {
  /** Members of `IQueueBackend` that were asked for. */
  readonly operations: Set<string> = new Set();
  /** Options of queues, workers, readers of events and flow producers. */
  readonly options: Set<string> = new Set();
  /** Options of jobs. */
  readonly jobOptions: Set<string> = new Set();

  /** The same factory, watched. */
  watch(factory: BackendFactory<IQueueBackend, never>): BackendFactory<IQueueBackend, never> {
    return (name, opts, more) => {
      for (const [option, value] of Object.entries(opts))
        if (value !== undefined) this.options.add(option);
      return this.#watched(factory(name, opts, more));
    };
  }

  #watched(backend: IQueueBackend): IQueueBackend {
    return new Proxy(backend, {
      get: (target, key) => {
        const value: unknown = Reflect.get(target, key, target);
        this.operations.add(String(key));
        if (typeof value !== "function") return value;
        return (...args: unknown[]): unknown => {
          this.#noteJobOptions(args);
          const result: unknown = Reflect.apply(value, target, args);
          return key === "forQueue" ? this.#watched(result as IQueueBackend) : result;
        };
      },
      set: (target, key, value) => Reflect.set(target, key, value, target),
    });
  }

  /** Jobs that are added come with their options, wherever they stand among the arguments. */
  #noteJobOptions(args: readonly unknown[]): void {
    for (const each of args.flat())
      if (typeof each === "object" && each !== null)
        for (const part of [each, ...Object.values(each)] as { opts?: unknown }[])
          if (typeof part?.opts === "object" && part.opts !== null)
            for (const option of Object.keys(part.opts)) this.jobOptions.add(option);
  }
}

const INTERFACES = new URL("../esm/interfaces/", import.meta.resolve("bullmq"));

/** The names that an interface of the installed BullMQ declares, without those it inherits. */
export function declaredIn(file: string, name: string): string[] {
  const text = readFileSync(new URL(`${file}.d.ts`, INTERFACES), "utf8");
  const begin = text.search(new RegExp(`export interface ${name}\\b`));
  if (begin === -1) throw new Error(`${file}.d.ts declares no ${name}`);
  const body = text.slice(begin, text.indexOf("\n}", begin));
  return [
    ...new Set([...body.matchAll(/^ {4}(?:readonly )?(\w+)[?]?[(:]/gm)].map((m) => m[1] ?? "")),
  ];
}
