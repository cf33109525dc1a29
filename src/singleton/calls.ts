import { randomUUID } from "node:crypto";

import { hasCode, isNewelError, newelError } from "../base/errors.ts";
import type { CallOptions } from "../wire/contract.ts";
import { connectionFailure } from "../wire/link.ts";
import type { SingletonCallOptions } from "./api.ts";
import { describeOwner, type Attachment } from "./attachment.ts";
import { FIELD, FIELD_STREAM } from "./control.ts";
import type { Member } from "./member.ts";
import type { Ticket } from "./replies.ts";

/**
 * An idempotent call whose owners keep ending during it is made this many times, then it rejects.
 */
const MAX_ATTEMPTS = 3;

/**
 * The calls of one process to one singleton, independent of the current owner. A call that was not
 * made, because there is no owner or the owner is handing over, waits for the next owner. A call
 * whose answer did not arrive may have run: it fails with NEWEL_E_OWNER_LOST, or is repeated if the
 * method is idempotent.
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
    if (at?.turns?.isInside === true) return Promise.reject(this.#wouldWaitForItself(method));
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
        throw this.#rejection(error, method, args, at);
      },
    );
  }

  /** The path of a call that may need more than one owner. */
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
    let lost = 0;
    this.#member.begin();
    try {
      for (;;) {
        const at = await limits.while(this.#member.attached(last));
        const isIdempotent = at.idempotent.has(method);
        const given = isIdempotent ? [this.#ticket(ticket, key), ...args] : args;
        try {
          return await at.connection.methods.call(method, given, limits.left());
        } catch (error) {
          if (connectionFailure(error) !== "not made") lost += 1;
          // A call that ends each of its owners must not end them all.
          if (!mayBeMadeAgain(error, isIdempotent) || lost >= MAX_ATTEMPTS)
            throw this.#rejection(error, method, args, at);
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
    const open = (at: Attachment): Opened => {
      try {
        return { at, items: at.connection.methods.stream(method, args, options) };
      } catch (error) {
        throw this.#rejection(error, method, args, at);
      }
    };
    const at = this.#member.current;
    const first =
      at === undefined
        ? this.#member.attached().then(open)
        : new Promise<Opened>((resolve) => resolve(open(at)));
    // A caller that never reads the stream is not informed of the failure either.
    first.catch(() => undefined);
    return this.#read(first, open, method, args);
  }

  async *#read(
    first: Promise<Opened>,
    open: (at: Attachment) => Opened,
    method: string,
    args: readonly unknown[],
  ): AsyncGenerator<unknown, void> {
    this.#member.begin();
    try {
      for (let opened = await first; ; opened = open(await this.#member.attached(opened.at))) {
        try {
          yield* opened.items;
          return;
        } catch (error) {
          // The owner was about to release its ownership, and did not begin.
          if (connectionFailure(error) !== "not made")
            throw this.#rejection(error, method, args, opened.at);
        }
      }
    } finally {
      this.#member.end();
    }
  }

  #wouldWaitForItself(method: string): Error {
    const why = `its calls run one at a time, and one of them called ${method}, which would wait for it; call the method of the instance itself`;
    return newelError("NEWEL_E_SINGLETON", { name: this.#member.options.identity.id, why });
  }

  #take(): number {
    this.#number += 1;
    this.#unanswered.add(this.#number);
    return this.#number;
  }

  /** The same at every attempt, except for the lowest unanswered number, which advances. */
  #ticket(lazy: LazyTicket, key: string | undefined): Ticket {
    if (key !== undefined) return key;
    const number = lazy.number();
    const [first = number] = this.#unanswered;
    return [this.#caller, number, first];
  }

  /** The error that a call rejects with. */
  #rejection(error: unknown, name: string, args: readonly unknown[], at: Attachment): unknown {
    const { id } = this.#member.options.identity;
    const method = name === FIELD || name === FIELD_STREAM ? String(args[0]) : name;
    if (isMissing(error, name, at))
      return newelError("NEWEL_E_OWNER_LACKS", {
        name: id,
        method,
        owner: describeOwner(at.owner),
      });
    if (connectionFailure(error) === undefined) return error;
    const cause = error instanceof Error ? error.cause : undefined;
    if (isNewelError(cause) && cause.code === "NEWEL_E_DEADLINE") {
      const limitMs = Number(cause.data["limitMs"]);
      return newelError("NEWEL_E_OWNER_SILENT", { name: id, method, limitMs }, error);
    }
    if (connectionFailure(error) !== "not answered") return error;
    return newelError("NEWEL_E_OWNER_LOST", { name: id, method }, error);
  }
}

/** Whether the owner lacks the method, in contrast to a method that itself throws such an error. */
function isMissing(error: unknown, method: string, { shape }: Attachment): boolean {
  if (!hasCode(error, "NEWEL_E_NO_METHOD")) return false;
  return method === FIELD || !(shape.calls.includes(method) || shape.streams.includes(method))
    ? true
    : isNewelError(error) && error.data["method"] === method;
}

interface Opened {
  readonly at: Attachment;
  readonly items: AsyncIterableIterator<unknown>;
}

function mayBeMadeAgain(error: unknown, isIdempotent: boolean): boolean {
  const failure = connectionFailure(error);
  if (failure === "not made") return true;
  // The changes that a former owner made were not saved.
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

  /** The time that is left for the next attempt. */
  left(): CallOptions | undefined {
    if (this.#signal === undefined && this.#timeoutMs === undefined) return undefined;
    return {
      ...(this.#signal === undefined ? {} : { signal: this.#signal }),
      ...(this.#timeoutMs === undefined
        ? {}
        : { timeoutMs: Math.max(1, this.#until - performance.now()) }),
    };
  }

  /** Waits for an owner, at most for the time that the call may take. */
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
