// Parts of the store thread, tested separately: changes of other processes, hand-offs, the WAL.
import assert from "node:assert/strict";
import { closeSync, openSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { test } from "node:test";

import { parseConnection, type StoreOptions } from "../../../src/jobs/sqlite/connection.ts";
import { integrityProblems, openDatabase, pageBytes } from "../../../src/jobs/sqlite/database.ts";
import { storeError } from "../../../src/jobs/sqlite/database-errors.ts";
import { Doorbell } from "../../../src/jobs/sqlite/doorbell.ts";
import { type Request, runAlone, runGroup, runIf } from "../../../src/jobs/sqlite/group.ts";
import { WalSync } from "../../../src/jobs/sqlite/wal-sync.ts";
import { acceptOffer, type Offer, offerPlaces, Offers } from "../../../src/jobs/sqlite/offers.ts";
import { readEvents } from "../../../src/jobs/sqlite/operations/events.ts";
import { Owners } from "../../../src/jobs/sqlite/owners.ts";
import { MIGRATIONS } from "../../../src/jobs/sqlite/schema.ts";
import { Store } from "../../../src/jobs/sqlite/store.ts";
import { cleanUp, eventually, type Scope, temporaryDirectory } from "../../helpers/resources.ts";

function options(scope: Scope): StoreOptions {
  return parseConnection(join(temporaryDirectory(scope), "jobs.db"));
}

function openStore(scope: Scope, of: StoreOptions, onChange: () => void = () => undefined): Store {
  const store = new Store(openDatabase(of), of.path, onChange);
  cleanUp(scope, () => store.database.close());
  return store;
}

function request(operation: string, ...args: unknown[]): Request {
  return { operation, queue: "q", args, now: Date.now() };
}

function addOne(store: Store, data = "{}"): void {
  const job = {
    id: "",
    name: "n",
    data,
    opts: "{}",
    addedAt: Date.now(),
    delay: 0,
    priority: 0,
    lifo: false,
    parentKey: null,
    parent: null,
    scheduler: null,
    deduplication: null,
    deduplicate: null,
    hasChildren: false,
  };
  const [outcome] = runGroup(store, [request("addJobs", [job])], () => undefined);
  assert.ok(outcome !== undefined && "value" in outcome);
}

const TAKER = {
  token: "",
  lockDuration: 30_000,
  name: null,
  limiter: null,
  maxStalledCount: 1,
};

test("a change by another process notifies waiting callers, also when a call found it first", (t) => {
  const of = options(t);
  const [mine, others] = [openStore(t, of), openStore(t, of)];
  runGroup(mine, [request("getMeta")], () => undefined);
  mine.takeNews();
  assert.equal(mine.takeNews(), false);
  runGroup(others, [request("pause", true)], () => undefined);
  const [found] = runGroup(mine, [request("getMeta")], () => undefined);
  assert.ok(found !== undefined && "value" in found);
  assert.equal(mine.takeNews(), true);
  assert.equal(mine.takeNews(), false);
});

test("a change is notified when it can be read, and only a change", (t) => {
  const of = options(t);
  const others = openStore(t, of);
  const seen: number[] = [];
  const mine = openStore(t, of, () => {
    others.refresh();
    seen.push(others.findQueue("q")?.counts[0] ?? -1);
  });
  addOne(mine);
  addOne(mine);
  runGroup(mine, [request("getMeta")], () => undefined);
  runAlone(mine, () => mine.run("UPDATE queue SET meta = meta"));
  assert.deepEqual(seen, [1, 2]);
  // One call fails, and the other is not rolled back and is notified.
  const [failed, added] = runGroup(
    mine,
    [request("addJobs", "no list"), request("pause", true)],
    () => undefined,
  );
  assert.ok(failed !== undefined && "error" in failed && added !== undefined && "value" in added);
  assert.equal(seen.length, 3);
});

test("a process knows whether it is alone with the file", (t) => {
  const of = options(t);
  const mine = openStore(t, of);
  cleanUp(t, leaver(new Owners(mine, of.path)));
  addOne(mine);
  mine.lookForOthers();
  assert.equal(mine.isAlone, true);
  addOne(mine);
  assert.equal(mine.isAlone, true);
  const other = openStore(t, of);
  const theirs = new Owners(other, of.path);
  addOne(mine);
  assert.equal(mine.isAlone, false);
  mine.lookForOthers();
  assert.equal(mine.isAlone, false);
  theirs.leave();
  addOne(mine);
  mine.lookForOthers();
  assert.equal(mine.isAlone, true);
});

function leaver(owners: Owners): () => void {
  return () => owners.leave();
}

test("the wakeup notifies other processes, not its own", async (t) => {
  const directory = temporaryDirectory(t);
  const heard = { a: 0, b: 0 };
  const open = (name: "a" | "b"): Doorbell => {
    const fd = openSync(join(directory, name), "w");
    const bell = new Doorbell(directory, name, fd, () => (heard[name] += 1));
    cleanUp(t, () => {
      bell.rest(Infinity);
      closeSync(fd);
    });
    return bell;
  };
  const [a, b] = [open("a"), open("b")];
  a.listen();
  b.listen();
  a.ring();
  await eventually(() => heard.b > 0, "b hears a");
  assert.equal(heard.a, 0);
  b.rest(900);
  a.ring();
  await eventually(() => heard.b > 1, "b still listens");
  b.rest(200);
  b.ring();
  await eventually(() => heard.a > 0, "a hears b");
  const before = heard.b;
  a.ring();
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(heard.b, before);
});

test("the store waits for other processes, SQLite's busy handler does not", (t) => {
  const of = options(t);
  const [mine, others] = [openStore(t, of), openStore(t, of)];
  addOne(mine);
  assert.deepEqual(mine.tuple("PRAGMA busy_timeout"), [0]);
  // A write between the check and the transaction is noticed: the check runs again.
  let looked = 0;
  const taken = runIf(
    mine,
    () => {
      looked += 1;
      if (looked === 1) addOne(others);
      return true;
    },
    () => addEvent(mine),
    () => mine.findQueue("q")?.counts[0],
  );
  assert.equal(looked, 2);
  assert.equal(taken, 2);
});

function addEvent(store: Store): void {
  store.emit(store.queue("q"), "mine");
}

test("an offer is accepted after its commit, and not after a rollback", async (t) => {
  const store = openStore(t, options(t));
  addOne(store);
  addOne(store);
  const places = offerPlaces();
  const offers = new Offers(places);
  const offered = (commit: boolean): { offer: Offer; accepted: Promise<boolean> } => {
    let offer: Offer | undefined;
    let accepted: Promise<boolean> | undefined;
    try {
      runAlone(store, () => {
        offer = offers.take(store, store.queue("q"), TAKER, 1);
        assert.ok(offer !== undefined);
        accepted = acceptOffer(places, offer);
        if (!commit) throw new Error("undone");
      });
    } catch (error) {
      assert.ok(error instanceof Error && error.message === "undone");
    }
    assert.ok(offer !== undefined && accepted !== undefined);
    return { offer, accepted };
  };
  const good = offered(true);
  let settled = false;
  void good.accepted.then(() => (settled = true));
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(settled, false);
  offers.stands(good.offer);
  assert.equal(await good.accepted, true);
  const bad = offered(false);
  offers.forget(bad.offer);
  assert.equal(await bad.accepted, false);
  // Both places are free again, and nothing stands that could be withdrawn.
  assert.deepEqual(offers.withdrawLate(0), []);
  assert.equal(offered(true).offer.place, good.offer.place);
});

/** The WAL of a store, with the idle work and its results. */
function logOf(scope: Scope, of: StoreOptions, store: Store): { log: WalSync; moved: boolean[] } {
  const moved: boolean[] = [];
  const log: WalSync = new WalSync(of.path, pageBytes(store.database), {
    preallocate: () => runAlone(store, () => log.preallocate(false)),
    checkpoint: () => {
      const all = store.checkpoint();
      moved.push(all);
      return all;
    },
    failed: (error) => {
      throw error;
    },
  });
  cleanUp(scope, () => log.close());
  return { log, moved };
}

test("the WAL is extended while no caller waits, and stays intact", async (t) => {
  const of = options(t);
  const store = openStore(t, of);
  const { log, moved } = logOf(t, of, store);
  addOne(store);
  const size = (): number => statSync(`${of.path}-wal`).size;
  const before = size();
  log.written();
  await eventually(() => size() > before, "room was made");
  const withRoom = size();
  for (let round = 0; size() === withRoom && round < 200; round += 1) {
    addOne(store, JSON.stringify("x".repeat(1_000)));
    log.written();
    await new Promise((resolve) => setTimeout(resolve, 12));
  }
  // Extended before it was used up: SQLite itself would have added single pages.
  assert.equal(size() - withRoom, withRoom - before);
  assert.equal(
    readFileSync(`${of.path}-wal`)
      .subarray(-1_000)
      .every((byte) => byte === 0),
    true,
  );
  assert.deepEqual(moved, []);
  assert.deepEqual(integrityProblems(store.database, "full"), []);
  assert.deepEqual(store.tuple("SELECT count(*) FROM job"), [store.findQueue("q")?.lastId]);
});

test("a long WAL is checkpointed when idle, and starts over", async (t) => {
  const of = options(t);
  const store = openStore(t, of);
  const { log, moved } = logOf(t, of, store);
  const generation = (): string => readFileSync(`${of.path}-wal`).toString("hex", 16, 24);
  addOne(store);
  const first = generation();
  const pages = (): number => Number(store.tuple("PRAGMA wal_checkpoint(NOOP)")?.[1]);
  while (pages() <= 1_000) addOne(store, JSON.stringify("x".repeat(1_900)));
  // A reader of an older state keeps the checkpoint from changing the database.
  const reader = new DatabaseSync(of.path);
  cleanUp(t, () => reader.close());
  reader.exec("BEGIN");
  const seen = reader.prepare("SELECT count(*) AS count FROM job").get()?.["count"];
  addOne(store);
  log.written();
  await eventually(() => moved.length > 0, "it was tried");
  assert.deepEqual(moved, [false]);
  assert.equal(reader.prepare("SELECT count(*) AS count FROM job").get()?.["count"], seen);
  reader.exec("COMMIT");
  assert.equal(generation(), first);
  log.written();
  await eventually(() => moved.length > 1, "it was moved");
  assert.deepEqual(moved, [false, true]);
  addOne(store);
  assert.notEqual(generation(), first);
  assert.deepEqual(integrityProblems(store.database, "full"), []);
  assert.deepEqual(store.tuple("SELECT count(*) FROM job"), [store.findQueue("q")?.lastId]);
});

test("new events are found by the index, not by a full scan", (t) => {
  const store = openStore(t, options(t));
  for (let added = 0; added < 20; added += 1) addOne(store);
  const queue = store.findQueue("q");
  assert.ok(queue !== undefined);
  const plans: string[] = [];
  const all = store.all.bind(store);
  t.mock.method(store, "all", (sql: string, ...values: SQLInputValue[]) => {
    const rows = store.database.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...values);
    plans.push(rows.map(({ detail }) => String(detail)).join("; "));
    return all(sql, ...values);
  });
  const entries = readEvents(store, queue, `${queue.lastEvent - 1}`);
  assert.equal(entries.at(-1)?.[0].split("-")[0], String(queue.lastEvent));
  assert.deepEqual(plans, ["SEARCH event USING PRIMARY KEY (queue=? AND number>?)"]);
});

test("a full file system has another error than a failing one", () => {
  const failure = (code: string): Error => Object.assign(new Error(code), { code });
  for (const code of ["ENOSPC", "EDQUOT"])
    assert.equal(storeError(failure(code), "/jobs.db").code, "NEWEL_E_JOBS_FULL");
  assert.equal(storeError(failure("EIO"), "/jobs.db").code, "NEWEL_E_JOBS_FILE");
});

test("a file of an older newel keeps its events", (t) => {
  const of = options(t);
  const old = new DatabaseSync(of.path);
  for (const step of MIGRATIONS.slice(0, 2)) old.exec(step);
  old.exec(`
    PRAGMA user_version = 2; PRAGMA application_id = 0x6e776a31;
    INSERT INTO queue (key, name, events, last_event) VALUES (1, 'q', 3, 8);
    INSERT INTO event (queue, number, first, count, body) VALUES
      (1, 7, 0, 2, '[["event","a"],["event","b"]]'), (1, 8, 0, 1, '[["event","c"]]');
  `);
  old.close();
  const store = openStore(t, of);
  const queue = store.findQueue("q");
  assert.ok(queue !== undefined);
  assert.deepEqual(readEvents(store, queue, "7-0"), [
    ["7-1", ["event", "b"]],
    ["8-0", ["event", "c"]],
  ]);
});
