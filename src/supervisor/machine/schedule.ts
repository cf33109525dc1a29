/**
 * The decisions about the times of a schedule, pure: they are driven by the time of the wall clock, and by the next
 * time of a cron expression. A time is settled once: it led to a run, or was left out for a reason that is reported.
 *
 * | at a time | decision |
 * |---|---|
 * | the former run is over | `run` |
 * | the former run is not over | `overlap`: no run |
 * | the time has passed by more than {@link LATE_MS}, because no supervisor ran or the machine slept | with `missed: "run"` one run for all such times, else `missed`: no run |
 * | the clock was set back, by less than {@link STEP_BACK_MS} | none: a time that is settled is not repeated |
 * | the clock was set back by more | the times after the new time of the clock are due again |
 */

/** A time that is later than this was missed, in milliseconds. */
export const LATE_MS = 60_000;
/** A step of the clock that begins the schedule again from the new time, in milliseconds. */
export const STEP_BACK_MS = 3_600_000;

/** The treatment of times that passed without a supervisor. */
export type Missed = "run" | "skip";

/** The input of a decision. */
export interface ScheduleNow {
  /** The time of the wall clock. */
  readonly nowMs: number;
  /** Whether the former run is not over. */
  readonly isBusy: boolean;
  readonly missed: Missed;
  /** The first time of the schedule after a moment. */
  readonly nextAfter: (afterMs: number) => number;
}

export interface ScheduleDecision {
  /** `wait`: no time is due. */
  readonly act: "wait" | "run" | "overlap" | "missed";
  /** Every time of the schedule up to this one is settled. */
  readonly settledMs: number;
  /** The scheduled time that the decision applies to; for `wait`, the next scheduled time. */
  readonly dueMs: number;
  /** The next time of the schedule. */
  readonly nextMs: number;
}

/** Decides about the times since the last one that is settled. */
export function decideSchedule(settledMs: number, now: ScheduleNow): ScheduleDecision {
  const { nowMs, isBusy, missed, nextAfter } = now;
  const sinceMs = settledMs - nowMs > STEP_BACK_MS ? nowMs : settledMs;
  const firstMs = nextAfter(sinceMs);
  if (firstMs > nowMs) return { act: "wait", settledMs: sinceMs, dueMs: firstMs, nextMs: firstMs };
  // Of several times, one that is not late counts.
  const freshMs = nextAfter(Math.max(sinceMs, nowMs - LATE_MS - 1));
  const isLate = freshMs > nowMs;
  const act = isLate && missed === "skip" ? "missed" : isBusy ? "overlap" : "run";
  const dueMs = isLate ? firstMs : freshMs;
  return { act, settledMs: nowMs, dueMs, nextMs: nextAfter(nowMs) };
}
