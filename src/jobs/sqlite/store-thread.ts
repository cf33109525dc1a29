import { type FSWatcher, watch } from "node:fs";
import { backup } from "node:sqlite";
import {
  type MessagePort,
  parentPort,
  receiveMessageOnPort,
  workerData,
} from "node:worker_threads";

import { isNewelError, type NewelError } from "../../base/errors.ts";
import type { StoreOptions } from "./connection.ts";
import { integrityProblems, openDatabase, SameFile } from "./database.ts";
import { needsReopening, storeError } from "./database-errors.ts";
import { needsDisk, type Outcome, type Request, runAlone, runGroup } from "./group.ts";
import { HeldLocks } from "./held-locks.ts";
import { LogSync } from "./log-sync.ts";
import type { ReplyMessage, ToMain, ToThread, UpkeepKind } from "./messages.ts";
import { extendLock } from "./operations/locks.ts";
import { Owners } from "./owners.ts";
import { Store } from "./store.ts";
import { Waits, type Wake } from "./waits.ts";

/** Looking for what the watch of the file did not tell. */
const POLL_MS = 200;
/** How soon a dead process is noticed. */
const OWNERS_MS = 60;
/** After the file changed, its content is readable a little later: when to look again. */
const LOOKS_MS = [1, 1, 1, 2, 2, 4, 4, 8, 16, 32] as const;
/** Before that, for a moment, much more often: most changes are readable by then. */
const SPINS = 16;
const SPIN_MS = 0.05;
/** What changed so soon after a write of one's own is that write. */
const OWN_WRITE_MS = 1;
/** How often locks are looked at, and the share of a lock's time after which its renewal is late. */
const LOCKS_MS = 50;
const LATE = 0.5;
const TOO_LATE = 0.65;

/** What belongs to the open file, and goes when it has to be opened again. */
interface Opened {
  readonly store: Store;
  readonly owners: Owners;
  readonly waits: Waits;
  readonly file: SameFile;
  readonly log: LogSync;
}

const sleeper = new Int32Array(new SharedArrayBuffer(4));

/** The thread that has the file: nothing of SQLite ever runs on the main one. */
class StoreThread {
  readonly #port: MessagePort;
  readonly #options: StoreOptions;
  readonly #locks = new HeldLocks();
  #opened: Opened | undefined;
  #watcher: FSWatcher | undefined;
  #watchIdleSince = 0;
  #looks: NodeJS.Timeout | undefined;
  #guarding = false;
  #wroteAt = 0;
  #ping = 0;
  #answered = 0;

  constructor(port: MessagePort, options: StoreOptions) {
    this.#port = port;
    this.#options = options;
  }

  /** Begins to take calls. */
  serve(): void {
    this.#port.on("message", (message: ToThread) => void this.#turn(message));
    setInterval(() => this.#poll(), POLL_MS);
    setInterval(() => this.#guardOwners(), OWNERS_MS);
    setInterval(() => this.#guardLocks(), LOCKS_MS);
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
    const outcomes = calls.length === 0 ? [] : this.#run(calls.map(({ request }) => request));
    const wakes = this.#takeIn(messages);
    const replies = calls.map(({ number }, at) => reply(number, outcomes[at]));
    if (this.#promised(calls.map(({ request }) => request))) this.#sendOnDisk(replies, wakes);
    else if (replies.length > 0 || wakes.length > 0) this.#send({ replies, wakes });
    for (const message of messages)
      for (const [number, kind, argument] of message.upkeep ?? [])
        await this.#upkeep(number, kind, argument);
    if (messages.some(({ close }) => close === true)) {
      // Not before all are answered who were promised the disk.
      if (this.#opened === undefined) this.#close();
      else this.#opened.log.whenIdle(() => this.#close());
    }
  }

  #promised(requests: readonly Request[]): boolean {
    return this.#options.synchronous === "full" && requests.some(needsDisk);
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

  #send(message: ToMain): void {
    this.#port.postMessage(message);
  }

  #run(requests: readonly Request[]): Outcome[] {
    try {
      const { store, file } = this.#open();
      const outcomes = runGroup(store, requests, () => file.assert());
      this.#locks.observe(requests, outcomes);
      this.#wroteAt = performance.now();
      return outcomes;
    } catch (error) {
      return requests.map(() => ({ error: this.#failed(error) }));
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
      this.#opened = { store, owners, waits: new Waits(store), file, log };
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
      const { store, owners, waits, log } = this.#opened;
      this.#opened = undefined;
      log.close();
      this.#unwatch();
      owners.abandon();
      // Whoever waits looks again, and learns of the error there.
      this.#send({ wakes: waits.all().map((number) => ({ number, dueAt: 0 })) });
      store.database.close();
    }
    return coded;
  }

  /** Notes who waits from now on, and finds who is to be told. */
  #takeIn(messages: readonly ToThread[]): Wake[] {
    for (const { pong, guard } of messages) {
      if (pong !== undefined) this.#answered = pong;
      if (guard === true) this.#guarding = true;
    }
    const asked = messages.flatMap(({ waits }) => waits ?? []);
    const cancelled = messages.flatMap(({ cancels }) => cancels ?? []);
    if (this.#opened === undefined && asked.length === 0) return [];
    return this.#safely(
      (opened) => {
        const { waits } = opened;
        for (const wait of asked) waits.add(wait);
        for (const number of cancelled) waits.cancel(number);
        const fresh = new Set(asked.map(({ queue }) => queue));
        if (waits.size > 0) this.#watch(opened);
        return this.#look(opened, fresh);
      },
      asked.map(({ number }) => ({ number, dueAt: 0 })),
    );
  }

  /** Who waits for queues that were touched, or that others wrote to since. */
  #look({ store, waits }: Opened, fresh: ReadonlySet<string>): Wake[] {
    if (waits.size === 0) {
      for (const queue of store.queues()) queue.touched = false;
      return [];
    }
    return inRead(store, () => {
      const changed = store.refresh();
      const wakes = waits.check((queue) => changed || queue.touched || fresh.has(queue.name));
      for (const queue of store.queues()) queue.touched = false;
      return wakes;
    });
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

  /** The file of the log of writes changes with each transaction of any process: a hint to look. */
  #watch({ store }: Opened): void {
    this.#watchIdleSince = 0;
    if (this.#watcher !== undefined) return;
    const log = `${store.database.location() ?? this.#options.path}-wal`;
    try {
      this.#watcher = watch(log, { persistent: false }, () => this.#hint());
      // Without a watch the poll finds all, later.
      this.#watcher.on("error", () => this.#unwatch());
    } catch {
      this.#watcher = undefined;
    }
  }

  #unwatch(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    clearTimeout(this.#looks);
    this.#looks = undefined;
  }

  /** Looks again and again for a moment: the change is announced before it can be read. */
  #hint(): void {
    clearTimeout(this.#looks);
    this.#looks = undefined;
    if (this.#opened === undefined || this.#opened.waits.size === 0) return;
    const spins = performance.now() - this.#wroteAt < OWN_WRITE_MS ? 0 : SPINS;
    for (let spin = 0; ; spin += 1) {
      if (this.#changed()) {
        this.#tell();
        return;
      }
      if (spin >= spins) break;
      Atomics.wait(sleeper, 0, 0, SPIN_MS);
    }
    this.#lookLater(0);
  }

  #lookLater(step: number): void {
    const inMs = LOOKS_MS[step];
    if (inMs === undefined) return;
    this.#looks = setTimeout(() => {
      this.#looks = undefined;
      if (this.#opened === undefined || this.#opened.waits.size === 0) return;
      if (this.#changed()) this.#tell();
      else this.#lookLater(step + 1);
    }, inMs);
  }

  #changed(): boolean {
    return this.#safely(({ store }) => store.isStale(), false);
  }

  #tell(all = false): void {
    const wakes = this.#safely(
      (opened) =>
        all
          ? inRead(opened.store, () => {
              opened.store.refresh();
              return opened.waits.check();
            })
          : this.#look(opened, new Set()),
      [],
    );
    if (wakes.length > 0) this.#send({ wakes });
  }

  #poll(): void {
    if (this.#opened === undefined) return;
    if (this.#opened.waits.size > 0) {
      this.#tell(true);
      return;
    }
    // One who only works does not need to hear of each of its own writes.
    this.#watchIdleSince += POLL_MS;
    if (this.#watchIdleSince > 1_000) this.#unwatch();
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
      const value = await UPKEEP[kind](store, argument);
      this.#send({ replies: [[number, true, value]] });
    } catch (error) {
      this.#send({ replies: [reply(number, { error: this.#failed(error) })] });
    }
  }

  #close(): void {
    this.#unwatch();
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

const UPKEEP: Readonly<Record<UpkeepKind, (store: Store, argument: string) => unknown>> = {
  check: (store, kind) => integrityProblems(store.database, kind === "quick" ? "quick" : "full"),
  vacuum: (store) => store.database.exec("VACUUM"),
  backup: (store, path) => backup(store.database, path),
};

function inRead<T>(store: Store, run: () => T): T {
  store.run("BEGIN");
  try {
    return run();
  } finally {
    store.run("COMMIT");
  }
}

function reply(number: number, outcome: Outcome | undefined): ReplyMessage {
  if (outcome === undefined) return [number, false, { message: "no outcome" }];
  if ("value" in outcome) return [number, true, outcome.value];
  const { error } = outcome;
  if (isNewelError(error)) return [number, false, error.toJSON()];
  return [number, false, storeError(error, "").toJSON()];
}

if (parentPort !== null) new StoreThread(parentPort, workerData as StoreOptions).serve();
