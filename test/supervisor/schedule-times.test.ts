import assert from "node:assert/strict";
import { test } from "node:test";

import { cronProblem, nextTime } from "../../src/supervisor/cron.ts";
import {
  decideSchedule,
  LATE_MS,
  type ScheduleDecision,
  type ScheduleNow,
  STEP_BACK_MS,
} from "../../src/supervisor/machine/schedule.ts";
import { Random } from "../simulation/random.ts";

const SEEDS = 2_000;
const MINUTE_MS = 60_000;

type Decide = (settledMs: number, now: ScheduleNow) => ScheduleDecision;

/** Runs a schedule on a clock that steps, and returns the first rule that a decision breaks. */
function broken(seed: number, decide: Decide): string | undefined {
  const random = new Random(seed);
  const everyMs = random.pick([1_000, 20_000, MINUTE_MS, 60 * MINUTE_MS]);
  const missed = random.pick(["run", "skip"] as const);
  const nextAfter = (afterMs: number): number => (Math.floor(afterMs / everyMs) + 1) * everyMs;
  let nowMs = random.between(0, 10 * MINUTE_MS) + 1e12;
  let settledMs = nowMs;
  const begun = new Set<number>();
  for (let step = 0; step < 40; step += 1) {
    const isStepBack = random.chance(0.1);
    const byMs = random.pick([1, 500, everyMs, 2 * MINUTE_MS, 10 * everyMs, 3 * STEP_BACK_MS]);
    nowMs += isStepBack ? -byMs : byMs;
    const isBusy = random.chance(0.3);
    if (settledMs - nowMs > STEP_BACK_MS) begun.clear();
    const { act, dueMs, nextMs, ...after } = decide(settledMs, {
      nowMs,
      isBusy,
      missed,
      nextAfter,
    });
    const isDue = settledMs - nowMs <= STEP_BACK_MS && nextAfter(settledMs) <= nowMs;
    if (act === "wait" && isDue) return "a time that is due is left waiting";
    if (act !== "wait" && dueMs > nowMs) return "a time begins before it";
    if (act === "run" && begun.has(dueMs)) return "a time runs twice";
    if (act === "run" && isBusy) return "two runs overlap";
    if (act === "run" && missed === "skip" && nowMs - dueMs > LATE_MS) return "a missed time runs";
    if (act === "missed" && missed === "run") return "a missed time does not run";
    if (act === "missed" && nextAfter(Math.max(settledMs, nowMs - LATE_MS)) <= nowMs)
      return "a time that is not late is left out";
    if (nextMs <= nowMs) return "the next time has passed";
    if (nextMs > nextAfter(Math.max(nowMs, after.settledMs))) return "the next time is left out";
    if (act === "run") begun.add(dueMs);
    settledMs = after.settledMs;
  }
  return undefined;
}

test(`a schedule on a clock that steps and sleeps: ${SEEDS} seeds break no rule`, () => {
  for (let seed = 1; seed <= SEEDS; seed += 1)
    assert.equal(broken(seed, decideSchedule), undefined, `seed ${seed}`);
});

test("the rules find broken decisions", () => {
  const variants: Record<string, Decide> = {
    "forgets what is settled": (settledMs, now) => ({
      ...decideSchedule(settledMs, now),
      settledMs: Math.min(settledMs, now.nowMs),
    }),
    overlaps: (settledMs, now) => decideSchedule(settledMs, { ...now, isBusy: false }),
    "runs missed times": (settledMs, now) => decideSchedule(settledMs, { ...now, missed: "run" }),
    "follows the clock back": (settledMs, now) =>
      decideSchedule(Math.min(settledMs, now.nowMs), now),
    "waits for good": (settledMs, now) => {
      const nextMs = now.nextAfter(now.nowMs);
      return { act: "wait", settledMs, dueMs: nextMs, nextMs };
    },
  };
  for (const [name, decide] of Object.entries(variants)) {
    const found = Array.from({ length: SEEDS }, (_, seed) => broken(seed + 1, decide));
    assert.ok(
      found.some((rule) => rule !== undefined),
      name,
    );
  }
});

test("an hour that summer time skips or repeats runs once, and each hour of it once an hour", () => {
  const times = (cron: string, from: string, count: number): string[] => {
    const found: string[] = [];
    let atMs = Date.parse(from);
    for (let index = 0; index < count; index += 1) {
      atMs = nextTime(cron, "Europe/Berlin", atMs);
      found.push(new Date(atMs).toISOString().slice(5, 16));
    }
    return found;
  };
  // 29 March: 02:00 to 03:00 does not exist. 25 October: it exists twice.
  assert.deepEqual(times("30 2 * * *", "2026-03-28T12:00Z", 2), ["03-29T01:30", "03-30T00:30"]);
  assert.deepEqual(times("30 2 * * *", "2026-10-24T12:00Z", 2), ["10-25T00:30", "10-26T01:30"]);
  assert.deepEqual(times("0 * * * *", "2026-10-24T23:30Z", 3), [
    "10-25T00:00",
    "10-25T01:00",
    "10-25T02:00",
  ]);
});

test("a text that is no cron expression is refused with the reason", () => {
  for (const cron of [
    "61 * * * *",
    "* * *",
    "0 0 31 2 *",
    "H * * * *",
    "*/90 * * * *",
    "0 0 * * FOO",
  ])
    assert.equal(typeof cronProblem(cron), "string", cron);
  for (const cron of [
    "0 3 * * *",
    "*/15 9-17 * * MON-FRI",
    "0 0 29 2 *",
    "0 0 L * *",
    "* * * * * *",
  ])
    assert.equal(cronProblem(cron), undefined, cron);
});
