import assert from "node:assert/strict";
import { test } from "node:test";

import { growBy, mustRecall, type Crowd } from "../../src/pool/growth.ts";
import {
  isTakenBack,
  progressOf,
  ProgressState,
  progressWord,
  UNKNOWN_PROGRESS,
} from "../../src/pool/progress.ts";
import { ABANDONED_MS, judge, type StallFacts, type Verdict } from "../../src/pool/stall.ts";

const FACTS: StallFacts = {
  tasks: [],
  progress: UNKNOWN_PROGRESS,
  told: 0,
  heardMs: 1_000,
  pingedMs: 1_001,
  concurrency: 256,
  killMs: 400,
  stallMs: 10_000,
};

/** Tasks numbered from 1; a task with a time was given up then. */
function tasks(...givenUp: readonly (number | undefined)[]): StallFacts["tasks"] {
  return givenUp.map((givenUpMs, at) => ({ sentNumber: at + 1, givenUpMs }));
}

function killed(
  verdict: Verdict,
): { readonly number: number; readonly isKnown: boolean } | undefined {
  if (verdict.do !== "kill") return undefined;
  return { number: verdict.blocker.sentNumber, isKnown: verdict.isKnown };
}

test("a given-up task that is known to block its worker has it killed after killMs", () => {
  // A harmless task was sent earlier, and one that has not begun later.
  const facts = {
    ...FACTS,
    tasks: tasks(undefined, 1_200, undefined),
    progress: { begun: 2, starting: 2 },
  };
  assert.equal(judge(facts, 1_599).do, "wait");
  assert.deepEqual(killed(judge(facts, 1_600)), { number: 2, isKnown: true });
});

test("the time counts from the last message of the worker", () => {
  const facts = {
    ...FACTS,
    heardMs: 5_000,
    tasks: tasks(1_200),
    progress: { begun: 1, starting: 1 },
  };
  assert.equal(judge(facts, 5_399).do, "wait");
  assert.equal(judge(facts, 5_400).do, "kill");
});

test("a worker that starts a task which was not given up is never killed for others", () => {
  const facts = {
    ...FACTS,
    tasks: tasks(1_200, undefined),
    told: 1,
    progress: { begun: 2, starting: 2 },
  };
  assert.equal(judge(facts, 1e9).do, "wait");
});

test("if any of several begun tasks may block, the worker has stallMs", () => {
  for (const progress of [{ begun: 2, starting: 0 }, UNKNOWN_PROGRESS]) {
    const facts = { ...FACTS, tasks: tasks(1_200, undefined), told: 2, progress };
    assert.equal(judge(facts, 11_199).do, "wait");
    assert.deepEqual(killed(judge(facts, 11_200)), { number: 1, isKnown: false });
  }
});

test("if all begun tasks were given up, the worker is killed after killMs", () => {
  const facts = {
    ...FACTS,
    tasks: tasks(1_300, 1_200, undefined),
    told: 2,
    progress: { begun: 2, starting: 0 },
  };
  assert.deepEqual(killed(judge(facts, 1_600)), { number: 2, isKnown: false });
});

test("a given-up task that has not begun has no effect", () => {
  const facts = {
    ...FACTS,
    tasks: tasks(undefined, 1_200),
    told: 1,
    progress: { begun: 1, starting: 0 },
  };
  assert.equal(judge(facts, 1e9).do, "wait");
});

test("a responsive worker is retired when given-up tasks hold half of its permits, or one for a minute", () => {
  const turns = { ...FACTS, pingedMs: undefined, told: 4, progress: { begun: 4, starting: 0 } };
  const facts = { ...turns, concurrency: 4, tasks: tasks(1_000, 1_100, undefined, undefined) };
  assert.equal(judge(facts, 1_499).do, "wait", "the second still has time");
  assert.equal(judge(facts, 1_500).do, "retire");
  const one = { ...turns, tasks: tasks(1_000, undefined) };
  assert.equal(judge(one, 1_000 + ABANDONED_MS - 1).do, "wait");
  assert.equal(judge(one, 1_000 + ABANDONED_MS).do, "retire");
});

test("a waiting verdict is re-evaluated when it may change, after killMs / 4 at the latest", () => {
  const facts = { ...FACTS, tasks: tasks(1_200), progress: { begun: 1, starting: 1 } };
  assert.deepEqual(judge(facts, 1_400), { do: "wait", atMs: 1_500 });
  assert.deepEqual(judge(facts, 1_550), { do: "wait", atMs: 1_600 });
});

test("a progress record continues from the last report, beyond 32 bits too", () => {
  const told = 2 ** 32 + 5;
  const read = (taken: number, state: number): unknown =>
    progressOf(progressWord(taken, state), told);
  assert.deepEqual(read(told + 2, ProgressState.STARTING), {
    begun: told + 3,
    starting: told + 3,
  });
  assert.deepEqual(read(told + 2, ProgressState.IDLE), { begun: told + 2, starting: 0 });
  assert.equal(read(told + 2, ProgressState.INEXACT), UNKNOWN_PROGRESS);
  assert.equal(read(told - 1, ProgressState.IDLE), UNKNOWN_PROGRESS, "older than the report");
});

test("the range of tasks that a pool took back is exact, beyond 32 bits too", () => {
  for (const after of [0, 5, 2 ** 31 - 2, 2 ** 32 - 2]) {
    // As the record keeps them: with and without a sign.
    for (const words of [new Uint32Array([after, after + 3]), new Int32Array([after, after + 3])]) {
      const [from = 0, upTo = 0] = words;
      const taken = [0, 1, 2, 3, 4].filter((ahead) => isTakenBack(after + ahead, from, upTo));
      assert.deepEqual(taken, [1, 2, 3], `after ${after}`);
    }
  }
  assert.ok(!isTakenBack(1, 0, 0), "an empty record");
});

test("a pool grows by the tasks that waited for 20 ms, in the pool or in a worker, and at most doubles", () => {
  const crowd: Crowd = { max: 8, size: 1, starting: 0, waiting: 6, oldestMs: 20, behind: 0 };
  assert.equal(growBy(crowd), 1);
  assert.equal(growBy({ ...crowd, size: 2 }), 2);
  assert.equal(growBy({ ...crowd, size: 4, starting: 2 }), 4);
  assert.equal(growBy({ ...crowd, size: 4, starting: 3, waiting: 4 }), 1);
  assert.equal(growBy({ ...crowd, size: 4, starting: 4, waiting: 4 }), 0);
  assert.equal(growBy({ ...crowd, oldestMs: 19 }), 0);
  assert.equal(growBy({ ...crowd, waiting: 0, oldestMs: 0, behind: 2 }), 1);
  assert.equal(growBy({ ...crowd, size: 8 }), 0);
  assert.equal(growBy({ ...crowd, size: 0 }), 1);
});

test("tasks that a silent worker has not begun are recalled once, if other workers can run them", () => {
  const holder = { unbegun: 1, silentMs: 20, isRecalled: false, hasOthers: true };
  assert.ok(mustRecall(holder));
  assert.ok(!mustRecall({ ...holder, hasOthers: false }));
  assert.ok(!mustRecall({ ...holder, unbegun: 0 }), "it has begun all");
  assert.ok(!mustRecall({ ...holder, silentMs: 19 }));
  assert.ok(!mustRecall({ ...holder, isRecalled: true }));
});
