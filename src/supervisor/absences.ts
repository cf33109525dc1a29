import type { ResolvedService } from "./config/resolved.ts";
import { decideRestart } from "./restart-policy.ts";

/** A copy that is not running now, and what becomes of it. */
export type Absence =
  | { readonly kind: "ended"; readonly exitCode: number | null }
  | { readonly kind: "backoff"; readonly timer: NodeJS.Timeout; readonly atMs: number }
  | { readonly kind: "done" }
  | { readonly kind: "failed" };

type Policy = ResolvedService["restart"];

/** What follows from a decision; the service does it. */
export interface AbsenceHandlers {
  /** Its time to be tried again has come. */
  readonly again: (slot: number) => void;
  readonly givenUp: (slot: number, why: string) => void;
}

/**
 * The copies of a service that are missing: what the restart policy decided about each, the waits
 * before the next try, and the history those decisions rest on.
 */
export class Absences implements Iterable<[number, Absence]> {
  restarts = 0;
  lastRestartMs: number | undefined;
  readonly #bySlot = new Map<number, Absence>();
  readonly #handlers: AbsenceHandlers;
  #restartTimes: number[] = [];
  #inARow = 0;

  constructor(handlers: AbsenceHandlers) {
    this.#handlers = handlers;
  }

  get size(): number {
    return this.#bySlot.size;
  }

  get kinds(): readonly Absence["kind"][] {
    return [...this.#bySlot.values()].map(({ kind }) => kind);
  }

  [Symbol.iterator](): MapIterator<[number, Absence]> {
    return this.#bySlot.entries();
  }

  has(slot: number): boolean {
    return this.#bySlot.has(slot);
  }

  /**
   * A copy ended, or counts as ended: nothing is decided yet.
   *
   * @param livedMs - how long it lived; a copy that lived for the whole window begins a new row
   */
  add(slot: number, exitCode: number | null, policy: Policy, livedMs?: number): void {
    if (livedMs !== undefined) this.#inARow = livedMs > policy.withinMs ? 0 : this.#inARow + 1;
    this.#bySlot.set(slot, { kind: "ended", exitCode });
  }

  /** Lets the policy decide about every copy that ended, as long as there is room for another. */
  decideAll(policy: Policy, hasRoom: () => boolean): void {
    for (const [slot, absence] of this.#bySlot) {
      if (absence.kind !== "ended") continue;
      this.#bySlot.delete(slot);
      if (hasRoom()) this.decide(slot, absence.exitCode, policy);
    }
  }

  /** Lets the policy decide about a copy that is not there. */
  decide(slot: number, exitCode: number | null, policy: Policy): void {
    const history = { restarts: this.#restartTimes, inARow: Math.max(0, this.#inARow - 1) };
    const decision = decideRestart(policy, exitCode, history, Date.now());
    switch (decision.verdict) {
      case "rest":
        this.#bySlot.set(slot, { kind: "done" });
        break;
      case "give up":
        this.#bySlot.set(slot, { kind: "failed" });
        this.#handlers.givenUp(slot, decision.why);
        break;
      case "restart": {
        const timer = setTimeout(() => this.#again(slot, policy), decision.afterMs);
        this.#bySlot.set(slot, { kind: "backoff", timer, atMs: Date.now() + decision.afterMs });
        break;
      }
    }
  }

  /** Nobody is missed any more; what happened stays in the history. */
  clear(): void {
    for (const absence of this.#bySlot.values())
      if (absence.kind === "backoff") clearTimeout(absence.timer);
    this.#bySlot.clear();
  }

  #again(slot: number, policy: Policy): void {
    this.#bySlot.delete(slot);
    this.restarts += 1;
    this.lastRestartMs = Date.now();
    this.#restartTimes = [...this.#restartTimes, this.lastRestartMs].slice(-policy.max - 1);
    this.#handlers.again(slot);
  }
}
