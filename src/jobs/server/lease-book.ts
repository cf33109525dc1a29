/**
 * The leases of one server and queue, and the life of the attempts that have them, as a state machine
 * without effects: a call passes an event and the time and returns the actions. `leases.ts` runs them;
 * `test/simulation/jobs` runs the machine against a simulated store.
 *
 * A lease belongs to one taking of a job. Its serial number identifies it, because a job may be taken again by the
 * same server, even with the same token, while answers about the former taking are still on their way.
 *
 * | phase     | meaning                                              | renewed | may write |
 * |-----------|------------------------------------------------------|---------|-----------|
 * | `taken`   | the store gave the job; no process has it            | yes     | yes       |
 * | `running` | a process executes it                                | yes     | yes       |
 * | `ending`  | its outcome is being stored: done, failed, parked, … | yes     | no        |
 * | `lost`    | another server may have the job; attempt is aborted  | no      | no        |
 * | `over`    | the outcome is stored, or was given up               | no      | no        |
 *
 * A lease that the store refuses to renew while its attempt is `ending` is not lost, because the stored outcome
 * may have ended it. The store decides by the token whether it accepts an outcome.
 */
type Phase = "taken" | "running" | "ending" | "lost" | "over";

/** An event of one attempt. */
export type LeaseEvent = "begin" | "settle" | "lose" | "refuse" | "close";

const NEXT: Readonly<Record<Phase, Readonly<Partial<Record<LeaseEvent, Phase>>>>> = {
  taken: { begin: "running", settle: "ending", lose: "lost", close: "over" },
  running: { settle: "ending", lose: "lost", close: "over" },
  ending: { refuse: "lost", close: "over" },
  lost: { close: "over" },
  over: {},
};

/** One taking of a job. */
export interface Lease {
  /** Unique in this process. */
  readonly serial: number;
  readonly id: string;
  readonly token: string;
  readonly phase: Phase;
}

interface Entry extends Lease {
  phase: Phase;
  /** When the taking, or the last successful renewal, was sent: the lock counts from this moment or a later one. */
  heldSinceMs: number;
  /** Whether a renewal is pending. */
  isAsked: boolean;
}

/** Leases to be renewed by one call; each job is in it once, because the store answers with ids. */
export interface Renewal {
  readonly sentMs: number;
  readonly leases: readonly Lease[];
}

/** Whether a write of an attempt may be sent: at once, after a successful renewal, or not at all. */
export type WritePermission = "yes" | "ask" | "no";

/** The duration of a lock, and the rule for its end. */
export interface LeaseTerms {
  /** Milliseconds. */
  readonly lockMs: number;
  /**
   * Whether a lock ends in the store by time alone. A file gives no job of a live process to another one
   * while the store cannot be written, so there an unanswered renewal ends no lease, unless this process stood
   * still itself.
   */
  readonly lapses: boolean;
}

/** A lease is renewed when this share of its lock time has passed. */
const RENEW_SHARE = 1 / 3;
/** A write is sent without a renewal while less than this share of the lock time has passed. */
const SURE_SHARE = 2 / 3;

/**
 * All leases of a queue that a server holds. Times are in milliseconds of a monotonic clock that includes
 * suspension of the machine.
 */
export class LeaseBook {
  readonly #terms: LeaseTerms;
  readonly #entries = new Map<number, Entry>();
  #serial = 0;
  #lookedMs = Number.POSITIVE_INFINITY;
  /** When this process last continued after it had stood still. */
  #stoodStillMs = Number.NEGATIVE_INFINITY;

  constructor(terms: LeaseTerms) {
    this.#terms = terms;
  }

  /** Leases that are not over. */
  get size(): number {
    return this.#entries.size;
  }

  /**
   * The store gave a job for a call that was sent at `askedMs`.
   *
   * @returns the lease, and older leases of the same job, which the store has revoked
   */
  take(id: string, token: string, askedMs: number): { lease: Lease; lost: readonly Lease[] } {
    const lost = [...this.#entries.values()].filter(
      (entry) => entry.id === id && this.#move(entry, "lose"),
    );
    // Without leases there is nothing to check.
    if (this.#entries.size === 0) this.#lookedMs = askedMs;
    this.#serial += 1;
    const lease: Entry = {
      serial: this.#serial,
      id,
      token,
      phase: "taken",
      heldSinceMs: askedMs,
      isAsked: false,
    };
    this.#entries.set(lease.serial, lease);
    return { lease, lost };
  }

  /** @returns whether the phase allowed the event and has changed */
  move(lease: Lease, event: LeaseEvent): boolean {
    const entry = this.#entries.get(lease.serial);
    return entry !== undefined && this.#move(entry, event);
  }

  #move(entry: Entry, event: LeaseEvent): boolean {
    const next = NEXT[entry.phase][event];
    if (next === undefined) return false;
    entry.phase = next;
    if (next === "over") this.#entries.delete(entry.serial);
    return true;
  }

  mayWrite(lease: Lease, nowMs: number): WritePermission {
    const entry = this.#entries.get(lease.serial);
    if (entry?.phase !== "taken" && entry?.phase !== "running") return "no";
    const isFresh = nowMs - entry.heldSinceMs < this.#terms.lockMs * SURE_SHARE;
    return isFresh ? "yes" : "ask";
  }

  /** The renewals that are due at this time. */
  renewals(nowMs: number): readonly Renewal[] {
    const due = [...this.#entries.values()].filter(
      (entry) =>
        isHeld(entry) &&
        !entry.isAsked &&
        nowMs - entry.heldSinceMs >= this.#terms.lockMs * RENEW_SHARE,
    );
    return batches(due).map((leases) => this.#ask(leases, nowMs));
  }

  /** The renewal of one lease now, whether it is due or not. */
  renewal(lease: Lease, nowMs: number): Renewal {
    const entry = this.#entries.get(lease.serial);
    return this.#ask(entry === undefined ? [] : [entry], nowMs);
  }

  #ask(leases: readonly Entry[], sentMs: number): Renewal {
    for (const entry of leases) entry.isAsked = true;
    return { sentMs, leases };
  }

  /**
   * The store has answered a renewal.
   *
   * @param refused - the ids of jobs that the tokens do not hold
   * @returns the leases that are lost by the answer
   */
  answered({ leases, sentMs }: Renewal, refused: readonly string[]): readonly Lease[] {
    const lost: Lease[] = [];
    for (const { serial, id } of leases) {
      const entry = this.#entries.get(serial);
      if (entry === undefined) continue;
      entry.isAsked = false;
      if (refused.includes(id)) {
        if (this.#move(entry, "lose")) lost.push(entry);
      } else entry.heldSinceMs = Math.max(entry.heldSinceMs, sentMs);
    }
    return lost;
  }

  /** The call of a renewal failed. */
  unanswered({ leases }: Renewal): void {
    for (const { serial } of leases) {
      const entry = this.#entries.get(serial);
      if (entry !== undefined) entry.isAsked = false;
    }
  }

  /**
   * Checks the time; called regularly.
   *
   * @returns the leases that have expired, because no renewal succeeded
   */
  lapse(nowMs: number): readonly Lease[] {
    const { lockMs, lapses } = this.#terms;
    if (nowMs - this.#lookedMs >= lockMs) this.#stoodStillMs = nowMs;
    this.#lookedMs = nowMs;
    // A process that stood still longer than its locks last does not know the state of the locks in the store.
    const isUnsure = nowMs - this.#stoodStillMs >= lockMs * RENEW_SHARE;
    return [...this.#entries.values()].filter((entry) => {
      const isLate = nowMs - entry.heldSinceMs >= lockMs;
      const hasEnded = lapses || (isUnsure && entry.heldSinceMs < this.#stoodStillMs);
      return isLate && hasEnded && this.#move(entry, "lose");
    });
  }
}

function isHeld({ phase }: Lease): boolean {
  return phase === "taken" || phase === "running" || phase === "ending";
}

/** Groups leases into as few calls as possible, with each job once in a call. */
function batches(due: readonly Entry[]): Entry[][] {
  const made: { readonly ids: Set<string>; readonly leases: Entry[] }[] = [];
  for (const entry of due) {
    let batch = made.find(({ ids }) => !ids.has(entry.id));
    if (batch === undefined) made.push((batch = { ids: new Set(), leases: [] }));
    batch.ids.add(entry.id);
    batch.leases.push(entry);
  }
  return made.map(({ leases }) => leases);
}
