import assert from "node:assert/strict";
import { test } from "node:test";

import { LogLines } from "../../../src/jobs/runner/log-lines.ts";
import { ProgressReporter, type StoredProgress } from "../../../src/jobs/runner/progress.ts";

type Report = readonly [done: number, total: number, note?: string];

/** The stored part of the reports of an attempt, if each is stored before the next. */
async function storedOf(
  reports: readonly Report[],
  known?: StoredProgress,
): Promise<readonly StoredProgress[]> {
  const stored: StoredProgress[] = [];
  const reporter = new ProgressReporter(known, async (progress) => stored.push(progress));
  for (const [done, total, note] of reports) {
    reporter.report({ done, total, ...(note === undefined ? {} : { note }) });
    await reporter.flush();
  }
  return stored;
}

const shown = (all: readonly StoredProgress[]): string[] =>
  all.map(({ done, total, note }) => `${done}/${total} ${note ?? ""}`.trim());

const ROWS: readonly Report[] = [
  [0, 3, "reading"],
  [0, 3, "checking"],
  [1, 3, "row 1"],
  [2, 3, "row 2"],
  [3, 3, "row 3"],
];

test("a new attempt shows only new progress, wherever the previous one ended", async () => {
  const all = await storedOf(ROWS);
  assert.equal(all.length, ROWS.length);
  for (const [at, known] of all.entries())
    assert.deepEqual(shown(await storedOf(ROWS, known)), shown(all.slice(at + 1)), String(at));
});

test("a new attempt shows only new progress with several totals too", async () => {
  const phases: readonly Report[] = [
    [1, 2, "read 1"],
    [2, 2, "read 2"],
    [0, 9, "write"],
    [1, 9, "write 1"],
  ];
  const all = await storedOf(phases);
  assert.equal(all.length, phases.length);
  for (const [at, known] of all.entries())
    assert.deepEqual(shown(await storedOf(phases, known)), shown(all.slice(at + 1)), String(at));
});

test("an attempt that skips finished work shows progress at once", async () => {
  const known = { done: 2, total: 3, note: "row 2", reports: 4 };
  assert.deepEqual(shown(await storedOf([[3, 3, "row 3"]], known)), ["3/3 row 3"]);
});

test("progress that newel did not store has no report count and never decreases", async () => {
  const known = { done: 2, total: 3 };
  const reports: readonly Report[] = [
    [1, 3],
    [1, 3, "again"],
    [3, 3],
  ];
  assert.deepEqual(shown(await storedOf(reports, known)), ["2/3 again", "3/3"]);
});

test("reports faster than ten a second are merged, and none decreases", async () => {
  const stored: string[] = [];
  const reporter = new ProgressReporter(undefined, async (progress) => {
    stored.push(...shown([progress]));
  });
  for (let done = 1; done <= 9; done += 1) reporter.report({ done, total: 10 });
  reporter.report({ done: 2, total: 10 });
  reporter.report({ done: 2, total: 10, note: "late" });
  await reporter.flush();
  assert.deepEqual(stored, ["1/10", "9/10 late"]);
});

test("a report does not wait for the store; its error is thrown by the next report or at the end", async () => {
  let fail: (error: Error) => void = () => undefined;
  const reporter = new ProgressReporter(
    undefined,
    () => new Promise((_, reject) => (fail = reject)),
  );
  reporter.report({ done: 1, total: 9 });
  fail(new Error("away"));
  await new Promise(setImmediate);
  assert.throws(() => reporter.report({ done: 2, total: 9 }), /away/);
  reporter.report({ done: 3, total: 9 });
  const end = reporter.flush();
  await new Promise(setImmediate);
  fail(new Error("still away"));
  await assert.rejects(end, /still away/);
});

test("log lines are sent in order; only too many pending ones wait for the store", async () => {
  const stored: string[] = [];
  const waiting: (() => void)[] = [];
  const lines = new LogLines((line) => {
    stored.push(line);
    return new Promise<void>((resolve) => waiting.push(resolve));
  });
  for (let at = 1; at < 1_000; at += 1) await lines.write(`line ${at}`);
  let isOver = false;
  const crowded = lines.write("line 1000").then(() => (isOver = true));
  await new Promise(setImmediate);
  assert.equal(isOver, false);
  assert.equal(stored.length, 1_000);
  waiting.shift()?.();
  await crowded;
  for (const resolve of waiting.splice(0)) resolve();
  await lines.flush();
  assert.deepEqual(
    stored,
    stored.map((_, at) => `line ${at + 1}`),
  );
});

test("one large line waits by itself, and a failure is thrown once", async () => {
  let end: { resolve(): void; reject(error: Error): void } | undefined;
  const lines = new LogLines(
    () =>
      new Promise<void>((resolve, reject) => {
        end = { resolve, reject };
      }),
  );
  const large = lines.write("x".repeat(1_000_000));
  end?.resolve();
  await large;
  await lines.write("a");
  end?.reject(new Error("away"));
  await new Promise(setImmediate);
  await assert.rejects(lines.write("b"), /away/);
  await lines.flush();
});
