import { Worker } from "node:worker_threads";

import { messageOf, newelError, revive } from "../../base/errors.ts";
import { programPath } from "../../base/modules.ts";
import type { StoreOptions } from "./connection.ts";
import type { CallMessage, ThreadData, ToMain, ToThread, UpkeepKind } from "./messages.ts";
import { acceptOffer, offerPlaces } from "./offers.ts";
import type { EventEntry } from "./operations/events.ts";
import type { Taken, Taker } from "./operations/take.ts";
import type { Arguments, OperationName, Result } from "./operations.ts";
import type { OfferWake, Wait, Wake } from "./waits.ts";

interface Call {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** Waiting for something in a queue; ended by what it waits for, its time, or `cancel`. */
export interface Waiting<T> {
  readonly done: Promise<T | undefined>;
  cancel(): void;
}

/** A job that was taken for a worker while it waited. */
export interface OfferedJob {
  /** Makes it the worker's. @returns `undefined` when it came too late and the job went back */
  accept(token: string): Promise<Taken>;
  /** Lets it go back. */
  decline(): void;
}

const clients = new Map<string, StoreClient>();

/**
 * The main thread's end of a store thread. All queues and workers of a process on the same file share one:
 * what they ask within a turn of the loop travels as one message and becomes one transaction.
 */
export class StoreClient {
  readonly #options: StoreOptions;
  readonly #key: string;
  readonly #places = offerPlaces();
  #users = 0;
  #thread: Worker | undefined;
  #ending: Promise<void> | undefined;
  #numbers = 0;
  readonly #calls = new Map<number, Call>();
  readonly #waits = new Map<number, (wake: Wake) => void>();
  #message: { -readonly [Key in keyof ToThread]: ToThread[Key] } | undefined;
  #outbox: CallMessage[] = [];
  #guarding = false;

  private constructor(options: StoreOptions, key: string) {
    this.#options = options;
    this.#key = key;
  }

  /** The client for a file, one more user of it. */
  static acquire(options: StoreOptions): StoreClient {
    const key = JSON.stringify(options);
    const client = clients.get(key) ?? new StoreClient(options, key);
    clients.set(key, client);
    client.#users += 1;
    return client;
  }

  /** One user less; with the last one the file is closed, after all that was asked is answered. */
  async release(): Promise<void> {
    this.#users -= 1;
    if (this.#users > 0) return;
    clients.delete(this.#key);
    await this.#end();
  }

  /** Asks for an operation of the table. */
  call<Name extends OperationName>(
    operation: Name,
    queue: string,
    ...args: Arguments<Name>
  ): Promise<Result<Name>> {
    return this.#ask((number) => {
      this.#batch();
      this.#outbox.push([number, operation, queue, args]);
    }) as Promise<Result<Name>>;
  }

  /** Asks for work on the whole file. */
  upkeep(kind: UpkeepKind, argument = ""): Promise<unknown> {
    return this.#ask((number) => {
      const batch = this.#batch();
      batch.upkeep = [...(batch.upkeep ?? []), [number, kind, argument]];
    });
  }

  /** Looks after processes that die, from now on. */
  guard(): void {
    this.#guarding = true;
    if (this.#users > 0 && this.#thread !== undefined) this.#batch().guard = true;
  }

  /** Waits until a job may be there to take, or was taken for `taker`, at most `limitMs`. */
  waitForJob(queue: string, limitMs: number, taker: Taker | null): Waiting<OfferedJob | true> {
    return this.#wait<OfferedJob | true>({ queue, after: null, taker }, limitMs, (wake, timer) => {
      if ("offer" in wake) return this.#offered(wake);
      if (!("dueAt" in wake)) return undefined;
      const inMs = wake.dueAt - Date.now();
      if (wake.dueAt === 0 || inMs <= 0) return true;
      timer.soonerBy(inMs);
      return undefined;
    });
  }

  #offered({ queue, offer }: OfferWake): OfferedJob {
    return {
      accept: async (token) => {
        if (!(await acceptOffer(this.#places, offer))) return undefined;
        // Should this fail, so does what the worker does next with the job.
        this.call("adoptJob", queue, offer.id, offer.token, token).catch(() => undefined);
        return { job: offer.job };
      },
      decline: () => {
        const batch = this.#batch();
        batch.declines = [...(batch.declines ?? []), offer.place];
      },
    };
  }

  /** Waits for events after an id, at most `limitMs`. */
  waitForEvents(queue: string, after: string, limitMs: number): Waiting<EventEntry[]> {
    return this.#wait<EventEntry[]>({ queue, after, taker: null }, limitMs, (wake) =>
      "events" in wake ? wake.events : [],
    );
  }

  #wait<T>(
    what: Omit<Wait, "number">,
    limitMs: number,
    onWake: (wake: Wake, timer: { soonerBy(ms: number): void }) => T | undefined,
  ): Waiting<T> {
    const number = this.#nextNumber();
    const { promise, resolve } = Promise.withResolvers<T | undefined>();
    const end = (value: T | undefined): void => {
      clearTimeout(timer);
      if (!this.#waits.delete(number)) return;
      resolve(value);
      if (value !== undefined || this.#thread === undefined) return;
      const batch = this.#batch();
      batch.cancels = [...(batch.cancels ?? []), number];
    };
    const endsAt = Date.now() + limitMs;
    let timer = setTimeout(() => end(undefined), limitMs);
    const soonerBy = (ms: number): void => {
      clearTimeout(timer);
      timer = setTimeout(() => end(undefined), Math.min(ms, Math.max(0, endsAt - Date.now())));
    };
    this.#waits.set(number, (wake) => {
      const value = onWake(wake, { soonerBy });
      if (value !== undefined) end(value);
    });
    const batch = this.#batch();
    batch.waits = [...(batch.waits ?? []), { ...what, number }];
    return { done: promise, cancel: () => end(undefined) };
  }

  #ask(put: (number: number) => void): Promise<unknown> {
    if (this.#users <= 0)
      return Promise.reject(
        newelError("NEWEL_E_CLOSED", { peer: this.#options.path, why: "it was closed" }),
      );
    const number = this.#nextNumber();
    return new Promise((resolve, reject) => {
      this.#calls.set(number, { resolve, reject });
      put(number);
    });
  }

  #nextNumber(): number {
    this.#numbers += 1;
    return this.#numbers;
  }

  /** What is sent when this turn of the loop is over. */
  #batch(): { -readonly [Key in keyof ToThread]: ToThread[Key] } {
    if (this.#message === undefined) {
      this.#message = { now: 0, calls: [] };
      setImmediate(() => this.#flush());
    }
    return this.#message;
  }

  #flush(): void {
    if (this.#message === undefined) return;
    const message: ToThread = { ...this.#message, now: Date.now(), calls: this.#outbox };
    this.#message = undefined;
    this.#outbox = [];
    this.#started().postMessage(message);
  }

  #started(): Worker {
    if (this.#thread !== undefined) return this.#thread;
    const thread = new Worker(programPath("jobs/sqlite/store-thread"), {
      workerData: { options: this.#options, places: this.#places } satisfies ThreadData,
      name: "newel jobs",
    });
    thread.on("message", (message: ToMain) => this.#receive(message));
    thread.on("error", (error) => this.#lost(thread, error));
    thread.on("exit", () => this.#lost(thread, undefined));
    this.#thread = thread;
    if (this.#guarding) this.#batch().guard = true;
    return thread;
  }

  #receive({ replies = [], wakes = [], ping }: ToMain): void {
    // What the last answers led to is on its way while these are read.
    this.#flush();
    for (const [number, ok, value] of replies) {
      const call = this.#calls.get(number);
      this.#calls.delete(number);
      if (ok) call?.resolve(value);
      else call?.reject(revive(value as Record<string, unknown>));
    }
    for (const wake of wakes) {
      const told = this.#waits.get(wake.number);
      if (told !== undefined) told(wake);
      else if ("offer" in wake) this.#offered(wake).decline();
    }
    if (ping !== undefined) this.#batch().pong = ping;
  }

  /** The thread ended: what was asked of it will never be answered. The next call starts another. */
  #lost(thread: Worker, error: unknown): void {
    if (this.#thread !== thread) return;
    this.#thread = undefined;
    const what = `the store thread ended${error === undefined ? "" : `: ${messageOf(error)}`}`;
    for (const { reject } of this.#calls.values())
      reject(newelError("NEWEL_E_INTERNAL", { what }, error));
    this.#calls.clear();
    for (const [number, wake] of this.#waits) wake({ number, dueAt: 0 });
  }

  #end(): Promise<void> {
    this.#ending ??= new Promise((resolve) => {
      this.#batch().close = true;
      this.#flush();
      this.#thread?.once("exit", () => resolve());
      if (this.#thread === undefined) resolve();
    });
    return this.#ending;
  }
}
