import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from "node:sqlite";

import { assertNotNewer } from "./database.ts";
import { lockTime, spanTime } from "./lock-clock.ts";
import { type QueueRecord, queueRecord, type QueueRow, readMeta } from "./queue-record.ts";
import { storedList } from "../stored-json.ts";
import { warnOfSettings } from "./damaged-settings.ts";
import { STATE, STATE_NAMES, type State } from "./states.ts";

/** The number of excess events after which the oldest are dropped, because trimming at each event would be slow. */
const TRIM_SLACK = 500;
const DEFAULT_MAX_EVENTS = 10_000;
/**
 * The interval at which a wait for the write lock is reported, in milliseconds. A wait that is shorter is not
 * reported.
 */
const SAY_BLOCKED_MS = 100;
/** How many events one row has at most, so that a reader of a few events need not parse a whole bulk. */
const EVENTS_PER_ROW = 200;

/**
 * The open file as the operations use it: prepared statements, records of queues, and the events
 * and counters that the running transaction will write. The store thread owns all of it.
 */
export class Store {
  readonly database: DatabaseSync;
  readonly path: string;
  /** The time of the running operation: its caller's clock, in milliseconds. */
  now = 0;
  /** When the running transaction began, by the clock of locks (lock-clock.ts). */
  lockNow = 0;
  /** The base of {@link spanNow}; see boot.ts. */
  spanBase: number = Date.now() - spanTime();
  #spanNow: number | undefined;
  /** The key of this process in the table `owner`. */
  owner = 0;
  /** Since when this process waits for the write lock, by the clock of locks. */
  #blockedSince: number | undefined;
  #saidAt = 0;
  /** Reports to other processes that this one is alive and waits for the write lock. */
  onBlocked: () => void = () => undefined;
  /** Called again and again while a transaction waits for the write lock. */
  onWaiting: () => void = () => undefined;
  /** Called with the time for which this process could not write, in milliseconds. */
  onUnblocked: (ms: number) => void = () => undefined;
  /** Whether another owner reported that within the last seconds. */
  isBlocked: (owner: number) => boolean = () => false;
  readonly #statements = new Map<string, StatementSync>();
  readonly #tuples = new Map<string, StatementSync>();
  readonly #queues = new Map<string, QueueRecord>();
  #version = -1;
  #othersWrote = false;
  #isAlone = false;
  #queuesChanged = false;
  readonly #onChange: () => void;

  /** @param onChange - called when a change of a queue can be read by others */
  constructor(database: DatabaseSync, path: string, onChange: () => void) {
    this.database = database;
    this.path = path;
    this.#onChange = onChange;
  }

  /** Reads the clocks at the beginning of a transaction. */
  readClocks(): void {
    this.lockNow = lockTime();
    this.#spanNow = undefined;
  }

  /** The time by which windows of rate limits and deduplications begin and end, in milliseconds; few calls need it. */
  get spanNow(): number {
    return (this.#spanNow ??= this.spanBase + spanTime());
  }

  run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#statement(sql).run(...values).changes);
  }

  /** The first row, as an object of the columns that the statement names. */
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller knows what it selects
  get<Row>(sql: string, ...values: SQLInputValue[]): Row | undefined {
    const row: unknown = this.#statement(sql).get(...values);
    return row as Row | undefined;
  }

  all<Row>(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#statement(sql).all(...values) as Row[];
  }

  /** The first row as an array of its columns, which costs less than an object. */
  tuple(sql: string, ...values: SQLInputValue[]): SQLOutputValue[] | undefined {
    const known = this.#tuples.get(sql);
    const statement = known ?? this.database.prepare(sql);
    if (known === undefined) {
      statement.setReturnArrays(true);
      this.#tuples.set(sql, statement);
    }
    const row: unknown = statement.get(...values);
    return row as SQLOutputValue[] | undefined;
  }

  insert(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#statement(sql).run(...values).lastInsertRowid);
  }

  #statement(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const made = this.database.prepare(sql);
    this.#statements.set(sql, made);
    return made;
  }

  /** A transaction could not begin, because another program has the write lock. */
  blocked(): void {
    this.onWaiting();
    const now = lockTime();
    this.#blockedSince ??= now;
    if (now - this.#saidAt < SAY_BLOCKED_MS || now - this.#blockedSince < SAY_BLOCKED_MS) return;
    this.#saidAt = now;
    this.onBlocked();
  }

  /**
   * A writing transaction has begun. The time in which no lock could be renewed does not count: locks of this
   * process that were valid when it began to wait are extended by that time.
   */
  unblocked(): void {
    const since = this.#blockedSince;
    this.#blockedSince = undefined;
    if (since === undefined || this.lockNow - since < SAY_BLOCKED_MS) return;
    const ms = this.lockNow - since;
    this.run(
      `UPDATE job SET locked_until = locked_until + ?1, stall_mark = 0 WHERE key IN (
         SELECT job.key FROM queue JOIN job ON job.queue = queue.key AND job.state = ${STATE.active}
         WHERE job.owner = ?2 AND job.locked_until > ?3)`,
      ms,
      this.owner,
      since,
    );
    this.onUnblocked(ms);
  }

  /** Drops the cached queue records if another process has written since. Call it in a transaction. */
  refresh(): void {
    const version = this.version();
    if (version === this.#version) return;
    // Only a commit of another process changes the data version.
    assertNotNewer(this.path, Number(this.tuple("PRAGMA user_version")?.[0]));
    this.#version = version;
    this.#othersWrote = true;
    this.#isAlone = false;
    this.forget();
  }

  /** Whether any {@link refresh} has found a change since the last call of this method. */
  takeNews(): boolean {
    const news = this.#othersWrote;
    this.#othersWrote = false;
    return news;
  }

  /** The data version, which changes with each commit of another process. */
  version(): number {
    return Number(this.tuple("PRAGMA data_version")?.[0]);
  }

  /** Whether another process wrote since the last {@link refresh}. */
  isStale(): boolean {
    return this.version() !== this.#version;
  }

  /** Whether no other process has the file open: a process that opens it first writes its own row into it. */
  get isAlone(): boolean {
    return this.#isAlone;
  }

  /** Updates {@link isAlone}. */
  lookForOthers(): void {
    if (this.#isAlone) return;
    const version = this.version();
    const others = this.tuple("SELECT 1 FROM owner WHERE key <> ? LIMIT 1", this.owner);
    // The next transaction finds a process that opened the file in the meantime.
    this.#isAlone = others === undefined && version === this.#version;
  }

  /** Drops the cached queue records, because the transaction that changed them was rolled back. */
  forget(): void {
    this.#queues.clear();
  }

  /** Ends the transaction. */
  commit(): void {
    this.run("COMMIT");
    if (!this.#queuesChanged) return;
    this.#queuesChanged = false;
    this.#onChange();
  }

  /** Checkpoints the part of the WAL that no reader needs. @returns whether the whole WAL was copied */
  checkpoint(): boolean {
    const [busy, pages, moved] = this.tuple("PRAGMA wal_checkpoint(PASSIVE)") ?? [];
    return busy === 0 && pages === moved;
  }

  /**
   * Moves the whole log into the database and syncs the database, with the write lock. A passive checkpoint during which
   * another process commits says that it moved all frames it saw, but leaves the sync of the database to the next one.
   *
   * @returns whether all frames were moved and synced
   */
  checkpointAndSync(): boolean {
    const [busy, pages, moved] = this.tuple("PRAGMA wal_checkpoint(FULL)") ?? [];
    return busy === 0 && pages === moved;
  }

  /** How many frames the WAL has, and how many of them were copied into the database. */
  walProgress(): { readonly frames: number; readonly copied: number } {
    const [, frames, copied] = this.tuple("PRAGMA wal_checkpoint(NOOP)") ?? [];
    return { frames: Math.max(0, Number(frames)), copied: Math.max(0, Number(copied)) };
  }

  /** A queue by its qualified name; `undefined` when it was never written to. */
  findQueue(name: string): QueueRecord | undefined {
    const known = this.#queues.get(name);
    if (known !== undefined) return known;
    const row = this.get<QueueRow>("SELECT * FROM queue WHERE name = ?", name);
    if (row === undefined) return undefined;
    const record = queueRecord(row, () => this.countStates(row.key));
    if (readMeta(row.meta) === undefined) warnOfSettings(this.path, name);
    this.#queues.set(name, record);
    return record;
  }

  /** Counts the jobs of a queue in each state. */
  countStates(queue: number): number[] {
    const counts = STATE_NAMES.map(() => 0);
    const counted = this.all<{ state: State; count: number }>(
      "SELECT state, count(*) AS count FROM job WHERE queue = ? GROUP BY state",
      queue,
    );
    for (const { state, count } of counted) counts[state] = count;
    return counts;
  }

  /** A queue by its qualified name, created if missing. Call it only in a transaction that writes. */
  queue(name: string): QueueRecord {
    const found = this.findQueue(name);
    if (found !== undefined) return found;
    this.run("INSERT INTO queue (name) VALUES (?)", name);
    return this.queue(name);
  }

  queueByKey(key: number): QueueRecord | undefined {
    for (const record of this.#queues.values()) if (record.key === key) return record;
    const row = this.get<{ name: string }>("SELECT name FROM queue WHERE key = ?", key);
    return row === undefined ? undefined : this.findQueue(row.name);
  }

  /** Drops the record of one queue after its row was deleted. */
  dropQueue(queue: QueueRecord): void {
    this.#queues.delete(queue.name);
    queue.dirty = false;
    queue.pending.length = 0;
  }

  queues(): IterableIterator<QueueRecord> {
    return this.#queues.values();
  }

  /** Counts a job's change of state; `undefined` means that the job did not exist before, or does not afterwards. */
  count(queue: QueueRecord, from: State | undefined, to: State | undefined): void {
    if (from !== undefined) queue.counts[from] = (queue.counts[from] ?? 0) - 1;
    if (to !== undefined) queue.counts[to] = (queue.counts[to] ?? 0) + 1;
    if (from === 3 || to === 3) queue.nextDelayed = undefined;
    this.touch(queue);
  }

  /** Marks that the record has to be written and that waits for the queue have to be notified. */
  touch(queue: QueueRecord): void {
    queue.dirty = true;
    queue.touched = true;
  }

  /**
   * Adds an event to the queue's stream.
   *
   * @param fields - names and values in turn
   * @returns its id, ordered as in a Redis stream: `milliseconds-number`
   */
  emit(queue: QueueRecord, event: string, ...fields: string[]): string {
    if (queue.pending.length === 0) queue.lastEvent = Math.max(this.now, queue.lastEvent + 1);
    queue.pending.push(JSON.stringify(["event", event, ...fields]));
    this.touch(queue);
    return `${queue.lastEvent}-${queue.pending.length - 1}`;
  }

  /** Writes the changed records and events of the transaction. Call it just before the commit. */
  flush(): void {
    for (const queue of this.#queues.values()) {
      if (!queue.dirty) continue;
      this.#queuesChanged = true;
      if (queue.pending.length > 0) this.#writeEvents(queue);
      this.run(
        `UPDATE queue SET last_id = ?, last_priority = ?, head = ?, tail = ?, events = ?, last_event = ?,
           counts = ?, meta = ?, limiter_count = ?, limiter_until = ?, stalled_check = ? WHERE key = ?`,
        queue.lastId,
        queue.lastPriority,
        queue.head,
        queue.tail,
        queue.events,
        queue.lastEvent,
        JSON.stringify(queue.counts),
        JSON.stringify(queue.meta),
        queue.limiterCount,
        queue.limiterUntil,
        queue.stalledCheck,
        queue.key,
      );
      queue.dirty = false;
    }
  }

  #writeEvents(queue: QueueRecord): void {
    const { pending } = queue;
    for (let first = 0; first < pending.length; first += EVENTS_PER_ROW) {
      const some =
        pending.length <= EVENTS_PER_ROW ? pending : pending.slice(first, first + EVENTS_PER_ROW);
      this.run(
        "INSERT INTO event (queue, number, first, count, body) VALUES (?, ?, ?, ?, ?)",
        queue.key,
        queue.lastEvent,
        first,
        some.length,
        `[${some.join(",")}]`,
      );
    }
    queue.events += pending.length;
    pending.length = 0;
    const keep = Number(queue.meta["opts.maxLenEvents"] ?? DEFAULT_MAX_EVENTS);
    if (queue.events > keep + Math.min(TRIM_SLACK, keep)) this.trimEvents(queue, keep);
  }

  /**
   * Drops the oldest events until at most `keep` are left.
   *
   * @returns the number of dropped events
   */
  trimEvents(queue: QueueRecord, keep: number): number {
    let excess = queue.events - keep;
    const before = queue.events;
    while (excess > 0) {
      const row = this.get<{ number: number; first: number; count: number; body: string }>(
        "SELECT number, first, count, body FROM event WHERE queue = ? ORDER BY number, first LIMIT 1",
        queue.key,
      );
      if (row === undefined) break;
      if (row.count <= excess)
        this.run(
          "DELETE FROM event WHERE queue = ? AND number = ? AND first = ?",
          queue.key,
          row.number,
          row.first,
        );
      else
        this.run(
          "UPDATE event SET first = ?, count = ?, body = ? WHERE queue = ? AND number = ? AND first = ?",
          row.first + excess,
          row.count - excess,
          JSON.stringify(storedList(row.body)?.slice(excess) ?? []),
          queue.key,
          row.number,
          row.first,
        );
      const dropped = Math.min(row.count, excess);
      queue.events -= dropped;
      excess -= dropped;
    }
    this.touch(queue);
    return before - queue.events;
  }
}
