import { callContext } from "../wire/contract.ts";
import { runWithin } from "../wire/context.ts";
import { iteratorOf } from "../wire/outgoing-stream.ts";
import type { Hooks, Ownership } from "./api.ts";
import { INFO, RELEASE, type OwnerInfo } from "./control.ts";
import type { AnyApi, Tenure } from "./engines/engine.ts";
import type { Identity } from "./identity.ts";
import { makeUnder } from "./ownership.ts";
import { Rate } from "./rate.ts";
import { readTicket, Replies, type Ticket } from "./replies.ts";
import type { Shape } from "./shape.ts";
import { SavedState } from "./state.ts";

type Instance = Hooks & Partial<Disposable & AsyncDisposable>;
type Method = (...args: unknown[]) => unknown;

export interface HostOptions {
  readonly identity: Identity;
  readonly shape: Shape;
  /** Runs the constructor. */
  readonly make: () => object;
  /** Somebody asks the owner to give up. */
  readonly release: () => void;
}

/**
 * The instance in the process that owns it. What it serves is there before the instance is, and
 * waits for it: so the constructor can take as long as it likes, and nobody is turned away.
 */
export class Host {
  /** What the connections call. */
  readonly implementation: AnyApi;
  readonly #options: HostOptions;
  readonly #rate = new Rate();
  readonly #replies: Replies;
  readonly #ready = Promise.withResolvers<Instance>();
  readonly #ended = new AbortController();
  #instance: Instance | undefined;
  #state: SavedState | undefined;
  #tenure: Tenure | undefined;
  #lastCallMs = performance.now();

  constructor(options: HostOptions) {
    this.#options = options;
    this.#replies = new Replies(options.identity.id);
    this.implementation = this.#methods(options.shape);
    // Who waits for it learns of a failure; nobody may be waiting.
    this.#ready.promise.catch(() => undefined);
  }

  /**
   * Makes the instance: constructor, `restore`, `lateInit`. Only the winner calls this, and once.
   *
   * @throws what any of the three throws
   */
  async start(tenure: Tenure): Promise<void> {
    this.#tenure = tenure;
    const { identity, make } = this.#options;
    try {
      const ownership = this.#ownership(tenure);
      const instance: Instance = makeUnder(ownership, make);
      if (tenure.store !== undefined) {
        this.#state = new SavedState(identity.id, instance, tenure.store, this.#replies);
        await this.#state.restore(ownership);
      }
      await instance.lateInit?.(ownership);
      this.#instance = instance;
      this.#ready.resolve(instance);
    } catch (error) {
      this.#ready.reject(error);
      throw error;
    }
  }

  /** Milliseconds since the last call was made or answered; 0 while one runs. */
  get idleMs(): number {
    return performance.now() - this.#lastCallMs;
  }

  /**
   * Ends the instance; no call may run any more.
   *
   * @param isOwner - whether it may still save
   */
  async stop(isOwner: boolean): Promise<void> {
    const instance = this.#instance;
    try {
      if (isOwner) await this.#state?.commit();
    } finally {
      this.#ended.abort();
      if (instance?.[Symbol.asyncDispose] !== undefined) await instance[Symbol.asyncDispose]?.();
      else instance?.[Symbol.dispose]?.();
    }
  }

  #ownership({ epoch, lost }: Tenure): Ownership {
    const { name, key } = this.#options.identity;
    const signal = AbortSignal.any([lost, this.#ended.signal]);
    return { name, key, epoch, signal, save: async () => this.#state?.commit() };
  }

  #methods({ calls, streams, idempotent }: Shape): AnyApi {
    const again = new Set(idempotent);
    const methods: AnyApi = {
      [INFO]: () => this.#info(),
      [RELEASE]: () => this.#options.release(),
    };
    for (const name of calls)
      methods[name] = again.has(name)
        ? (ticket, ...args) => this.#once(name, readTicket(ticket, name), args)
        : (...args) => this.#call(name, args);
    for (const name of streams) methods[name] = (...args) => this.#stream(name, args);
    return methods;
  }

  #call(name: string, args: unknown[]): unknown {
    const instance = this.#instance;
    if (instance === undefined) return this.#later(() => this.#call(name, args));
    this.#count();
    const result = Reflect.apply(methodOf(instance, name), instance, args);
    return this.#state === undefined ? result : this.#keep(result);
  }

  /** Nobody hears of a change that is not kept, also of one that a method made before it failed. */
  async #keep(result: unknown): Promise<unknown> {
    try {
      return await result;
    } finally {
      await this.#state?.commit();
    }
  }

  #once(name: string, ticket: Ticket, args: unknown[]): unknown {
    const instance = this.#instance;
    if (instance === undefined) return this.#later(() => this.#once(name, ticket, args));
    this.#count();
    const run = (): unknown => Reflect.apply(methodOf(instance, name), instance, args);
    return this.#replies.once(ticket, run, async () => this.#state?.commit());
  }

  async *#stream(name: string, args: unknown[]): AsyncGenerator<unknown, void> {
    const context = callContext();
    const instance = this.#instance ?? (await this.#ready.promise);
    this.#count();
    const open = (): unknown => Reflect.apply(methodOf(instance, name), instance, args);
    const iterator = iteratorOf(runWithin(context, open, undefined, []), name);
    try {
      for (;;) {
        // Each step within the context, as the method would have it without this one around it.
        const { done, value } = await runWithin(context, () => iterator.next(), undefined, []);
        if (done === true) break;
        yield value;
      }
    } finally {
      await iterator.return?.();
    }
    await this.#state?.commit();
  }

  /** The call came while the instance is being made. */
  async #later(call: () => unknown): Promise<unknown> {
    const context = callContext();
    await this.#ready.promise;
    return runWithin(context, call, undefined, []);
  }

  #count(): void {
    this.#rate.count();
    this.#lastCallMs = performance.now();
  }

  async #info(): Promise<OwnerInfo> {
    await this.#ready.promise;
    const { identity, shape } = this.#options;
    const { epoch = 0, sinceMs = 0, server } = this.#tenure ?? {};
    return {
      name: identity.name,
      ...(identity.key === undefined ? {} : { key: identity.key }),
      pid: process.pid,
      epoch,
      sinceMs,
      calls: this.#rate.total,
      callsPerSecond: this.#rate.perSecond,
      connections: server?.connections ?? 0,
      shape,
    };
  }
}

function methodOf(instance: object, name: string): Method {
  // The shape has only names of the class's own methods, and what it had then it has now.
  return (instance as Readonly<Record<string, Method>>)[name] as Method;
}
