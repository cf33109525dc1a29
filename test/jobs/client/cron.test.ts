import assert from "node:assert/strict";
import { test } from "node:test";

import { hasCode } from "../../../src/base/errors.ts";
import { Jobs, job } from "../../../src/jobs/index.ts";
import { openStore } from "../../../src/jobs/store/open.ts";
import { cleanUp, type Scope, temporaryDirectory } from "../../helpers/resources.ts";

const tick = job("cron-tick", {}, () => 1);

function store(scope: Scope): string {
  return `sqlite:${temporaryDirectory(scope)}/jobs.db`;
}

const WRONG = [
  ["", /it has 0 fields/],
  ["  ", /it has 0 fields/],
  ["5", /it has 1 field\b/],
  ["@daily", /it has 1 field\b/],
  ["* * *", /it has 3 fields/],
  ["0 3 * *", /it has 4 fields/],
  ["* * * * * * *", /it has 7 fields/],
  ["60 * * * *", /60/],
  ["0 3 * * 8", /8/],
  ["*/90 * * * *", /a step of 90, and there are only 60 minutes/],
  ["0 0 */40 * *", /only 31 days of the month/],
  ["H H * * *", /"H" is no value for the minutes/],
  ["0 0 31 4,6 *", /it is never due/],
  ["every day at 3", /it has 4 fields/],
] as const;

test("a cron expression without five or six valid fields is refused when the schedule is created", async (scope) => {
  await using jobs = new Jobs({ store: store(scope) });
  for (const [cron, why] of [...WRONG, [5 as unknown as string, /it is no text/] as const])
    await assert.rejects(
      jobs.schedule(tick, "s", { cron }, {}),
      (error: Error & { fix?: string }) =>
        hasCode(error, "NEWEL_E_JOB_OPTION") &&
        why.test(error.fix ?? "") &&
        /five fields, such as "0 3 \* \* \*", or six/.test(error.fix ?? ""),
      JSON.stringify(cron),
    );
  assert.deepEqual(await jobs.schedules(), [], "nothing was stored");
});

test("a store refuses the same cron expressions from any caller", async (scope) => {
  const access = await openStore(store(scope));
  cleanUp(scope, () => access.close());
  const run = {
    name: tick.name,
    input: {},
    delayMs: 0,
    ...tick.options,
  } as unknown as Parameters<typeof access.enqueue>[0];
  for (const [cron] of WRONG)
    await assert.rejects(
      access.schedule({ id: "s", cron, run: { ...run, attempts: 1 } }),
      (error: Error) => hasCode(error, "NEWEL_E_JOB_OPTION"),
      JSON.stringify(cron),
    );
});

test("five and six fields, names, lists, ranges, steps and white space are taken", async (scope) => {
  await using jobs = new Jobs({ store: store(scope) });
  for (const cron of [
    "0 3 * * *",
    "*/15 * * * * *",
    "0 3 * jan-mar mon,thu",
    "0 3 L * *",
    "0 0 * * 1#2",
    "0 0 29 2 *",
    " 0\t3  * * 7 ",
    "0/10 * * * *",
  ]) {
    const { nextMs } = await jobs.schedule(tick, "s", { cron }, {});
    assert.ok((nextMs ?? 0) > Date.now() - 1_000, cron);
  }
});
