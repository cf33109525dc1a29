import { newelError } from "../base/errors.ts";
import { checkName, matches } from "../base/names.ts";
import type { ClaimInfo, Kernel } from "./api.ts";
import type { EventLog } from "./events.ts";
import type { Journal, JournalRecord } from "./journal.ts";

interface Asker {
  readonly pid: number;
  readonly granted: (epoch: number) => void;
}

interface Claim {
  epoch: number;
  holder: (Asker & { readonly sinceMs: number }) | undefined;
  readonly queue: Asker[];
}

/** Named locks that die with the connection of their holder. */
export class ClaimTable {
  readonly #claims = new Map<string, Claim>();
  readonly #journal: Journal;
  readonly #events: EventLog;

  /** @param epochs - the fencing numbers of an earlier kernel: they only grow */
  constructor(epochs: ReadonlyMap<string, number>, journal: Journal, events: EventLog) {
    for (const [name, epoch] of epochs)
      this.#claims.set(name, { epoch, holder: undefined, queue: [] });
    this.#journal = journal;
    this.#events = events;
  }

  readonly verbs: Kernel["claims"] = {
    ask: (name, { pid }, granted) => {
      checkName(name, "The claim name");
      const claim = this.#claim(name);
      const asker: Asker = { pid, granted };
      claim.queue.push(asker);
      this.#grant(name, claim);
      return () => this.#giveUp(name, claim, asker);
    },
    list: (patterns = []) =>
      [...this.#claims]
        .filter(
          ([name]) => patterns.length === 0 || patterns.some((pattern) => matches(pattern, name)),
        )
        .flatMap(([name, claim]): ClaimInfo[] => {
          if (claim.holder === undefined) return [];
          const { pid, sinceMs } = claim.holder;
          return [
            { name, holder: { pid, sinceMs }, epoch: claim.epoch, waiting: claim.queue.length },
          ];
        })
        .sort((a, b) => (a.name < b.name ? -1 : 1)),
    release: (name) => {
      const claim = this.#claims.get(name);
      if (claim?.holder === undefined)
        throw newelError("NEWEL_E_NOT_FOUND", { name, noun: "claims" });
      // The number grows before anybody else is told, so that the old holder's writes are refused.
      this.#grow(name, claim);
      claim.holder = undefined;
      this.#events.record({ type: "released", noun: "claim", name });
      this.#grant(name, claim);
    },
  };

  get size(): number {
    return [...this.#claims.values()].filter(({ holder }) => holder !== undefined).length;
  }

  *snapshot(): Iterable<JournalRecord> {
    for (const [name, { epoch }] of this.#claims) yield { type: "claim", name, epoch };
  }

  #claim(name: string): Claim {
    const existing = this.#claims.get(name);
    if (existing !== undefined) return existing;
    const claim: Claim = { epoch: 0, holder: undefined, queue: [] };
    this.#claims.set(name, claim);
    return claim;
  }

  #grant(name: string, claim: Claim): void {
    if (claim.holder !== undefined) return;
    const next = claim.queue.shift();
    if (next === undefined) return;
    this.#grow(name, claim);
    claim.holder = { ...next, sinceMs: Date.now() };
    this.#events.record({ type: "claimed", noun: "claim", name, pid: next.pid });
    next.granted(claim.epoch);
  }

  #giveUp(name: string, claim: Claim, asker: Asker): void {
    const waiting = claim.queue.indexOf(asker);
    if (waiting >= 0) claim.queue.splice(waiting, 1);
    if (claim.holder?.granted !== asker.granted) return;
    claim.holder = undefined;
    this.#events.record({ type: "released", noun: "claim", name, pid: asker.pid });
    this.#grant(name, claim);
  }

  #grow(name: string, claim: Claim): void {
    claim.epoch += 1;
    this.#journal.append({ type: "claim", name, epoch: claim.epoch });
  }
}
