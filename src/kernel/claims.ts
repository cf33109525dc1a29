import { hasCode, newelError } from "../base/errors.ts";
import { checkName, matches } from "../base/names.ts";
import type { ClaimInfo, Kernel } from "./api.ts";
import { look } from "./proc.ts";
import type { EventLog } from "./events.ts";
import type { Journal } from "./journal.ts";
import type { ClaimRecord, JournalRecord } from "./journal-records.ts";

interface Asker {
  readonly pid: number;
  readonly granted: (epoch: number) => void;
  readonly taken: () => void;
}

interface Holder {
  readonly pid: number;
  readonly startTicks: number;
  readonly sinceMs: number;
  /** The connection of the holder; missing while the holder has not come back to a new kernel. */
  asker: Asker | undefined;
  /** Stops watching a holder that has not come back. */
  unwatch: () => void;
}

interface Claim {
  epoch: number;
  holder: Holder | undefined;
  readonly queue: Asker[];
}

/** Calls `ended` when that process has ended, possibly at once; returns a function that stops watching. */
export type WatchProcess = (pid: number, startTicks: number, ended: () => void) => () => void;

/**
 * Named locks that are released with the connection of their holder, but not with the kernel: the next kernel
 * keeps a claim for the process that had it, until that process comes back or ends.
 */
export class ClaimTable {
  readonly #claims = new Map<string, Claim>();
  readonly #journal: Journal;
  readonly #events: EventLog;
  #frozen = false;

  constructor(journal: Journal, events: EventLog) {
    this.#journal = journal;
    this.#events = events;
  }

  readonly verbs: Kernel["claims"] = {
    ask: (name, { pid, had }, granted, taken = () => undefined) => {
      checkName(name, "The claim name");
      const claim = this.#claim(name);
      const asker: Asker = { pid, granted, taken };
      const { holder } = claim;
      const absent = holder !== undefined && holder.asker === undefined;
      if (absent && had === claim.epoch && holder.pid === pid) {
        holder.unwatch();
        holder.asker = asker;
        granted(claim.epoch);
      } else if (had === undefined) {
        claim.queue.push(asker);
        try {
          this.#grant(name, claim);
        } catch (error) {
          // No other request waited for a free claim.
          claim.queue.splice(claim.queue.indexOf(asker), 1);
          throw error;
        }
      } else {
        throw newelError("NEWEL_E_NOT_FOUND", { name: `${name} ${had}`, noun: "claims" });
      }
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
      // The number grows before the next holder has the claim, so that the old one's writes are refused.
      const epoch = claim.epoch + 1;
      this.#journal.release(toRecord(name, { epoch, holder: claim.holder }));
      claim.epoch = epoch;
      claim.holder.asker?.taken();
      this.#free(name, claim);
    },
  };

  get size(): number {
    return [...this.#claims.values()].filter(({ holder }) => holder !== undefined).length;
  }

  *snapshot(): Iterable<JournalRecord> {
    for (const [name, claim] of this.#claims) yield toRecord(name, claim);
  }

  /** Takes over a claim of an earlier kernel. */
  restore({ name, epoch, holder }: ClaimRecord, watch: WatchProcess): void {
    const claim = this.#claim(name);
    claim.epoch = epoch;
    if (holder === undefined) return;
    claim.holder = { ...holder, asker: undefined, unwatch: () => {} };
    claim.holder.unwatch = watch(holder.pid, holder.startTicks, () => {
      if (claim.holder?.asker === undefined) this.#free(name, claim);
    });
  }

  /** Makes the end of a connection release no claim, because it is the kernel that ends. */
  freeze(): void {
    this.#frozen = true;
    for (const { holder } of this.#claims.values()) holder?.unwatch();
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
    const [asker] = claim.queue;
    if (asker === undefined) return;
    const { pid } = asker;
    const startTicks = look(pid)?.startTicks ?? 0;
    const epoch = claim.epoch + 1;
    const holder = { pid, startTicks, sinceMs: Date.now(), asker, unwatch: () => {} };
    // Committed before the grant: the next kernel would reuse a number that it does not know.
    this.#journal.commit(toRecord(name, { epoch, holder }));
    claim.queue.shift();
    claim.epoch = epoch;
    claim.holder = holder;
    this.#events.record({ type: "claimed", noun: "claim", name, pid });
    asker.granted(claim.epoch);
  }

  #giveUp(name: string, claim: Claim, asker: Asker): void {
    if (this.#frozen) return;
    const waiting = claim.queue.indexOf(asker);
    if (waiting >= 0) claim.queue.splice(waiting, 1);
    if (claim.holder?.asker === asker) this.#free(name, claim);
  }

  #free(name: string, claim: Claim): void {
    const pid = claim.holder?.pid;
    claim.holder?.unwatch();
    claim.holder = undefined;
    this.#journal.note(toRecord(name, claim));
    this.#events.record({
      type: "released",
      noun: "claim",
      name,
      ...(pid === undefined ? {} : { pid }),
    });
    this.#grantLater(name, claim);
  }

  /** Grants the claim to the next waiter as soon as the journal can be written. */
  #grantLater(name: string, claim: Claim): void {
    try {
      this.#grant(name, claim);
    } catch (error) {
      if (!hasCode(error, "NEWEL_E_NOT_KEPT")) throw error;
      setTimeout(() => {
        if (!this.#frozen) this.#grantLater(name, claim);
      }, RETRY_MS).unref();
    }
  }
}

/** The delay between two attempts to journal the grant of a claim that others wait for. */
const RETRY_MS = 500;

function toRecord(name: string, { epoch, holder }: Pick<Claim, "epoch" | "holder">): ClaimRecord {
  if (holder === undefined) return { type: "claim", name, epoch };
  const { pid, startTicks, sinceMs } = holder;
  return { type: "claim", name, epoch, holder: { pid, startTicks, sinceMs } };
}
