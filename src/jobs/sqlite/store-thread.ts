import { type MessagePort, parentPort, workerData } from "node:worker_threads";

import type { NewelError } from "../../base/errors.ts";
import { ClockSteps } from "./clock-steps.ts";
import type { StoreOptions } from "./connection.ts";
import { EarlyReads } from "./early-reads.ts";
import { DamageBackoff } from "./damaged-copy.ts";
import { openDatabase } from "./database.ts";
import {
  isDamagedNumber,
  isDiskError,
  isUnwritable,
  needsReopening,
  storeError,
} from "./database-errors.ts";
import { promiseOf, type Outcome, type Request, runAlone } from "./group.ts";
import { repairNumbers, runRepairing } from "./damaged-numbers.ts";
import { Durability } from "./durability.ts";
import { HandOff } from "./hand-off.ts";
import { LockGuard } from "./lock-guard.ts";
import type { ReplyMessage, ThreadData, ToThread, UpkeepKind } from "./messages.ts";
import { Offers, type Standing } from "./offers.ts";
import { OpenFile } from "./open-file.ts";
import { type Batch, Outbox } from "./outbox.ts";
import { readUnwritable } from "./read-only.ts";
import { handsOver, reply } from "./replies.ts";
import { gatherTurn, type Turn } from "./turn.ts";
import { upkeep } from "./upkeep.ts";
import type { Wake } from "./waits.ts";

/** The interval of the poll for changes that the doorbell missed; every few polls all waits are checked. */
const POLL_MS = 200;
const POLLS_PER_LOOK = 5;
/** The interval of the check for dead processes. */
const OWNERS_MS = 60;
/** How long a main thread may take to accept an offered job. */
const OFFER_MS = 100;

/** The thread that has the file open: SQLite never runs on the main thread. */
class StoreThread {
  readonly #port: MessagePort;
  readonly #outbox: Outbox;
  readonly #options: StoreOptions;
  readonly #places: Int32Array;
  readonly #locks: LockGuard;
  readonly #handOff: HandOff;
  readonly #clock = new ClockSteps();
  readonly #early: EarlyReads;
  readonly #damage: DamageBackoff;
  readonly #durability: Durability;
  #opened: OpenFile | undefined;
  #guarding = false;
  #polls = 0;

  constructor(port: MessagePort, { options, places }: ThreadData) {
    this.#port = port;
    this.#outbox = new Outbox(
      port,
      () => options.synchronous === "full" && this.#opened?.wal.isFast === false,
      (offer) => this.#opened?.offers.sent(offer),
    );
    this.#early = new EarlyReads(port, (replies) => this.#outbox.send({ replies }));
    this.#options = options;
    this.#locks = new LockGuard({
      withStore: (run) => {
        if (this.#opened !== undefined) this.#safely(({ store }) => run(store), undefined);
      },
      ping: (number) => this.#outbox.send({ ping: number }),
      checked: () => this.#withdrawOffers(OFFER_MS),
    });
    this.#handOff = new HandOff(this.#outbox, this.#locks);
    this.#damage = new DamageBackoff(options.path);
    this.#durability = new Durability(options.path);
    this.#places = places;
  }

  /** Starts to take calls. */
  serve(): void {
    this.#port.on("message", (message: ToThread) => void this.#turn(message));
    setInterval(() => this.#poll(), POLL_MS);
    setInterval(() => this.#guardOwners(), OWNERS_MS);
  }

  /** Runs one turn: all calls that arrived become one transaction. */
  async #turn(...first: ToThread[]): Promise<void> {
    const turn = gatherTurn([...this.#early.take(), ...first], this.#port);
    const { requests, numbers } = turn;
    this.#handOff.mainIsBusy = false;
    this.#endWaits(turn);
    const batch = this.#outbox.begin(requests);
    const outcomes = requests.length === 0 ? [] : this.#run(requests);
    const promise = promiseOf(requests);
    const isFull = this.#options.synchronous === "full";
    const answers: ReplyMessage[] = [];
    // Without an open file the store failed: nothing was committed, and the answers report it.
    const synced = isFull && promise === "before" ? this.#opened : undefined;
    const isAlone = requests.length === 1;
    const release = (error: Error | null): void => this.#release(batch, answers, synced, error);
    // The sync of many calls runs while this thread prepares their answers and the offers that follow them.
    if (!isAlone) synced?.wal.request(release);
    this.#handOff.wake(this.#takeIn(turn));
    for (const [at, request] of requests.entries()) {
      const answer = reply(numbers[at] ?? 0, outcomes[at]);
      if (handsOver(request, answer)) this.#outbox.deliver(request.queue, { replies: [answer] });
      else answers.push(answer);
    }
    if (synced === undefined) this.#outbox.release(batch, answers);
    else if (isAlone) synced.wal.requestNow(release);
    if (promise !== "never") this.#opened?.wal.written();
    if (!isFull && promise !== "never") this.#opened?.wal.syncSoon();
    if (isFull && promise === "soon") this.#opened?.wal.request(() => undefined);
    for (const [number, kind, argument] of turn.upkeep) await this.#upkeep(number, kind, argument);
    if (turn.close) {
      // The file closes only after all calls that wait for the disk are answered.
      if (this.#opened === undefined) this.#close();
      else this.#opened.wal.whenIdle(() => this.#close());
    }
  }

  /** Answers calls whose sync has ended, with an error unless their commit is on disk. */
  #release(
    batch: Batch,
    answers: readonly ReplyMessage[],
    opened: OpenFile | undefined,
    error: Error | null,
  ): void {
    const problem = error ?? (opened === undefined ? null : this.#problemOf(opened));
    const left =
      problem === null ? answers : answers.map(([number]) => reply(number, { error: problem }));
    this.#outbox.release(batch, left);
  }

  #run(requests: readonly Request[]): Outcome[] {
    try {
      const opened = this.#open();
      const { store, file, wal } = opened;
      if (promiseOf(requests) !== "never") this.#secure(opened);
      const outcomes = this.#handOff.offering(opened, (offer) =>
        runRepairing(store, requests, {
          offer,
          beforeCommit: () => {
            file.assert();
            wal.preallocate(true);
          },
        }),
      );
      this.#locks.held.observe(requests, outcomes);
      if (this.#locks.held.size > 0) this.#locks.begin();
      if (wal.isTooLong) this.#checkpoint();
      return outcomes;
    } catch (error) {
      const failed = this.#failed(error);
      const read = isUnwritable(error) ? readUnwritable(this.#options.path, requests) : undefined;
      return read ?? requests.map(() => ({ error: failed }));
    }
  }

  #open(): OpenFile {
    if (this.#opened !== undefined) return this.#opened;
    const opened: OpenFile = new OpenFile(
      this.#options.path,
      () => this.#damage.open(() => openDatabase(this.#options)),
      new Offers(this.#places),
      {
        heard: () => this.#tell(),
        walWork: {
          failed: (error) => this.#syncFailed(opened, error),
          preallocate: () =>
            this.#safely(
              ({ store, wal }) => runAlone(store, () => wal.preallocate(false)),
              undefined,
            ),
          checkpoint: () => this.#checkpoint(),
        },
      },
    );
    this.#opened = opened;
    opened.store.onWaiting = () => {
      if (this.#early.serve(opened.store)) setImmediate(() => void this.#turn());
    };
    opened.store.onUnblocked = (ms) => this.#locks.held.postpone(ms);
    if (opened.afterCrash) this.#durability.distrust();
    this.#secure(opened);
    return opened;
  }

  /** Makes all committed frames durable, if a write or a sync failed anywhere. @throws NEWEL_E_JOBS_UNSAFE */
  #secure(opened: OpenFile): void {
    if (!this.#durability.isSafe) this.#durability.secure(opened);
  }

  /** @returns whether the whole WAL was copied into the database */
  #checkpoint(): boolean {
    return this.#safely((opened) => {
      this.#secure(opened);
      return this.#durability.checkpoint(opened);
    }, false);
  }

  /** @returns `null` when all frames are safe after a repair, else the error for the waiting calls */
  #syncFailed(opened: OpenFile, error: Error): Error | null {
    this.#durability.note("wal");
    try {
      this.#secure(opened);
      return null;
    } catch (problem) {
      return opened === this.#opened
        ? this.#failed(problem)
        : storeError(error, this.#options.path);
    }
  }

  /** The error that keeps a synced call from being answered; `null` when it may be answered. */
  #problemOf(opened: OpenFile): Error | null {
    try {
      opened.file.assert();
      this.#secure(opened);
      return null;
    } catch (error) {
      return opened === this.#opened ? this.#failed(error) : storeError(error, this.#options.path);
    }
  }

  /** The store failed. If the file cannot be used any more, the next call opens it again. */
  #failed(error: unknown): NewelError {
    const coded = storeError(error, this.#options.path);
    const opened = this.#opened;
    if (opened === undefined || !needsReopening(coded)) return coded;
    if (isDamagedNumber(error) && repairNumbers(opened.store) > 0) return coded;
    if (isDiskError(error)) {
      this.#durability.note("wal");
      try {
        this.#secure(opened);
        return coded;
      } catch {
        // The caller gets its own error; the next call opens the file and tries again.
      }
    }
    this.#opened = undefined;
    // Each wait ends and gets the error when it begins again.
    this.#outbox.send({ wakes: opened.waits.all().map((number) => ({ number, dueAt: 0 })) });
    opened.abandon();
    return coded;
  }

  /** Runs before the calls, so that a call for a job gets the one that was offered to a wait that is over. */
  #endWaits({ cancels, declines }: Turn): void {
    if (this.#opened === undefined || cancels.length + declines.length === 0) return;
    this.#safely((opened) => {
      const { waits, offers } = opened;
      for (const number of cancels) waits.cancel(number);
      this.#handOff.putBack(opened, [
        ...offers.withdrawFrom(cancels),
        ...offers.declined(declines),
      ]);
    }, undefined);
  }

  /** Registers new waits and finds the waits to notify. */
  #takeIn({ waits: asked, pong, guard }: Turn): Wake[] {
    if (pong !== undefined) this.#locks.answered(pong);
    if (guard) this.#guarding = true;
    if (this.#opened === undefined && asked.length === 0) return [];
    return this.#safely(
      (opened) => {
        const { waits, bell } = opened;
        for (const wait of asked) waits.add(wait);
        if (waits.size > 0) bell.listen();
        return this.#handOff.look(opened, asked);
      },
      asked.map(({ number }) => ({ number, dueAt: 0 })),
    );
  }

  /** Requeues jobs that the main thread was too busy to accept, so that other workers can take them. */
  #withdrawOffers(olderThanMs: number): void {
    if (this.#opened === undefined) return;
    const late = this.#opened.offers.withdrawLate(olderThanMs);
    if (late.length === 0) return;
    this.#handOff.mainIsBusy = true;
    this.#requeue(late);
    this.#tell();
  }

  #requeue(standing: readonly Standing[]): void {
    this.#safely((opened) => this.#handOff.putBack(opened, standing), undefined);
  }

  /** Runs a function on the open file; if it fails, callers get the error at their next call. */
  #safely<T>(run: (opened: OpenFile) => T, otherwise: T): T {
    try {
      return run(this.#open());
    } catch (error) {
      this.#failed(error);
      return otherwise;
    }
  }

  #tell(all = false): void {
    const wakes = this.#safely((opened) => this.#handOff.look(opened, [], all), []);
    this.#handOff.wake(wakes);
  }

  #poll(): void {
    if (this.#opened === undefined) return;
    this.#polls += 1;
    const stepped = this.#clock.hasStepped();
    if (stepped) this.#opened.waits.forgetTold();
    const all = stepped || this.#polls % POLLS_PER_LOOK === 0;
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

  async #upkeep(number: number, kind: UpkeepKind, argument: string): Promise<void> {
    try {
      const { store } = this.#open();
      const value = await upkeep(store, kind, argument);
      this.#outbox.send({ replies: [[number, true, value]] });
    } catch (error) {
      this.#outbox.send({ replies: [reply(number, { error: this.#failed(error) })] });
    }
  }

  #close(): void {
    this.#opened?.bell.rest(Infinity);
    if (this.#opened !== undefined) this.#requeue(this.#opened.offers.withdrawAll());
    try {
      this.#opened?.close();
    } finally {
      this.#outbox.send({ closed: true });
      process.exit(0);
    }
  }
}

if (parentPort !== null) new StoreThread(parentPort, workerData as ThreadData).serve();
