import assert from "node:assert/strict";
import { test } from "node:test";

import {
  describeStep,
  freeSlots,
  planReload,
  planRestart,
  planScale,
  planStart,
  planStop,
} from "../../src/supervisor/machine/steps.ts";
import { formatRunName, isOfHash, parseRunName } from "../../src/supervisor/process-names.ts";
import { decideRestart } from "../../src/supervisor/restart-policy.ts";

const words = (steps: ReturnType<typeof planReload>): string[] =>
  steps.map((step) => describeStep(step, "web", true));

test("a reload starts one new process, proves it, lets it accept, and only then drains an old one", () => {
  assert.deepEqual(words(planReload([1, 2], 2)), [
    "start web.3",
    "wait until web.3 is ready",
    "wait until web.3 has proved stable",
    "let web.3 accept connections",
    "drain and stop web.1",
    "start web.1",
    "wait until web.1 is ready",
    "let web.1 accept connections",
    "drain and stop web.2",
  ]);
});

test("the words of a stop are those of its kind", () => {
  const text = (...[slots, of]: Parameters<typeof planStop>): string[] =>
    planStop(slots, of).map((step) => describeStep(step, "job", false));
  assert.deepEqual(text([1, 2]), ["stop job.1, job.2"], "it has no clients");
  assert.deepEqual(text([1], "ending"), ["wait until job.1 has ended"]);
  assert.deepEqual(text([1, 2], "ending"), ["wait until job.1, job.2 have ended"]);
});

test("every process that a reload starts next to old ones is held until it is ready", () => {
  const starts = planReload([1, 2, 3], 3).filter((step) => step.do === "start");
  assert.equal(starts.length, 3);
  assert.ok(starts.every(({ hold }) => hold));
});

test("a reload of a service with too few or too many replicas ends with the wanted number", () => {
  const alive = (present: number[], replicas: number): number => {
    const slots = new Set(present);
    for (const step of planReload(present, replicas)) {
      for (const slot of step.slots) {
        if (step.do === "start") slots.add(slot);
        if (step.do === "stop") slots.delete(slot);
      }
      assert.ok(slots.size >= Math.min(present.length, replicas), "never fewer than before");
    }
    return slots.size;
  };
  assert.equal(alive([1], 3), 3);
  assert.equal(alive([1, 2, 3], 1), 1);
  assert.equal(alive([2, 5], 2), 2);
});

test("a reload of nothing is a start", () => {
  assert.deepEqual(planReload([], 2), planStart([], 2));
});

test("restart stops all before it starts all; scale touches only the difference", () => {
  assert.deepEqual(words(planRestart([1, 3], 2)), [
    "drain and stop web.1, web.3",
    "start web.1, web.2",
    "wait until web.1, web.2 are ready",
  ]);
  assert.deepEqual(words(planScale([1, 2], 4)), [
    "start web.3, web.4",
    "wait until web.3, web.4 are ready",
  ]);
  assert.deepEqual(words(planScale([1, 3, 2], 1)), ["drain and stop web.3, web.2"]);
  assert.deepEqual(planScale([1, 2], 2), []);
  assert.deepEqual(planStop([]), []);
  assert.deepEqual(freeSlots([1, 3], 3), [2, 4, 5]);
});

const POLICY = {
  policy: "always",
  max: 3,
  withinMs: 60_000,
  backoff: { minMs: 100, maxMs: 1_000 },
  whenFailed: "refuse",
} as const;

test("the restart policy: always, on-failure, never", () => {
  const none = { restarts: [], inARow: 0 };
  const verdict = (policy: "always" | "on-failure" | "never", exitCode: number | null): string =>
    decideRestart({ ...POLICY, policy }, exitCode, none, 0).verdict;
  assert.deepEqual(
    [
      verdict("always", 0),
      verdict("always", 1),
      verdict("on-failure", 0),
      verdict("on-failure", -9),
      verdict("on-failure", null),
      verdict("never", 0),
      verdict("never", 1),
    ],
    ["restart", "restart", "rest", "restart", "restart", "rest", "give up"],
  );
});

test("backoff grows with failures in a row, up to its bound", () => {
  const wait = (inARow: number): number => {
    const decision = decideRestart(POLICY, 1, { restarts: [], inARow }, 0, () => 0.5);
    assert.equal(decision.verdict, "restart");
    return decision.verdict === "restart" ? decision.afterMs : 0;
  };
  assert.deepEqual([0, 1, 2, 3, 4, 10].map(wait), [100, 200, 400, 800, 1_000, 1_000]);
});

test("too many restarts within the window: failed; old ones do not count", () => {
  const now = 100_000;
  const recent = { restarts: [50_000, 60_000, 70_000], inARow: 3 };
  const decision = decideRestart(POLICY, 1, recent, now);
  assert.equal(decision.verdict, "give up");
  assert.match(
    decision.verdict === "give up" ? decision.why : "",
    /failed 4 times within 60 s.*exit code 1/,
  );
  assert.equal(
    decideRestart(POLICY, 1, { restarts: [10_000, 20_000, 70_000], inARow: 1 }, now).verdict,
    "restart",
  );
});

test("the kernel's name of a replica contains all of its fields", () => {
  const run = { app: "shop", service: "web.api", slot: 3, run: 17, hash: "3fa9c2d1e5" };
  assert.equal(formatRunName(run), "shop/web.api.3#17-3fa9c2d1");
  const parsed = parseRunName(formatRunName(run));
  assert.deepEqual(parsed, { ...run, hash: "3fa9c2d1" });
  assert.ok(parsed !== undefined && isOfHash(parsed, run.hash) && !isOfHash(parsed, "0fa9c2d1e5"));
  assert.equal(parseRunName("somebody-else"), undefined);
});
