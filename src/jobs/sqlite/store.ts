import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from "node:sqlite";

import { type QueueRecord, queueRecord, type QueueRow } from "./queue-record.ts";
import type { State } from "./states.ts";

/** More events than the queue keeps, before the oldest are dropped: trimming each time would cost. */
const TRIM_SLACK = 500;
const DEFAULT_MAX_EVENTS = 10_000;
/** How many events one row has at most, so that a reader need not parse a whole bulk for a few. */
const EVENTS_PER_ROW = 200;

/**
 * The open file, as the operations see it: statements prepared once, records of queues, and the events
 * and counters that the running transaction will write. All of it belongs to the store thread.
 */
export class Store {
  readonly database: DatabaseSync;
  /** The time of the operation that runs: its caller's clock, milliseconds. */
  now = 0;
  /** This process in table owner. */
  owner = 0;
  readonly #statements = new Map<string, StatementSync>();
  readonly #tuples = new Map<string, StatementSync>();
  readonly #queues = new Map<string, QueueRecord>();
  #version = -1;
  #othersWrote = false;
  #isAlone = false;
  #queuesChanged = false;
  readonly #onChange: () => void;

  /** @param onChange - called when a change of a queue can be read by others */
  constructor(database: DatabaseSync, onChange: () => void) {
    this.database = database;
    this.#onChange = onChange;
  }

  run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#statement(sql).run(...values).changes);
  }

  /** The first row; its columns are what the statement names. */
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller knows what it selects
  get<Row>(sql: string, ...values: SQLInputValue[]): Row | undefined {
    const row: unknown = this.#statement(sql).get(...values);
    return row as Row | undefined;
  }

  all<Row>(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#statement(sql).all(...values) as Row[];
  }

  /** The first row as the list of its columns, which costs less than an object. */
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

  /** Forgets what is known of the queues if another process wrote since. To be called in a transaction. */
  refresh(): void {
    const version = this.version();
    if (version === this.#version) return;
    this.#version = version;
    this.#othersWrote = true;
    this.#isAlone = false;
    this.forget();
  }

  /** Whether a {@link refresh}, by whomever, has found anything new since this was asked last. */
  takeNews(): boolean {
    const news = this.#othersWrote;
    this.#othersWrote = false;
    return news;
  }

  /** Changes with each commit of another process. */
  version(): number {
    return Number(this.tuple("PRAGMA data_version")?.[0]);
  }

  /** Whether another process wrote since the last {@link refresh}. */
  isStale(): boolean {
    return this.version() !== this.#version;
  }

  /** Whether no other process has the file open: one that opens it writes that into it first. */
  get isAlone(): boolean {
    return this.#isAlone;
  }

  /** Finds out whether it {@link isAlone}. */
  lookForOthers(): void {
    if (this.#isAlone) return;
    const version = this.version();
    const others = this.tuple("SELECT 1 FROM owner WHERE key <> ? LIMIT 1", this.owner);
    // Whoever came meanwhile is found by the next transaction.
    this.#isAlone = others === undefined && version === this.#version;
  }

  /** Forgets what is known of the queues: the transaction that changed it was rolled back. */
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

  /** Moves the log into the database, as far as nobody reads it. @returns whether all of it */
  checkpoint(): boolean {
    const [busy, pages, moved] = this.tuple("PRAGMA wal_checkpoint(PASSIVE)") ?? [];
    return busy === 0 && pages === moved;
  }

  /** A queue by its qualified name; `undefined` when nothing was ever written to it. */
  findQueue(name: string): QueueRecord | undefined {
    const known = this.#queues.get(name);
    if (known !== undefined) return known;
    const row = this.get<QueueRow>("SELECT * FROM queue WHERE name = ?", name);
    if (row === undefined) return undefined;
    const record = queueRecord(row);
    this.#queues.set(name, record);
    return record;
  }

  /** A queue by its qualified name, made when it is not there. Only in a transaction that writes. */
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

  /** Forgets one queue, after its row was deleted. */
  dropQueue(queue: QueueRecord): void {
    this.#queues.delete(queue.name);
    queue.dirty = false;
    queue.pending.length = 0;
  }

  queues(): IterableIterator<QueueRecord> {
    return this.#queues.values();
  }

  /** Notes in the counters that a job changed its state; `undefined` stands for not being there. */
  count(queue: QueueRecord, from: State | undefined, to: State | undefined): void {
    if (from !== undefined) queue.counts[from] = (queue.counts[from] ?? 0) - 1;
    if (to !== undefined) queue.counts[to] = (queue.counts[to] ?? 0) + 1;
    if (from === 3 || to === 3) queue.nextDelayed = undefined;
    this.touch(queue);
  }

  /** The record has to be written, and who waits for the queue has to be told. */
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

  /** Writes what the operations of the transaction left in the records. Just before the commit. */
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
   * @returns how many were dropped
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
          JSON.stringify((JSON.parse(row.body) as unknown[]).slice(excess)),
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
