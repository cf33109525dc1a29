import assert from "node:assert/strict";
import { test } from "node:test";

import type { RunnerAsk } from "../../../src/jobs/runner/protocol.ts";
import { Steps } from "../../../src/jobs/runner/steps.ts";
import { STEPS_LIMIT, STEPS_LIMIT_BYTES, type StepPage } from "../../../src/jobs/steps.ts";

/** The server's side, with the lines of earlier attempts in pages of `page` lines. */
function journal(stored: readonly string[] = [], page = 1_000) {
  const asked: RunnerAsk[] = [];
  const ask = async (question: RunnerAsk): Promise<StepPage | undefined> => {
    asked.push(question);
    if (question.kind !== "steps") return undefined;
    const next = question.from + page;
    const lines = stored.slice(question.from, next);
    return next < stored.length ? { lines, next } : { lines };
  };
  return { asked, ask };
}

test("steps of earlier attempts are read once, in pages, at the first step", async () => {
  const lines = Array.from({ length: 10 }, (_, at) => `step "${at}" ${at * 2}`);
  const { asked, ask } = journal([...lines, "not a step", 'step "broken'], 3);
  const steps = new Steps("job", ask);
  assert.equal(asked.length, 0);
  const values = await Promise.all([3, 9].map((name) => steps.run(String(name), () => "ran")));
  assert.deepEqual(values, [6, 18]);
  assert.equal((await steps.run("new", () => ({ a: 1 }))) instanceof Object, true);
  const expected = [0, 3, 6, 9].map((from) => ({ kind: "steps", from }));
  assert.deepEqual(asked, [...expected, { kind: "step", line: 'step "new" {"a":1}' }]);
});

test("a failed step may be tried again, and a step called twice runs once", async () => {
  const { ask } = journal();
  const steps = new Steps("job", ask);
  let runs = 0;
  const failing = (): never => {
    runs += 1;
    throw new Error("not now");
  };
  await assert.rejects(steps.run("a", failing), /not now/);
  await assert.rejects(steps.run("a", failing), /not now/);
  assert.equal(runs, 2);
  const [first, second] = await Promise.all([1, 2].map((n) => steps.run("b", () => n)));
  assert.deepEqual([first, second], [1, 1]);
});

test("a step name may be any string", async () => {
  const { asked, ask } = journal();
  const names = ["", 'a "b" \\', "line\nbreak", "\u0000", "\ud800"];
  const steps = new Steps("job", ask);
  for (const name of names) await steps.run(name, () => name);
  const stored = asked.flatMap((question) => (question.kind === "step" ? [question.line] : []));
  assert.ok(stored.every((line) => !line.includes("\n") && !line.includes("\u0000")));
  const later = new Steps("job", journal(stored).ask);
  for (const name of names) assert.equal(await later.run(name, () => "ran"), name);
});

test("number and sum of the steps of a run are limited, over all its attempts", async () => {
  const code = { code: "NEWEL_E_JOB_STEPS" };
  const many = Array.from({ length: STEPS_LIMIT - 1 }, (_, at) => `step "${at}" 1`);
  const numbered = new Steps("job", journal(many, STEPS_LIMIT).ask);
  await numbered.run("last", () => 1);
  let ran = false;
  await assert.rejects(
    numbered.run("one more", () => (ran = true)),
    code,
  );
  assert.equal(ran, false, "a step that cannot be kept does not run");

  const large = "x".repeat(999_000);
  const held = Math.floor(STEPS_LIMIT_BYTES / 999_000);
  const stored = Array.from({ length: held }, (_, at) => `step "${at}" "${large}"`);
  const { asked, ask } = journal(stored, 10);
  const sized = new Steps("job", ask);
  await sized.run("small", () => 1);
  await assert.rejects(
    sized.run("large", () => large),
    code,
  );
  await assert.rejects(
    sized.run("too large by itself", () => "x".repeat(1_000_001)),
    { code: "NEWEL_E_JOB_PAYLOAD" },
  );
  assert.equal(asked.filter(({ kind }) => kind === "step").length, 1);
});
