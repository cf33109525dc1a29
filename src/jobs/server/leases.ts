import { uptime } from "node:os";

import { newelError } from "../../base/errors.ts";
import { formatRunId } from "../names.ts";
import { type Lease, LeaseBook, type LeaseTerms, type Renewal } from "./lease-book.ts";

/** How often a write asks the store whether its lease is still valid. */
const CONFIRM_TRIES = 5;
/** The number of checks of the leases within the duration of a lock. */
const TICKS = 6;

/**
 * The time since the machine was started, in milliseconds. Unlike the clock of `performance.now()` it goes on while
 * the machine is suspended, as the locks in the store do; unlike the wall clock it is never set.
 */
export function leaseClock(): number {
  return uptime() * 1_000;
}

export interface LeasesOptions extends LeaseTerms {
  readonly queue: string;
  /** Asks the store to renew locks. @returns the ids of jobs that the tokens do not hold */
  readonly renew: (
    ids: string[],
    tokens: string[],
    durationMs: number,
  ) => Promise<readonly string[]>;
  /** Called when a renewal failed; it is tried again. */
  readonly failed: (error: unknown) => void;
  /** Called when a lease was lost. */
  readonly lost: (reason: Error) => void;
}

/** The attempt's side of its lease. */
export interface HeldLease {
  readonly token: string;
  /** Aborts when the lease is lost: the attempt has to end, and its further writes are refused. */
  readonly lost: AbortSignal;
  /** Call it when a process gets the job. */
  begin(): void;
  /** Call it before the outcome of the attempt is stored. @returns whether it may be stored: the lease is not lost */
  settle(): boolean;
  /** Call it when the store has refused the outcome, because another token has the job. */
  refuse(): void;
  /** Resolves when a write may be sent; rejects with NEWEL_E_JOB_LEASE_LOST when it must not. */
  confirm(): Promise<void>;
  /** Ends the lease. */
  close(): void;
}

/** Renews the leases of a server's jobs in one queue until their attempts end, and reports those that are lost. */
export class Leases {
  readonly #options: LeasesOptions;
  readonly #book: LeaseBook;
  readonly #lost = new Map<number, AbortController>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: LeasesOptions) {
    this.#options = options;
    this.#book = new LeaseBook(options);
  }

  /** @param askedMs - when the store was asked for the job, by {@link leaseClock} */
  take(id: string, token: string, askedMs: number): HeldLease {
    const { lease, lost } = this.#book.take(id, token, askedMs);
    this.#lose(lost);
    const controller = new AbortController();
    this.#lost.set(lease.serial, controller);
    this.#timer ??= setInterval(() => this.#tick(), this.#options.lockMs / TICKS);
    return {
      token,
      lost: controller.signal,
      begin: () => void this.#book.move(lease, "begin"),
      settle: () => this.#book.move(lease, "settle"),
      refuse: () => {
        if (this.#book.move(lease, "refuse")) this.#lose([lease]);
      },
      confirm: () => this.#confirm(lease),
      close: () => this.#close(lease),
    };
  }

  #close(lease: Lease): void {
    this.#book.move(lease, "close");
    this.#lost.delete(lease.serial);
    if (this.#book.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #tick(): void {
    const nowMs = leaseClock();
    this.#lose(this.#book.lapse(nowMs));
    for (const renewal of this.#book.renewals(nowMs))
      this.#renew(renewal).catch((error: unknown) => this.#options.failed(error));
  }

  async #renew(renewal: Renewal): Promise<void> {
    const { leases } = renewal;
    const ids = leases.map(({ id }) => id);
    const tokens = leases.map(({ token }) => token);
    let refused: readonly string[];
    try {
      refused = await this.#options.renew(ids, tokens, this.#options.lockMs);
    } catch (error) {
      this.#book.unanswered(renewal);
      throw error;
    }
    this.#lose(this.#book.answered(renewal, refused));
  }

  async #confirm(lease: Lease): Promise<void> {
    for (let tries = 1; tries <= CONFIRM_TRIES; tries += 1) {
      const permission = this.#book.mayWrite(lease, leaseClock());
      if (permission === "yes") return;
      if (permission === "no") throw this.#lostReason(lease);
      // An answer may be old when it is read, if this process stood still: then the lease is renewed again.
      await this.#renew(this.#book.renewal(lease, leaseClock()));
    }
    throw this.#lostReason(lease);
  }

  #lose(leases: readonly Lease[]): void {
    for (const lease of leases) {
      const reason = this.#lostReason(lease);
      this.#options.lost(reason);
      this.#lost.get(lease.serial)?.abort(reason);
    }
  }

  #lostReason({ id }: Lease): Error {
    return newelError("NEWEL_E_JOB_LEASE_LOST", { run: formatRunId(this.#options.queue, id) });
  }
}
