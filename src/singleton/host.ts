import { hasCode, newelError } from "../base/errors.ts";
import { within } from "../base/timers.ts";
import { callContext } from "../wire/contract.ts";
import { runWithin } from "../wire/context.ts";
import { iteratorOf } from "../wire/outgoing-stream.ts";
import type { Hooks, Ownership } from "./api.ts";
import { FIELD, FIELD_STREAM, INFO, RELEASE, type OwnerInfo } from "./control.ts";
import type { AnyApi, Tenure } from "./engines/engine.ts";
import type { Identity } from "./identity.ts";
import { makeUnder } from "./ownership.ts";
import { Rate } from "./rate.ts";
import { readTicket, Replies, type Ticket } from "./replies.ts";
import { isSerial, shapeOfInstance, type Shape } from "./shape.ts";
import { SavedState } from "./state.ts";
import { Turns } from "./turns.ts";

type Instance = Hooks & Partial<Disposable & AsyncDisposable>;
type Method = (...args: unknown[]) => unknown;

export interface HostOptions {
  readonly identity: Identity;
  readonly shape: Shape;
  /** The class; missing in tests of the host alone. */
  readonly type: object;
  readonly argsDigest: string | undefined;
  /** Runs the constructor. */
  readonly make: () => object;
  /** Called when a client asks the owner to release its ownership. */
  readonly release: () => void;
}

/**
 * The instance in the process that owns it. The served methods exist before the instance does, and
 * wait for it: so the constructor may take long, and no client is rejected.
 */
export class Host {
  /** The methods that the connections call. */
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
  /** Set if calls run one at a time. */
  readonly turns: Turns | undefined;
  #shape: Shape;
  #step = "its constructor";

  constructor(options: HostOptions) {
    this.#options = options;
    this.#shape = options.shape;
    this.turns = isSerial(options.type) ? new Turns() : undefined;
    this.#replies = new Replies(options.identity.id);
    this.implementation = this.#methods(options.shape);
    // Waiting callers get the failure; without them it must not count as unhandled.
    this.#ready.promise.catch(() => undefined);
  }

  /** The running step of construction, for errors: `lateInit()`. */
  get step(): string {
    return this.#step;
  }

  /**
   * Makes the instance: constructor, `restore`, `lateInit`. Only the winner calls this, and only
   * once.
   *
   * @param limitMs - for all three together; a step that hangs is abandoned, and its ownership ends
   * @param given - aborts when this process leaves
   * @throws NEWEL_E_DEADLINE; NEWEL_E_CLOSED; the error of a step
   */
  async start(tenure: Tenure, limitMs: number, given: AbortSignal): Promise<void> {
    this.#tenure = tenure;
    const left = Promise.withResolvers<never>();
    left.promise.catch(() => undefined);
    const leave = (): void => {
      const { id } = this.#options.identity;
      left.reject(newelError("NEWEL_E_CLOSED", { peer: id, why: "this process has left it" }));
    };
    given.addEventListener("abort", leave, { once: true });
    const making = this.#make(tenure);
    // After a limit ended it, no code waits for its result any more.
    making.catch(() => undefined);
    try {
      const what = `Making ${this.#options.identity.id}`;
      const instance = await within(Promise.race([making, left.promise]), limitMs, what);
      this.#instance = instance;
      this.#ready.resolve(instance);
    } catch (error) {
      const isLate = hasCode(error, "NEWEL_E_DEADLINE");
      const what = `${this.#step} of ${this.#options.identity.id}`;
      const reason = isLate ? newelError("NEWEL_E_DEADLINE", { what, limitMs }, error) : error;
      this.#ready.reject(reason);
      throw reason;
    } finally {
      given.removeEventListener("abort", leave);
    }
  }

  async #make(tenure: Tenure): Promise<Instance> {
    const { identity, make, type, shape } = this.#options;
    const ownership = this.#ownership(tenure);
    const instance: Instance = makeUnder(ownership, make);
    this.#shape = shapeOfInstance(instance, type, shape);
    if (tenure.store !== undefined) {
      this.#step = "restore()";
      this.#state = new SavedState(identity, instance, tenure.store, this.#replies);
      await this.#state.restore(ownership);
    }
    this.#step = "lateInit()";
    await instance.lateInit?.(ownership);
    return instance;
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
    methods[FIELD] = (name, ...args) => this.#field(name, args);
    methods[FIELD_STREAM] = (name, ...args) => this.#fieldStream(name, args);
    return methods;
  }

  async #field(name: unknown, args: unknown[]): Promise<unknown> {
    const context = callContext();
    await this.#ready.promise;
    const field = this.#known(name, this.#shape.fields);
    return runWithin(context, () => this.#call(field, args), undefined, []);
  }

  async *#fieldStream(name: unknown, args: unknown[]): AsyncGenerator<unknown, void> {
    await this.#ready.promise;
    yield* this.#stream(this.#known(name, this.#shape.fieldStreams), args);
  }

  /** @throws NEWEL_E_NO_METHOD */
  #known(name: unknown, fields: readonly string[] | undefined): string {
    if (typeof name === "string" && fields?.includes(name) === true) return name;
    throw newelError("NEWEL_E_NO_METHOD", { method: String(name) });
  }

  #call(name: string, args: unknown[]): unknown {
    const instance = this.#instance;
    if (instance === undefined) return this.#later(() => this.#call(name, args));
    this.#count();
    const run = (): unknown => Reflect.apply(methodOf(instance, name), instance, args);
    const result = this.turns === undefined ? run() : this.turns.run(run);
    return this.#state === undefined ? result : this.#keep(result);
  }

  /**
   * A result is sent only after the change is saved, including the change of a method that failed
   * later.
   */
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
    const method = (): unknown => Reflect.apply(methodOf(instance, name), instance, args);
    const run = (): unknown => this.turns?.run(method) ?? method();
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
        // Each step runs within the context, as it would without this wrapper.
        const { done, value } = await runWithin(context, () => iterator.next(), undefined, []);
        if (done === true) break;
        yield value;
      }
    } finally {
      await iterator.return?.();
    }
    await this.#state?.commit();
  }

  /** The call arrived while the instance is being made. */
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
    const { identity, argsDigest } = this.#options;
    const { epoch = 0, sinceMs = 0, server } = this.#tenure ?? {};
    return {
      name: identity.name,
      ...(identity.key === undefined ? {} : { key: identity.key }),
      pid: process.pid,
      ...workingDirectory(),
      ...(identity.className === undefined ? {} : { className: identity.className }),
      ...(argsDigest === undefined ? {} : { argsDigest }),
      epoch,
      sinceMs,
      calls: this.#rate.total,
      callsPerSecond: this.#rate.perSecond,
      connections: server?.connections ?? 0,
      shape: this.#shape,
    };
  }
}

/** The directory may have been removed. */
function workingDirectory(): { readonly directory?: string } {
  try {
    return { directory: process.cwd() };
  } catch {
    return {};
  }
}

function methodOf(instance: object, name: string): Method {
  // The shape has only names of the class's own methods, and they do not change afterwards.
  return (instance as Readonly<Record<string, Method>>)[name] as Method;
}
