import { randomUUID } from "node:crypto";

import { hasCode, newelError } from "../base/errors.ts";
import type { CallOptions } from "../wire/contract.ts";
import { connectionFailure } from "../wire/link.ts";
import type { SingletonCallOptions } from "./api.ts";
import type { Attachment } from "./attachment.ts";
import type { Member } from "./member.ts";
import type { Ticket } from "./replies.ts";

/**
 * The calls of one process to one singleton, whoever owns it. A call that was not made, because
 * there is no owner or the owner is handing over, waits for the next one. A call whose answer did not come
 * may have run: it fails with NEWEL_E_OWNER_LOST, or is made again where the method is idempotent.
 */
export class Calls {
  readonly #member: Member;
  readonly #caller = randomUUID();
  #number = 0;
  /** Numbers of idempotent calls that have no answer yet, in order. */
  readonly #unanswered = new Set<number>();

  constructor(member: Member) {
    this.#member = member;
  }

  call(method: string, args: readonly unknown[], options?: SingletonCallOptions): Promise<unknown> {
    const at = this.#member.current;
    if (at === undefined || options !== undefined || at.idempotent.has(method))
      return this.#patiently(method, args, options ?? {});
    this.#member.begin();
    return at.connection.methods.call(method, args).then(
      (value) => {
        this.#member.end();
        return value;
      },
      (error: unknown) => {
        this.#member.end();
        if (connectionFailure(error) === "not made") return this.#patiently(method, args, {}, at);
        throw this.#told(error, method);
      },
    );
  }

  /** The way of a call that may need more than one owner. */
  async #patiently(
    method: string,
    args: readonly unknown[],
    options: SingletonCallOptions,
    failed?: Attachment,
  ): Promise<unknown> {
    const { key, ...each } = options;
    const limits = new Limits(method, each);
    const ticket = new LazyTicket(() => this.#take());
    let last = failed;
    this.#member.begin();
    try {
      for (;;) {
        const at = await limits.while(this.#member.attached(last));
        const isIdempotent = at.idempotent.has(method);
        const given = isIdempotent ? [this.#ticket(ticket, key), ...args] : args;
        try {
          return await at.connection.methods.call(method, given, limits.left());
        } catch (error) {
          if (!mayBeMadeAgain(error, isIdempotent)) throw this.#told(error, method);
          last = at;
        }
      }
    } finally {
      limits.end();
      if (ticket.taken !== undefined) this.#unanswered.delete(ticket.taken);
      this.#member.end();
    }
  }

  /** A stream begins now, or when there is an owner; it ends with its owner. */
  stream(
    method: string,
    args: readonly unknown[],
    options?: SingletonCallOptions,
  ): AsyncIterableIterator<unknown> {
    const open = (at: Attachment): Opened => ({
      at,
      items: at.connection.methods.stream(method, args, options),
    });
    const at = this.#member.current;
    const first = at === undefined ? this.#member.attached().then(open) : Promise.resolve(open(at));
    // Who never reads it does not hear of it either.
    first.catch(() => undefined);
    return this.#read(first, open, method);
  }

  async *#read(
    first: Promise<Opened>,
    open: (at: Attachment) => Opened,
    method: string,
  ): AsyncGenerator<unknown, void> {
    this.#member.begin();
    try {
      for (let opened = await first; ; opened = open(await this.#member.attached(opened.at))) {
        try {
          yield* opened.items;
          return;
        } catch (error) {
          // Its owner was about to give up, and did not begin.
          if (connectionFailure(error) !== "not made") throw this.#told(error, method);
        }
      }
    } finally {
      this.#member.end();
    }
  }

  #take(): number {
    this.#number += 1;
    this.#unanswered.add(this.#number);
    return this.#number;
  }

  /** The same at every attempt but for the first number without an answer, which moves on. */
  #ticket(lazy: LazyTicket, key: string | undefined): Ticket {
    if (key !== undefined) return key;
    const number = lazy.number();
    const [first = number] = this.#unanswered;
    return [this.#caller, number, first];
  }

  #told(error: unknown, method: string): unknown {
    if (connectionFailure(error) !== "not answered") return error;
    const { id } = this.#member.options.identity;
    return newelError("NEWEL_E_OWNER_LOST", { name: id, method }, error);
  }
}

interface Opened {
  readonly at: Attachment;
  readonly items: AsyncIterableIterator<unknown>;
}

function mayBeMadeAgain(error: unknown, isIdempotent: boolean): boolean {
  const failure = connectionFailure(error);
  if (failure === "not made") return true;
  // What a former owner did was not kept.
  return isIdempotent && (failure === "not answered" || hasCode(error, "NEWEL_E_SUPERSEDED"));
}

/** A number that is taken once it is needed. */
class LazyTicket {
  taken: number | undefined;
  readonly #take: () => number;

  constructor(take: () => number) {
    this.#take = take;
  }

  number(): number {
    this.taken ??= this.#take();
    return this.taken;
  }
}

/** The time limit and the signal of a call, over all its attempts. */
class Limits {
  readonly #method: string;
  readonly #signal: AbortSignal | undefined;
  readonly #timeoutMs: number | undefined;
  readonly #until: number;
  readonly #ends: (() => void)[] = [];

  constructor(method: string, { signal, timeoutMs }: CallOptions) {
    this.#method = method;
    this.#signal = signal;
    this.#timeoutMs = timeoutMs;
    this.#until = performance.now() + (timeoutMs ?? 0);
  }

  /** What is left for the next attempt. */
  left(): CallOptions | undefined {
    if (this.#signal === undefined && this.#timeoutMs === undefined) return undefined;
    return {
      ...(this.#signal === undefined ? {} : { signal: this.#signal }),
      ...(this.#timeoutMs === undefined
        ? {}
        : { timeoutMs: Math.max(1, this.#until - performance.now()) }),
    };
  }

  /** Waits for an owner no longer than the call may take. */
  while<T>(waiting: Promise<T>): Promise<T> {
    if (this.#signal === undefined && this.#timeoutMs === undefined) return waiting;
    waiting.catch(() => undefined);
    return new Promise((resolve, reject) => {
      this.#watch(reject);
      waiting.then(resolve, reject);
    });
  }

  #watch(reject: (error: Error) => void): void {
    const what = `The call of ${this.#method}`;
    const signal = this.#signal;
    if (signal !== undefined) {
      const abort = (): void => reject(newelError("NEWEL_E_CANCELLED", { what }, signal.reason));
      if (signal.aborted) abort();
      signal.addEventListener("abort", abort, { once: true });
      this.#ends.push(() => signal.removeEventListener("abort", abort));
    }
    if (this.#timeoutMs !== undefined) {
      const limitMs = this.#timeoutMs;
      const late = (): void => reject(newelError("NEWEL_E_DEADLINE", { what, limitMs }));
      const timer = setTimeout(late, Math.max(1, this.#until - performance.now()));
      this.#ends.push(() => clearTimeout(timer));
    }
  }

  end(): void {
    for (const end of this.#ends) end();
  }
}
