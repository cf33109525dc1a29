import { DatabaseSync } from "node:sqlite";

import { dataPath } from "./data.ts";

export interface Contact {
  readonly name: string;
  readonly email: string;
}

let opened: DatabaseSync | undefined;

/** Adds contacts; those that are there are replaced. */
export function saveContacts(owner: string, contacts: readonly Contact[]): void {
  const save = database().prepare("INSERT OR REPLACE INTO contact VALUES (?, ?, ?)");
  database().exec("BEGIN IMMEDIATE");
  for (const { name, email } of contacts) save.run(owner, email, name);
  database().exec("COMMIT");
}

export function countContacts(owner: string): number {
  const count = database().prepare("SELECT count(*) AS count FROM contact WHERE owner = ?");
  return Number(count.get(owner)?.["count"] ?? 0);
}

/** The first of them, by name. */
export function firstContacts(owner: string, most: number): readonly Contact[] {
  const first = database().prepare(
    "SELECT name, email FROM contact WHERE owner = ? ORDER BY name LIMIT ?",
  );
  return first
    .all(owner, most)
    .map(({ name, email }) => ({ name: String(name), email: String(email) }));
}

function database(): DatabaseSync {
  if (opened !== undefined) return opened;
  opened = new DatabaseSync(dataPath("contacts.db"), { timeout: 5_000 });
  opened.exec(`
    PRAGMA journal_mode = WAL;
    CREATE TABLE IF NOT EXISTS contact
      (owner TEXT, email TEXT, name TEXT, PRIMARY KEY (owner, email)) WITHOUT ROWID;`);
  return opened;
}
