import { watch } from "node:fs";
import { DatabaseSync } from "node:sqlite";

import type { OpenContender } from "./contender.ts";

const CLAIMED_AT_ONCE = 32;
const POLL_MS = 200;

/**
 * The least that is a durable queue on SQLite: one table, in the thread of the app, adds and
 * acknowledgements of a turn in one commit, jobs claimed by dozens. No events, retries, delays or flows, and
 * the app waits for the disk. It is no contender but the ceiling.
 */
export const prototype: OpenContender = async (connection, queue) => {
  const { path, synchronous } = connection as { path: string; synchronous: string };
  const db = new DatabaseSync(path, { timeout: 5_000 });
  db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${synchronous}; PRAGMA wal_autocheckpoint = 6000;
    CREATE TABLE IF NOT EXISTS job (id INTEGER PRIMARY KEY, queue TEXT, state INTEGER, data TEXT, owner INTEGER, until INTEGER);
    CREATE INDEX IF NOT EXISTS ready ON job (queue, id) WHERE state = 0;`);
  const insert = db.prepare("INSERT INTO job (queue, state, data) VALUES (?, 0, ?)");
  const done = db.prepare("UPDATE job SET state = 2 WHERE id = ? AND owner = ?");
  const claim = db.prepare(`UPDATE job SET state = 1, owner = ?, until = ? WHERE id IN
    (SELECT id FROM job WHERE queue = ? AND state = 0 ORDER BY id LIMIT ${CLAIMED_AT_ONCE}) RETURNING id, data`);
  const count = db.prepare("SELECT count(*) AS count FROM job WHERE queue = ? AND state = 2");

  let turn: { run: () => void; resolve: () => void }[] = [];
  const inTurn = (run: () => void): Promise<void> =>
    new Promise((resolve) => {
      if (turn.push({ run, resolve }) === 1) setImmediate(commit);
    });
  const commit = (): void => {
    const calls = turn;
    turn = [];
    db.exec("BEGIN IMMEDIATE");
    for (const { run } of calls) run();
    db.exec("COMMIT");
    for (const { resolve } of calls) resolve();
  };
  const add = (number: number): void => void insert.run(queue, JSON.stringify({ number }));
  return {
    add: (number) => inTurn(() => add(number)),
    addBulk: (numbers) => inTurn(() => numbers.forEach(add)),
    work: async (handler, concurrency) => {
      const claimed: { id: number; data: string }[] = [];
      let running = 0;
      let ended = false;
      const next = (): void => {
        if (ended) return;
        if (claimed.length === 0)
          claimed.push(...(claim.all(process.pid, Date.now() + 15_000, queue) as typeof claimed));
        for (let job; running < concurrency && (job = claimed.shift()) !== undefined;) {
          running += 1;
          void run(job);
        }
      };
      const run = async ({ id, data }: { id: number; data: string }): Promise<void> => {
        await JSON.parse(data);
        handler();
        await inTurn(() => done.run(id, process.pid));
        running -= 1;
        next();
      };
      const watcher = watch(`${path}-wal`, () => {
        next();
        setTimeout(next, 1);
      });
      const poll = setInterval(next, POLL_MS);
      next();
      return async () => {
        ended = true;
        clearInterval(poll);
        watcher.close();
      };
    },
    completed: async () => Number(count.get(queue)?.["count"]),
    close: async () => {
      while (turn.length > 0) await inTurn(() => undefined);
      db.close();
    },
  };
};
