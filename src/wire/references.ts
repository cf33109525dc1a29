import { newelError } from "../base/errors.ts";
import { frameError } from "./frames.ts";
import type { References } from "./tagged.ts";

type Callback = (...args: never[]) => unknown;

/** A function of the peer: it returns a promise, and `dispose` lets the peer drop it. */
export type RemoteFunction = ((...args: unknown[]) => Promise<unknown>) & Disposable;

interface Held {
  readonly callback: Callback;
  /** The number of times it was sent; the peer returns each count. */
  sent: number;
}

interface Received {
  readonly id: number;
  readonly proxy: WeakRef<RemoteFunction>;
  count: number;
  isReleased: boolean;
}

export interface ReferenceWork {
  /** Calls a function that the peer holds for this side. */
  readonly call: (id: number, args: readonly unknown[]) => Promise<unknown>;
  readonly release: (id: number, count: number) => void;
}

/**
 * Functions that cross by reference, in both directions. The holder keeps a function for as long as
 * the peer has it: both sides count how often it crossed, and the count is returned when the peer's
 * proxy is disposed of or collected, so that a function that is being sent again at that moment is
 * not lost. The end of the connection releases all functions.
 */
export class ReferenceTable implements References {
  readonly #limit: number;
  /** The number of functions that the peer accepts; set by its HELLO. */
  peerLimit: number;
  readonly #work: ReferenceWork;
  readonly #held = new Map<number, Held>();
  readonly #ids = new Map<Callback, number>();
  readonly #received = new Map<number, Received>();
  readonly #collected = new FinalizationRegistry<Received>((entry) => this.#giveBack(entry));
  #nextId = 1;
  #uncommitted: number[] = [];

  constructor(limit: number, work: ReferenceWork) {
    this.#limit = limit;
    this.peerLimit = limit;
    this.#work = work;
  }

  /** Functions kept for the peer. */
  get heldCount(): number {
    return this.#held.size;
  }

  hold(callback: Callback): number {
    let id = this.#ids.get(callback);
    if (id === undefined) {
      const limit = Math.min(this.#limit, this.peerLimit);
      if (this.#held.size >= limit)
        throw newelError("NEWEL_E_LIMIT", {
          what: "the number of functions a peer holds",
          limit,
          unit: "functions",
        });
      id = this.#nextId;
      this.#nextId += 1;
      this.#ids.set(callback, id);
      this.#held.set(id, { callback, sent: 0 });
    }
    const held = this.#held.get(id);
    if (held !== undefined) held.sent += 1;
    this.#uncommitted.push(id);
    return id;
  }

  /** The functions held since the last commit have been sent. */
  commit(): void {
    if (this.#uncommitted.length > 0) this.#uncommitted = [];
  }

  /** The functions held since the last commit were not sent. */
  rollBack(): void {
    const ids = this.#uncommitted;
    this.#uncommitted = [];
    for (const id of ids) this.release(id, 1);
  }

  /** The function with this number. */
  held(id: number): Callback | undefined {
    return this.#held.get(id)?.callback;
  }

  /** The peer releases a function. */
  release(id: number, count: number): void {
    const held = this.#held.get(id);
    if (held === undefined) return;
    held.sent -= count;
    if (held.sent > 0) return;
    this.#held.delete(id);
    this.#ids.delete(held.callback);
  }

  receive(id: number): RemoteFunction {
    const known = this.#received.get(id);
    const existing = known?.isReleased === true ? undefined : known?.proxy.deref();
    if (known !== undefined && existing !== undefined) {
      known.count += 1;
      return existing;
    }
    if (this.#received.size >= this.#limit)
      throw frameError(`more than ${this.#limit} functions by reference`);
    const proxy: RemoteFunction = Object.assign(
      (...args: unknown[]) =>
        entry.isReleased
          ? Promise.reject(newelError("NEWEL_E_NO_METHOD", { method: "(a function given back)" }))
          : this.#work.call(id, args),
      { [Symbol.dispose]: () => this.#giveBack(entry) },
    );
    const entry: Received = { id, proxy: new WeakRef(proxy), count: 1, isReleased: false };
    this.#received.set(id, entry);
    this.#collected.register(proxy, entry);
    return proxy;
  }

  #giveBack(entry: Received): void {
    if (entry.isReleased) return;
    entry.isReleased = true;
    // The same function may have arrived again since then, with a new count.
    if (this.#received.get(entry.id) === entry) this.#received.delete(entry.id);
    this.#work.release(entry.id, entry.count);
  }

  /** The connection ended: no function is held for the peer any more. */
  clear(): void {
    this.#held.clear();
    this.#ids.clear();
    this.#received.clear();
  }
}
