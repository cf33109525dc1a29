import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { sleep } from "../../../src/base/timers.ts";
import { Jobs } from "../../../src/jobs/index.ts";
import { cleanUp } from "../../helpers/resources.ts";
import { contacts, plain } from "./definitions.ts";
import { checksOf, openJobs, type Store } from "./world.ts";

/** Enqueueing runs and reading them. */
export function tryHandingOver(store: Store): void {
  const check = checksOf(store);

  check("an enqueued run is found again, in another opening of the store too", async (t) => {
    const url = await store.fresh(t);
    const first = new Jobs({ store: url });
    const run = await first.enqueue(contacts, { file: "a.csv" }, { by: 7, priority: 3 });
    await first.close();
    assert.match(run.id, /^imports~[0-9a-f]{32}$/);
    assert.deepEqual(
      { ...run, id: "", enqueuedMs: 0 },
      {
        id: "",
        name: "contacts",
        queue: "imports",
        state: "waiting",
        input: { file: "a.csv" },
        attempt: 0,
        attempts: 4,
        priority: 3,
        enqueuedMs: 0,
        by: "7",
        key: "a.csv",
      },
    );
    const second = new Jobs({ store: url });
    cleanUp(t, () => second.close());
    assert.deepEqual(await second.get(run.id), run);
    assert.deepEqual((await second.list()).runs, [run]);
  });

  check("a delayed run says when it is due", async (t) => {
    const jobs = await openJobs(t, store);
    const before = Date.now();
    const runs = [
      await jobs.enqueue(plain, 1, { delay: "1h" }),
      await jobs.enqueue(plain, 1, { delay: 3_600_000 }),
      await jobs.enqueue(plain, 1, { delay: new Date(before + 3_600_000) }),
    ];
    for (const { id } of runs) {
      const run = await jobs.get(id);
      assert.equal(run?.state, "delayed");
      assert.ok(Math.abs((run.dueMs ?? 0) - before - 3_600_000) < 5_000, `${run.dueMs}`);
    }
    const late = await jobs.enqueue(plain, 1, { delay: new Date(0) });
    assert.equal(late.state, "waiting");
  });

  check("a double click is one run", async (t) => {
    const jobs = await openJobs(t, store);
    const [first, second] = await Promise.all([
      jobs.enqueue(contacts, { file: "a.csv" }, { by: "ann" }),
      jobs.enqueue(contacts, { file: "a.csv" }, { by: "ann" }),
    ]);
    assert.equal(first.id, second.id);
    const others = [
      await jobs.enqueue(contacts, { file: "a.csv" }, { by: "bob" }),
      await jobs.enqueue(contacts, { file: "b.csv" }, { by: "ann" }),
      await jobs.enqueue(plain, 1, { by: "ann", key: "a.csv" }),
    ];
    assert.equal(new Set([first, ...others].map(({ id }) => id)).size, 4);
  });

  check("two processes that click at once make one run, 50 times", async (t) => {
    const url = await store.fresh(t);
    const begin = Date.now() + 1_500;
    const program = fileURLToPath(new URL("fixtures/clicks.ts", import.meta.url));
    const clicks = (): Promise<{ stdout: string }> =>
      promisify(execFile)(process.execPath, [program, url, String(begin), "50"]);
    const [one, other] = await Promise.all([clicks(), clicks()]);
    const ids = JSON.parse(one.stdout) as string[];
    assert.equal(new Set(ids).size, 50);
    assert.deepEqual(JSON.parse(other.stdout), ids);
    await using jobs = new Jobs({ store: url });
    const { runs } = await jobs.list({ limit: 1_000 });
    assert.equal(runs.length, 50);
  });

  check("a key is free again once its run was cancelled", async (t) => {
    const jobs = await openJobs(t, store);
    const first = await jobs.enqueue(contacts, { file: "a.csv" });
    assert.equal((await jobs.cancel(first.id))?.state, "cancelled");
    const second = await jobs.enqueue(contacts, { file: "a.csv" });
    assert.notEqual(second.id, first.id);
    assert.equal((await jobs.enqueue(contacts, { file: "a.csv" })).id, second.id);
  });

  check("reads and changes with `by` see only what was enqueued with it", async (t) => {
    const jobs = await openJobs(t, store);
    const anns = await jobs.enqueue(plain, 1, { by: "ann" });
    const nobodys = await jobs.enqueue(plain, 2);
    assert.equal(await jobs.get(anns.id, { by: "bob" }), undefined);
    assert.equal(await jobs.get(nobodys.id, { by: "bob" }), undefined);
    assert.equal(await jobs.cancel(anns.id, { by: "bob" }), undefined);
    assert.equal(await jobs.retry(anns.id, { by: "bob" }), undefined);
    assert.equal((await jobs.get(anns.id))?.state, "waiting");
    assert.equal((await jobs.get(anns.id, { by: "ann" }))?.id, anns.id);
    assert.deepEqual(
      (await jobs.list({ by: "ann" })).runs.map(({ id }) => id),
      [anns.id],
    );
    assert.deepEqual((await jobs.list({ by: "bob", active: true })).runs, []);
  });

  check("a `by` without a value is refused, not taken for everybody's", async (t) => {
    const jobs = await openJobs(t, store);
    const run = await jobs.enqueue(plain, 1, { by: "ann" });
    for (const by of ["", undefined, null, Number.NaN, {}] as never[]) {
      const refused = { code: "NEWEL_E_JOB_BY" };
      await assert.rejects(jobs.get(run.id, { by }), refused);
      await assert.rejects(jobs.list({ by }), refused);
      await assert.rejects(jobs.cancel(run.id, { by }), refused);
      await assert.rejects(jobs.retry(run.id, { by }), refused);
      await assert.rejects(jobs.enqueue(plain, 1, { by }), refused);
    }
  });

  check("an id that is none is nobody's run, and leaves nothing in the store", async (t) => {
    const jobs = await openJobs(t, store);
    await jobs.enqueue(plain, 1);
    const queues = (await jobs.stats()).map(({ queue }) => queue);
    const ids = [
      "",
      "~",
      "default~",
      "~x",
      "default~nothing",
      "other~x",
      "../../etc~x",
      "a:b~c",
      "newel-cancel~x",
    ];
    for (const id of [
      ...ids,
      undefined,
      7,
      {},
      "x".repeat(100_000),
      `default~${"x".repeat(400)}`,
    ] as never[])
      assert.equal(await jobs.get(id), undefined, String(id).slice(0, 50));
    assert.deepEqual(
      (await jobs.stats()).map(({ queue }) => queue),
      queues,
    );
  });

  check("lists are filtered, and go on by their cursor", async (t) => {
    const jobs = await openJobs(t, store);
    for (let number = 0; number < 7; number += 1) {
      await jobs.enqueue(plain, number, number % 2 === 0 ? { by: "ann" } : { delay: "1h" });
      // Servers list runs of one millisecond in any order.
      await sleep(2);
    }
    const numbers = (runs: readonly { input: unknown }[]) => runs.map(({ input }) => input);
    assert.deepEqual(numbers((await jobs.list()).runs), [6, 5, 4, 3, 2, 1, 0]);
    assert.deepEqual(numbers((await jobs.list({ states: ["delayed"] })).runs), [5, 3, 1]);
    assert.deepEqual(numbers((await jobs.list({ by: "ann", active: true })).runs), [6, 4, 2, 0]);
    const seen: unknown[] = [];
    let cursor: string | undefined;
    do {
      const page = await jobs.list({
        by: "ann",
        limit: 1,
        ...(cursor === undefined ? {} : { cursor }),
      });
      seen.push(...numbers(page.runs));
      cursor = page.cursor;
    } while (cursor !== undefined);
    assert.deepEqual(seen, [6, 4, 2, 0]);
    const [first] = (await jobs.list({ limit: 1 })).runs;
    await jobs.cancel(first?.id ?? "");
    assert.deepEqual(numbers((await jobs.list({ states: ["cancelled"] })).runs), [6]);
    assert.deepEqual(numbers((await jobs.list({ active: true, limit: 2 })).runs), [5, 4]);
    assert.deepEqual(numbers((await jobs.list({ name: "nothing" })).runs), []);
    assert.deepEqual(numbers((await jobs.list({ sinceMs: Date.now() + 1_000 })).runs), []);
    await assert.rejects(jobs.list({ limit: 0 }), { code: "NEWEL_E_JOB_OPTION" });
    await assert.rejects(jobs.list({ cursor: "x" }), { code: "NEWEL_E_JOB_OPTION" });
    await assert.rejects(jobs.list({ states: ["completed" as never] }), {
      code: "NEWEL_E_JOB_OPTION",
    });
  });
}
