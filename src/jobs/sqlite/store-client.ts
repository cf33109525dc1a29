import { Worker } from "node:worker_threads";

import { isNewelError, messageOf, newelError, revive } from "../../base/errors.ts";
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

/** A wait for a job or for events in a queue; it ends with them, at its time limit, or by `cancel`. */
export interface Waiting<T> {
  readonly done: Promise<T | undefined>;
  cancel(): void;
}

/** A job that was taken for a worker while it waited. */
export interface OfferedJob {
  /** Accepts the job for the worker. @returns `undefined` when it was too late and the job was requeued */
  accept(token: string): Promise<Taken>;
  /** Declines the job, which is then requeued. */
  decline(): void;
}

const clients = new Map<string, StoreClient>();

/**
 * The main thread's end of a store thread. All queues and workers of a process on the same file share one client:
 * their calls within a turn of the event loop are sent as one message and become one transaction.
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

  /** Returns the client for a file and counts one more user of it. */
  static acquire(options: StoreOptions): StoreClient {
    const key = JSON.stringify(options);
    const client = clients.get(key) ?? new StoreClient(options, key);
    clients.set(key, client);
    client.#users += 1;
    return client;
  }

  /** Counts one user less; with the last one the file is closed after all calls are answered. */
  async release(): Promise<void> {
    this.#users -= 1;
    if (this.#users > 0) return;
    clients.delete(this.#key);
    await this.#end();
  }

  /** Calls an operation of the table. */
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

  /** Runs a task on the whole file. */
  upkeep(kind: UpkeepKind, argument = ""): Promise<unknown> {
    return this.#ask((number) => {
      const batch = this.#batch();
      batch.upkeep = [...(batch.upkeep ?? []), [number, kind, argument]];
    });
  }

  /** Starts to check for dead processes. */
  guard(): void {
    this.#guarding = true;
    if (this.#users > 0 && this.#thread !== undefined) this.#batch().guard = true;
  }

  /** Waits until a job may be available, or was taken for `taker`, at most `limitMs`. */
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
        // If this fails, the worker's next call on the job fails too and reports it.
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
    const endsAt = performance.now() + limitMs;
    let timer = setTimeout(() => end(undefined), limitMs);
    const soonerBy = (ms: number): void => {
      clearTimeout(timer);
      timer = setTimeout(
        () => end(undefined),
        Math.min(ms, Math.max(0, endsAt - performance.now())),
      );
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

  /** The message that is sent when this turn of the event loop is over. */
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
    this.#post(message);
  }

  /**
   * Sends a message. An error rejects the calls that caused it, because an uncaught error here would end the process.
   */
  #post(message: ToThread): void {
    try {
      this.#started().postMessage(message);
    } catch (error) {
      const calls = message.calls.filter((call) => this.#canBeSent(call));
      if (calls.length < message.calls.length) this.#post({ ...message, calls });
      else this.#failAll(error);
    }
  }

  /** Whether the arguments of a call can be sent to the thread; if not, the call is rejected. */
  #canBeSent([number, operation, , args]: CallMessage): boolean {
    try {
      structuredClone(args);
      return true;
    } catch (error) {
      const what = `An argument of ${operation}`;
      this.#calls
        .get(number)
        ?.reject(newelError("NEWEL_E_STORE_ARGUMENT", { what, why: messageOf(error) }, error));
      this.#calls.delete(number);
      return false;
    }
  }

  #started(): Worker {
    if (this.#thread !== undefined) return this.#thread;
    const thread = new Worker(programPath("jobs/sqlite/store-thread"), {
      workerData: { options: this.#options, places: this.#places } satisfies ThreadData,
      name: "newel jobs",
      // A thread refuses some options of its process, such as those of `node -e`.
      execArgv: [],
    });
    thread.on("message", (message: ToMain) => this.#receive(message));
    thread.on("error", (error) => this.#lost(thread, error));
    thread.on("exit", () => this.#lost(thread, undefined));
    this.#thread = thread;
    if (this.#guarding) this.#batch().guard = true;
    return thread;
  }

  #receive({ replies = [], wakes = [], ping }: ToMain): void {
    // The calls that follow from the last answers are sent before these answers are read.
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

  /** The thread ended: its pending calls are rejected. The next call starts another thread. */
  #lost(thread: Worker, error: unknown): void {
    if (this.#thread !== thread) return;
    this.#thread = undefined;
    const what = `the store thread ended${error === undefined ? "" : `: ${messageOf(error)}`}`;
    this.#failAll(newelError("NEWEL_E_INTERNAL", { what }, error));
  }

  #failAll(error: unknown): void {
    const coded = isNewelError(error)
      ? error
      : newelError("NEWEL_E_INTERNAL", { what: messageOf(error) }, error);
    for (const { reject } of this.#calls.values()) reject(coded);
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
