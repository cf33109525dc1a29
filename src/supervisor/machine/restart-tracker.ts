import type { ResolvedService } from "../config/resolved.ts";
import { decideRestart } from "../restart-policy.ts";
import type { CompletedReplica } from "./types.ts";

/** A wanted replica that is missing, and the decision about it. */
export type Missing =
  | { readonly kind: "backoff"; readonly atMs: number }
  /** It ended with exit code 0, and its restart policy starts no more. Its descendants may keep running. */
  | { readonly kind: "completed"; readonly generation: number }
  /** It runs at the times of its schedule, and has not run yet. */
  | { readonly kind: "scheduled" }
  /** Its restart policy gave up; an operator has to act. */
  | { readonly kind: "failed"; readonly why: string };

/**
 * The missing replicas of a service: the restart policy's decision about each number, the time of the
 * next try, and the history that the decisions rest on.
 */
export class RestartTracker {
  restarts = 0;
  lastRestartMs: number | undefined;
  readonly #byNumber = new Map<number, Missing>();
  readonly #random: () => number;
  #restartTimes: number[] = [];
  #inARow = 0;

  /** @param random - 0 to 1, for the jitter of the backoff */
  constructor(random: () => number) {
    this.#random = random;
  }

  get size(): number {
    return this.#byNumber.size;
  }

  /** The missing numbers and the decision about each. */
  entries(): readonly (readonly [number, Missing])[] {
    return [...this.#byNumber];
  }

  has(number: number): boolean {
    return this.#byNumber.has(number);
  }

  get(number: number): Missing | undefined {
    return this.#byNumber.get(number);
  }

  /** Decides about a replica that ended by itself, or could not be started, after `livedMs`. */
  ended(
    number: number,
    end: {
      readonly generation: number;
      readonly exitCode: number | null;
      readonly livedMs: number;
      readonly ending?: string;
    },
    policy: ResolvedService["restart"],
    nowMs: number,
  ): Missing {
    this.#inARow = end.livedMs >= policy.withinMs ? 0 : this.#inARow + 1;
    const history = { restarts: this.#restartTimes, inARow: Math.max(0, this.#inARow - 1) };
    const decision = decideRestart(
      policy,
      end.exitCode,
      history,
      nowMs,
      this.#random,
      ...(end.ending === undefined ? [] : [end.ending]),
    );
    const missing: Missing =
      decision.verdict === "restart"
        ? { kind: "backoff", atMs: nowMs + decision.afterMs }
        : decision.verdict === "rest"
          ? { kind: "completed", generation: end.generation }
          : { kind: "failed", why: decision.why };
    this.#byNumber.set(number, missing);
    return missing;
  }

  /** Sets the state of a number without a decision: found so, or to be started at once. */
  set(number: number, missing: Missing): void {
    this.#byNumber.set(number, missing);
  }

  /**
   * The numbers whose wait is over; each is counted as a restart and not missing any more.
   *
   * @param taken - numbers whose process tree is still there: they wait on
   * @param most - the largest number of them
   */
  takeDue(
    nowMs: number,
    policy: ResolvedService["restart"],
    taken: ReadonlySet<number>,
    most: number,
  ): number[] {
    const due: number[] = [];
    for (const [number, missing] of this.#byNumber) {
      if (due.length >= most) break;
      if (missing.kind !== "backoff" || missing.atMs > nowMs || taken.has(number)) continue;
      this.#byNumber.delete(number);
      this.restarts += 1;
      this.lastRestartMs = nowMs;
      this.#restartTimes = [...this.#restartTimes, nowMs].slice(-policy.max - 1);
      due.push(number);
    }
    return due;
  }

  /** Counts a replica that was replaced because it was not fit. */
  replaced(nowMs: number): void {
    this.restarts += 1;
    this.lastRestartMs = nowMs;
  }

  /** When the next wait of a number that is not taken ends; `undefined` when there is none. */
  nextDueMs(taken: ReadonlySet<number>): number | undefined {
    let next: number | undefined;
    for (const [number, missing] of this.#byNumber)
      if (missing.kind === "backoff" && !taken.has(number))
        next = Math.min(next ?? Infinity, missing.atMs);
    return next;
  }

  /** Forgets one number; the history of restarts stays. */
  clear(number: number): void {
    this.#byNumber.delete(number);
  }

  /** Forgets all numbers, or all that have not completed; the history of restarts stays. */
  clearAll(keepCompleted = false): void {
    for (const [number, { kind }] of this.#byNumber)
      if (!keepCompleted || kind !== "completed") this.#byNumber.delete(number);
  }
}

/** The numbers whose work is done. */
export function completedNumbers(tracker: RestartTracker): number[] {
  return completedReplicas(tracker).map(({ number }) => number);
}

/** The replicas whose work is done. */
export function completedReplicas(tracker: RestartTracker): CompletedReplica[] {
  return tracker
    .entries()
    .flatMap(([number, missing]) =>
      missing.kind === "completed" ? [{ number, generation: missing.generation }] : [],
    );
}
