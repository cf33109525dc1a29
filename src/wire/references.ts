import { newelError } from "../base/errors.ts";
import { frameError } from "./frames.ts";
import type { References } from "./tagged.ts";

type Callback = (...args: never[]) => unknown;

/** A function of the peer: it answers with a promise, and `dispose` lets the peer forget it. */
export type RemoteFunction = ((...args: unknown[]) => Promise<unknown>) & Disposable;

interface Held {
  readonly callback: Callback;
  /** How often it was sent; the peer gives each back. */
  sent: number;
}

interface Received {
  readonly id: number;
  readonly proxy: WeakRef<RemoteFunction>;
  count: number;
  isReleased: boolean;
}

export interface ReferenceWork {
  /** Calls a function that the peer holds for us. */
  readonly call: (id: number, args: readonly unknown[]) => Promise<unknown>;
  readonly release: (id: number, count: number) => void;
}

/**
 * Functions that cross by reference, in both directions. The holder keeps a function for as long as
 * the peer has it: both count how often it crossed, and the count is given back when the peer's
 * proxy is disposed of or collected, so that one that is on its way again is not lost. All are given
 * back when the connection ends.
 */
export class ReferenceTable implements References {
  readonly #limit: number;
  readonly #work: ReferenceWork;
  readonly #held = new Map<number, Held>();
  readonly #ids = new Map<Callback, number>();
  readonly #received = new Map<number, Received>();
  readonly #collected = new FinalizationRegistry<Received>((entry) => this.#giveBack(entry));
  #nextId = 1;
  #uncommitted: number[] = [];

  constructor(limit: number, work: ReferenceWork) {
    this.#limit = limit;
    this.#work = work;
  }

  /** Functions kept for the peer. */
  get heldCount(): number {
    return this.#held.size;
  }

  hold(callback: Callback): number {
    let id = this.#ids.get(callback);
    if (id === undefined) {
      if (this.#held.size >= this.#limit)
        throw newelError("NEWEL_E_LIMIT", {
          what: "the number of functions a peer holds",
          limit: this.#limit,
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

  /** What was held since the last commit has been sent. */
  commit(): void {
    if (this.#uncommitted.length > 0) this.#uncommitted = [];
  }

  /** What was held since the last commit never left. */
  rollBack(): void {
    const ids = this.#uncommitted;
    this.#uncommitted = [];
    for (const id of ids) this.release(id, 1);
  }

  /** The function with this number. */
  held(id: number): Callback | undefined {
    return this.#held.get(id)?.callback;
  }

  /** The peer gives a function back. */
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
    // The same function may have come again meanwhile, with a count of its own.
    if (this.#received.get(entry.id) === entry) this.#received.delete(entry.id);
    this.#work.release(entry.id, entry.count);
  }

  /** The connection ended: nothing is held for the peer any more. */
  clear(): void {
    this.#held.clear();
    this.#ids.clear();
    this.#received.clear();
  }
}
