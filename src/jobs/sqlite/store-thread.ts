import {
  type MessagePort,
  parentPort,
  receiveMessageOnPort,
  workerData,
} from "node:worker_threads";

import { isNewelError, type NewelError } from "../../base/errors.ts";
import type { StoreOptions } from "./connection.ts";
import { openDatabase, SameFile } from "./database.ts";
import { needsReopening, storeError } from "./database-errors.ts";
import { inRead, promiseOf, type Outcome, type Request, runAlone, runGroup } from "./group.ts";
import { HeldLocks } from "./held-locks.ts";
import { LogSync } from "./log-sync.ts";
import { LogWatch } from "./log-watch.ts";
import type { ReplyMessage, ThreadData, ToMain, ToThread, UpkeepKind } from "./messages.ts";
import { Offers, type Standing } from "./offers.ts";
import { extendLock } from "./operations/locks.ts";
import { putBack } from "./operations/offer.ts";
import { Owners } from "./owners.ts";
import { Store } from "./store.ts";
import { upkeep } from "./upkeep.ts";
import { type OfferWake, Waits, type Wake } from "./waits.ts";

/** Looking for what the watch of the file did not tell. */
const POLL_MS = 200;
/** How soon a dead process is noticed. */
const OWNERS_MS = 60;
/** How often locks are looked at, and the share of a lock's time after which its renewal is late. */
const LOCKS_MS = 50;
const LATE = 0.5;
const TOO_LATE = 0.65;
/** How long a main thread may take to accept a job that was offered to it. */
const OFFER_MS = 100;
/** Fewer answers than these are not worth a second message. */
const HALVED = 6;

/** What belongs to the open file, and goes when it has to be opened again. */
interface Opened {
  readonly store: Store;
  readonly owners: Owners;
  readonly waits: Waits;
  readonly file: SameFile;
  readonly log: LogSync;
  readonly offers: Offers;
}

/** The thread that has the file: nothing of SQLite ever runs on the main one. */
class StoreThread {
  readonly #port: MessagePort;
  readonly #options: StoreOptions;
  readonly #places: Int32Array;
  readonly #locks = new HeldLocks();
  #opened: Opened | undefined;
  readonly #watch = new LogWatch({
    awaited: () => (this.#opened?.waits.size ?? 0) > 0,
    changed: () => this.#safely(({ store }) => store.isStale(), false),
    onChange: () => this.#tell(),
    serve: () => this.#serveOne(),
  });
  #guarding = false;
  #ping = 0;
  #answered = 0;
  /** An offer was not accepted in time, and nothing was heard of the main thread since. */
  #mainIsBusy = false;

  constructor(port: MessagePort, { options, places }: ThreadData) {
    this.#port = port;
    this.#options = options;
    this.#places = places;
  }

  /** Begins to take calls. */
  serve(): void {
    this.#port.on("message", (message: ToThread) => void this.#turn(message));
    setInterval(() => this.#poll(), POLL_MS);
    setInterval(() => this.#guardOwners(), OWNERS_MS);
    setInterval(() => {
      this.#guardLocks();
      this.#withdrawOffers(OFFER_MS);
    }, LOCKS_MS);
  }

  #serveOne(): boolean {
    const asked = receiveMessageOnPort(this.#port);
    if (asked !== undefined) void this.#turn(asked.message as ToThread);
    return asked !== undefined;
  }

  /** One turn: all that arrived is one transaction. */
  async #turn(first: ToThread): Promise<void> {
    const messages = [first];
    for (;;) {
      const more = receiveMessageOnPort(this.#port);
      if (more === undefined) break;
      messages.push(more.message);
    }
    const calls = messages.flatMap((message) =>
      message.calls.map(([number, operation, queue, args]) => ({
        number,
        request: { operation, queue, args, now: message.now },
      })),
    );
    this.#mainIsBusy = false;
    this.#endWaits(messages);
    const wakes: Wake[] = [];
    const requests = calls.map(({ request }) => request);
    const outcomes = requests.length === 0 ? [] : this.#run(requests, wakes);
    wakes.push(...this.#takeIn(messages));
    const replies = calls.map(({ number }, at) => reply(number, outcomes[at]));
    const promise = this.#options.synchronous === "full" ? promiseOf(requests) : "never";
    if (promise === "before") this.#sendOnDisk(replies, wakes);
    else if (replies.length > 0 || wakes.length > 0) this.#send({ replies, wakes });
    if (promise === "soon") this.#opened?.log.request((error) => error && this.#failed(error));
    for (const message of messages)
      for (const [number, kind, argument] of message.upkeep ?? [])
        await this.#upkeep(number, kind, argument);
    if (messages.some(({ close }) => close === true)) {
      // Not before all are answered who were promised the disk.
      if (this.#opened === undefined) this.#close();
      else this.#opened.log.whenIdle(() => this.#close());
    }
  }

  /** Who waits for a job is told at once; who was promised the disk, when it is there. */
  #sendOnDisk(replies: readonly ReplyMessage[], wakes: readonly Wake[]): void {
    if (wakes.length > 0) this.#send({ wakes });
    const { log } = this.#opened ?? {};
    // Nothing was committed: the store failed, and the replies say so.
    if (log === undefined) {
      this.#send({ replies });
      return;
    }
    log.request((error) => {
      if (error === null) this.#send({ replies });
      else {
        const failed = { error: this.#failed(error) };
        this.#send({ replies: replies.map(([number]) => reply(number, failed)) });
      }
    });
  }

  /**
   * Many answers go in two halves: while the main thread reads one, this one has the other's sequel. Not
   * when the disk is slow: each half would wait for a sync of its own.
   */
  #send({ replies = [], ...rest }: ToMain): void {
    const slow = this.#options.synchronous === "full" && this.#opened?.log.isFast === false;
    if (replies.length < HALVED || slow) this.#port.postMessage({ replies, ...rest });
    else {
      const middle = replies.length >> 1;
      this.#port.postMessage({ replies: replies.slice(0, middle), ...rest });
      this.#port.postMessage({ replies: replies.slice(middle) });
    }
  }

  /** @param wakes - gets the offers of jobs that now are there */
  #run(requests: readonly Request[], wakes: Wake[]): Outcome[] {
    try {
      const opened = this.#open();
      const { store, file, log } = opened;
      const outcomes = this.#offering(opened, wakes, (offer) =>
        runGroup(store, requests, () => {
          offer();
          file.assert();
          if (this.#options.synchronous === "full") log.makeRoom();
        }),
      );
      this.#locks.observe(requests, outcomes);
      this.#watch.wrote();
      return outcomes;
    } catch (error) {
      return requests.map(() => ({ error: this.#failed(error) }));
    }
  }

  /** Runs a transaction that can end with offers; they stand when it is committed. */
  #offering<T>({ waits, offers }: Opened, wakes: Wake[], run: (offer: () => void) => T): T {
    let offered: OfferWake[] = [];
    try {
      const result = run(() => {
        if (!this.#mainIsBusy) offered = waits.offer(offers);
      });
      for (const wake of offered) {
        waits.cancel(wake.number);
        offers.stands(wake.offer);
        const { queue, offer, taker } = wake;
        this.#locks.offered(queue, offer.id, { ...taker, token: offer.token });
      }
      wakes.push(...offered);
      return result;
    } catch (error) {
      for (const { offer } of offered) offers.forget(offer);
      throw error;
    }
  }

  #open(): Opened {
    if (this.#opened !== undefined) return this.#opened;
    const store = new Store(openDatabase(this.#options));
    try {
      const owners = new Owners(store, this.#options.path);
      owners.recover();
      const file = new SameFile(this.#options.path);
      const log = new LogSync(this.#options.path);
      const offers = new Offers(this.#places);
      this.#opened = { store, owners, waits: new Waits(store), file, log, offers };
      return this.#opened;
    } catch (error) {
      store.database.close();
      throw error;
    }
  }

  /** The store failed. What cannot go on is opened again by the next call. */
  #failed(error: unknown): NewelError {
    const coded = storeError(error, this.#options.path);
    if (this.#opened !== undefined && needsReopening(coded)) {
      const { store, owners, waits, log, offers } = this.#opened;
      this.#opened = undefined;
      // The jobs go back with all others that this opening of the file had.
      offers.withdrawLate(0);
      log.close();
      this.#watch.end();
      owners.abandon();
      // Whoever waits looks again, and learns of the error there.
      this.#send({ wakes: waits.all().map((number) => ({ number, dueAt: 0 })) });
      store.database.close();
    }
    return coded;
  }

  /** Before the calls: who asks for a job now gets the one that was offered to a wait that is over. */
  #endWaits(messages: readonly ToThread[]): void {
    const cancelled = messages.flatMap(({ cancels }) => cancels ?? []);
    const declined = messages.flatMap(({ declines }) => declines ?? []);
    if (this.#opened === undefined || cancelled.length + declined.length === 0) return;
    this.#safely((opened) => {
      const { waits, offers } = opened;
      for (const number of cancelled) waits.cancel(number);
      this.#putBack(opened, [...offers.withdrawFrom(cancelled), ...offers.declined(declined)]);
    }, undefined);
  }

  /** Notes who waits from now on, and finds who is to be told. */
  #takeIn(messages: readonly ToThread[]): Wake[] {
    for (const { pong, guard } of messages) {
      if (pong !== undefined) this.#answered = pong;
      if (guard === true) this.#guarding = true;
    }
    const over = new Set(messages.flatMap(({ cancels }) => cancels ?? []));
    const asked = messages
      .flatMap(({ waits }) => waits ?? [])
      .filter(({ number }) => !over.has(number));
    if (this.#opened === undefined && asked.length === 0) return [];
    return this.#safely(
      (opened) => {
        const { waits } = opened;
        for (const wait of asked) waits.add(wait);
        const fresh = new Set(asked.map(({ queue }) => queue));
        if (waits.size > 0) this.#watch.begin(this.#options.path);
        return this.#look(opened, fresh);
      },
      asked.map(({ number }) => ({ number, dueAt: 0 })),
    );
  }

  /** Who waits for queues that were touched, or that others wrote to since. */
  #look(opened: Opened, fresh: ReadonlySet<string>, all = false): Wake[] {
    const { store, waits } = opened;
    if (waits.size === 0) {
      for (const queue of store.queues()) queue.touched = false;
      return [];
    }
    const ready = inRead(store, () => {
      store.refresh();
      return waits.someReady();
    });
    const wakes: Wake[] = [];
    if (ready && !this.#mainIsBusy)
      this.#offering(opened, wakes, (offer) => runAlone(store, offer));
    return inRead(store, () => {
      store.refresh();
      const changed = store.takeNews() || all;
      wakes.push(...waits.check((queue) => changed || queue.touched || fresh.has(queue.name)));
      for (const queue of store.queues()) queue.touched = false;
      return wakes;
    });
  }

  /** Others may have the jobs that the main thread was too busy to accept. */
  #withdrawOffers(olderThanMs: number): void {
    if (this.#opened === undefined) return;
    const late = this.#opened.offers.withdrawLate(olderThanMs);
    if (late.length === 0) return;
    this.#mainIsBusy = true;
    this.#safely((opened) => this.#putBack(opened, late), undefined);
    this.#tell();
  }

  #putBack({ store }: Opened, standing: readonly Standing[]): void {
    if (standing.length === 0) return;
    runAlone(store, () => {
      // Each goes to the front, so the first one last.
      for (const { queue, offer } of standing.toReversed())
        putBack(store, store.queue(queue), offer.id, offer.token);
    });
    for (const { queue, offer } of standing) this.#locks.ended(queue, offer.id);
  }

  /** Runs something on the open file; if that fails, callers learn it at their next call. */
  #safely<T>(run: (opened: Opened) => T, otherwise: T): T {
    try {
      return run(this.#open());
    } catch (error) {
      this.#failed(error);
      return otherwise;
    }
  }

  #tell(all = false): void {
    const wakes = this.#safely((opened) => this.#look(opened, new Set(), all), []);
    if (wakes.length > 0) this.#send({ wakes });
  }

  #poll(): void {
    if (this.#opened === undefined) return;
    if (this.#opened.waits.size > 0) {
      this.#tell(true);
      return;
    }
    this.#watch.rest(POLL_MS);
  }

  #guardOwners(): void {
    if (!this.#guarding || this.#opened === undefined) return;
    const recovered = this.#safely(({ owners }) => owners.recover(), new Map());
    if (recovered.size > 0) this.#tell(true);
  }

  /** Renews locks for a main thread that is too busy to do it. */
  #guardLocks(): void {
    if (this.#locks.size === 0 || this.#opened === undefined) return;
    this.#locks.dropEnded();
    if (this.#locks.late(LATE).length === 0) return;
    const late = this.#locks.late(TOO_LATE);
    if (late.length > 0 && this.#answered < this.#ping)
      this.#safely(({ store }) => {
        runAlone(store, () => {
          for (const { queue, id, token, duration } of late)
            extendLock(store, store.queue(queue), id, token, duration);
        });
        for (const { queue, id } of late) this.#locks.renewed(queue, id, performance.now());
      }, undefined);
    if (this.#answered < this.#ping) return;
    this.#ping += 1;
    this.#send({ ping: this.#ping });
  }

  async #upkeep(number: number, kind: UpkeepKind, argument: string): Promise<void> {
    try {
      const { store } = this.#open();
      const value = await upkeep(store, kind, argument);
      this.#send({ replies: [[number, true, value]] });
    } catch (error) {
      this.#send({ replies: [reply(number, { error: this.#failed(error) })] });
    }
  }

  #close(): void {
    this.#watch.end();
    this.#withdrawOffers(0);
    try {
      this.#opened?.owners.leave();
      this.#opened?.log.close();
      this.#opened?.store.database.close();
    } finally {
      this.#send({ closed: true });
      process.exit(0);
    }
  }
}

function reply(number: number, outcome: Outcome | undefined): ReplyMessage {
  if (outcome === undefined) return [number, false, { message: "no outcome" }];
  if ("value" in outcome) return [number, true, outcome.value];
  const { error } = outcome;
  if (isNewelError(error)) return [number, false, error.toJSON()];
  return [number, false, storeError(error, "").toJSON()];
}

if (parentPort !== null) new StoreThread(parentPort, workerData as ThreadData).serve();
