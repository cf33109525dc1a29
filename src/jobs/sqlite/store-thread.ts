import { type MessagePort, parentPort, workerData } from "node:worker_threads";

import { isNewelError, type NewelError } from "../../base/errors.ts";
import type { StoreOptions } from "./connection.ts";
import { openDatabase, pageBytes, SameFile } from "./database.ts";
import { needsReopening, storeError } from "./database-errors.ts";
import { promiseOf, type Outcome, type Request, runAlone, runGroup, runIf } from "./group.ts";
import { Doorbell } from "./doorbell.ts";
import { HeldLocks } from "./held-locks.ts";
import { LogSync } from "./log-sync.ts";
import type { ReplyMessage, ThreadData, ToMain, ToThread, UpkeepKind } from "./messages.ts";
import { Offers, type Standing } from "./offers.ts";
import { extendLock } from "./operations/locks.ts";
import { putBack } from "./operations/offer.ts";
import { Owners } from "./owners.ts";
import { Store } from "./store.ts";
import { gatherTurn, type Turn } from "./turn.ts";
import { upkeep } from "./upkeep.ts";
import { type Offered, type Wait, Waits, type Wake } from "./waits.ts";

/** Looking for what the doorbell did not tell; and for what else may have been missed, every so many times. */
const POLL_MS = 200;
const POLLS_PER_LOOK = 5;
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
  readonly bell: Doorbell;
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
  #guarding = false;
  #guards: NodeJS.Timeout | undefined;
  #polls = 0;
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
  }

  /** While there are locks or offers. */
  #guard(): void {
    this.#guards ??= setInterval(() => {
      this.#guardLocks();
      this.#withdrawOffers(OFFER_MS);
      if (this.#locks.size > 0) return;
      clearInterval(this.#guards);
      this.#guards = undefined;
    }, LOCKS_MS);
  }

  /** One turn: all that arrived is one transaction. */
  async #turn(first: ToThread): Promise<void> {
    const turn = gatherTurn(first, this.#port);
    const { requests, numbers } = turn;
    this.#mainIsBusy = false;
    this.#endWaits(turn);
    const outcomes = requests.length === 0 ? [] : this.#run(requests);
    const wakes = this.#takeIn(turn);
    const replies = numbers.map((number, at) => reply(number, outcomes[at]));
    const promise = promiseOf(requests);
    const isFull = this.#options.synchronous === "full";
    if (isFull && promise === "before") this.#sendOnDisk(replies, wakes);
    else if (replies.length > 0 || wakes.length > 0) this.#send({ replies, wakes });
    if (promise !== "never") this.#opened?.log.written();
    if (!isFull && promise !== "never") this.#opened?.log.syncSoon();
    if (isFull && promise === "soon")
      this.#opened?.log.request((error) => error && this.#failed(error));
    for (const [number, kind, argument] of turn.upkeep) await this.#upkeep(number, kind, argument);
    if (turn.close) {
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

  #run(requests: readonly Request[]): Outcome[] {
    try {
      const opened = this.#open();
      const { store, file, log } = opened;
      const outcomes = this.#offering(opened, (offer) =>
        runGroup(store, requests, () => {
          offer();
          file.assert();
          log.makeRoom(true);
        }),
      );
      this.#locks.observe(requests, outcomes);
      if (this.#locks.size > 0) this.#guard();
      return outcomes;
    } catch (error) {
      return requests.map(() => ({ error: this.#failed(error) }));
    }
  }

  /**
   * Runs a transaction that can end with offers. Workers are told of them at once: to wake their thread takes
   * as long as to commit. They stand when it is committed.
   */
  #offering<T>({ waits, offers }: Opened, run: (offer: () => void) => T): T {
    const offered: Offered[] = [];
    const forget = (): void => {
      for (const { wake } of offered.splice(0)) offers.forget(wake.offer);
    };
    try {
      const result = run(() => {
        // It may run again, when one of the calls failed.
        forget();
        if (this.#mainIsBusy) return;
        offered.push(...waits.offer(offers));
        if (offered.length > 0) this.#send({ wakes: offered.map(({ wake }) => wake) });
      });
      for (const { wake, taker } of offered) {
        offers.stands(wake.offer);
        const { id, token } = wake.offer;
        this.#locks.offered(wake.queue, id, { ...taker, token });
        this.#guard();
      }
      return result;
    } catch (error) {
      forget();
      throw error;
    }
  }

  #open(): Opened {
    if (this.#opened !== undefined) return this.#opened;
    const { path } = this.#options;
    const ring = (): void => {
      if (!store.isAlone) this.#opened?.bell.ring();
    };
    const store = new Store(openDatabase(this.#options), ring);
    try {
      const owners = new Owners(store, path);
      const recovered = owners.recover();
      const file = new SameFile(path);
      const bell = new Doorbell(owners.directory, owners.file, owners.fd, () => this.#tell());
      if (recovered.size > 0) bell.ring();
      const log = new LogSync(path, pageBytes(store.database), {
        failed: (error) => this.#failed(error),
        makeRoom: () => this.#safely(() => runAlone(store, () => log.makeRoom(false)), undefined),
        checkpoint: () => this.#safely(() => store.checkpoint(), false),
      });
      const offers = new Offers(this.#places);
      this.#opened = { store, owners, waits: new Waits(store), file, bell, log, offers };
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
      const { store, owners, waits, bell, log, offers } = this.#opened;
      this.#opened = undefined;
      // The jobs go back with all others that this opening of the file had.
      offers.withdrawLate(0);
      log.close();
      bell.rest(Infinity);
      owners.abandon();
      // Whoever waits looks again, and learns of the error there.
      this.#send({ wakes: waits.all().map((number) => ({ number, dueAt: 0 })) });
      store.database.close();
    }
    return coded;
  }

  /** Before the calls: who asks for a job now gets the one that was offered to a wait that is over. */
  #endWaits({ cancels, declines }: Turn): void {
    if (this.#opened === undefined || cancels.length + declines.length === 0) return;
    this.#safely((opened) => {
      const { waits, offers } = opened;
      for (const number of cancels) waits.cancel(number);
      this.#putBack(opened, [...offers.withdrawFrom(cancels), ...offers.declined(declines)]);
    }, undefined);
  }

  /** Notes who waits from now on, and finds who is to be told. */
  #takeIn({ waits: asked, pong, guard }: Turn): Wake[] {
    if (pong !== undefined) this.#answered = pong;
    if (guard) this.#guarding = true;
    if (this.#opened === undefined && asked.length === 0) return [];
    return this.#safely(
      (opened) => {
        const { waits, bell } = opened;
        for (const wait of asked) waits.add(wait);
        if (waits.size > 0) bell.listen();
        return this.#look(opened, asked);
      },
      asked.map(({ number }) => ({ number, dueAt: 0 })),
    );
  }

  /** Who waits for queues that were touched, or that others wrote to since, or only began to wait. */
  #look(opened: Opened, fresh: readonly Wait[], all = false): Wake[] {
    const { store, waits } = opened;
    if (waits.size === 0) {
      for (const queue of store.queues()) queue.touched = false;
      return [];
    }
    const ready = (): boolean => !this.#mainIsBusy && waits.someReady();
    const check = (): Wake[] => {
      const changed = store.takeNews() || all;
      const wakes = waits.check(
        (queue) => changed || queue.touched || fresh.some((wait) => wait.queue === queue.name),
      );
      for (const queue of store.queues()) queue.touched = false;
      return wakes;
    };
    return this.#offering(opened, (offer) => runIf(store, ready, offer, check));
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
    const wakes = this.#safely((opened) => this.#look(opened, [], all), []);
    if (wakes.length > 0) this.#send({ wakes });
  }

  #poll(): void {
    if (this.#opened === undefined) return;
    this.#polls += 1;
    const all = this.#polls % POLLS_PER_LOOK === 0;
    const news = this.#safely(({ store }) => {
      if (all) store.lookForOthers();
      return store.isStale();
    }, true);
    if ((this.#opened?.waits.size ?? 0) === 0) this.#opened?.bell.rest(POLL_MS);
    else if (news || all) this.#tell(true);
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
    this.#opened?.bell.rest(Infinity);
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
