import { newelError } from "../base/errors.ts";
import { checkName, matches } from "../base/names.ts";
import type { Kernel } from "./api.ts";
import type { EventLog } from "./events.ts";
import type { Journal } from "./journal.ts";
import type { JournalRecord } from "./journal-records.ts";

/** The longest value, in bytes: a value is a small text, not a file. */
const VALUE_BYTES = 4 << 20;

/** The values: small texts by name. */
export class ValueTable {
  readonly #values: Map<string, string>;
  readonly #journal: Journal;
  readonly #events: EventLog;

  constructor(values: Map<string, string>, journal: Journal, events: EventLog) {
    this.#values = values;
    this.#journal = journal;
    this.#events = events;
  }

  readonly verbs: Kernel["values"] = {
    set: (name, value) => {
      checkName(name, "The value name");
      if (value === undefined || value === "") {
        this.#delete(name);
        return;
      }
      if (Buffer.byteLength(value) > VALUE_BYTES) {
        throw newelError("NEWEL_E_LIMIT", { what: "a value", limit: VALUE_BYTES, unit: "bytes" });
      }
      this.#journal.commit({ type: "value", name, value });
      this.#values.set(name, value);
      this.#events.record({ type: "made", noun: "value", name });
    },
    get: (name) => this.#values.get(name),
    list: (patterns = []) =>
      this.#matching(patterns).map((name) => ({ name, value: this.#values.get(name) ?? "" })),
    remove: (patterns) => {
      if (patterns.length === 0 || patterns.includes("*")) {
        throw newelError("NEWEL_E_COMMAND", { what: "You cannot remove all variables" });
      }
      for (const pattern of patterns) {
        const names = this.#matching([pattern]);
        if (names.length === 0 && !pattern.endsWith("*")) {
          throw newelError("NEWEL_E_NOT_FOUND", { name: pattern, noun: "values" });
        }
        for (const name of names) this.#delete(name);
      }
    },
    synced: () => this.#journal.synced(),
  };

  get size(): number {
    return this.#values.size;
  }

  *snapshot(): Iterable<JournalRecord> {
    for (const [name, value] of this.#values) yield { type: "value", name, value };
  }

  #delete(name: string): void {
    if (!this.#values.has(name)) return;
    this.#journal.release({ type: "value removed", name });
    this.#values.delete(name);
    this.#events.record({ type: "removed", noun: "value", name });
  }

  #matching(patterns: readonly string[]): string[] {
    const names = [...this.#values.keys()].sort();
    return patterns.length === 0
      ? names
      : names.filter((name) => patterns.some((pattern) => matches(pattern, name)));
  }
}
