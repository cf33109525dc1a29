import assert from "node:assert/strict";

import { type Processor, Queue } from "bullmq";

import { sleep } from "../../../src/base/timers.ts";
import { formatFailure } from "../../../src/jobs/failure.ts";
import { cleanUp } from "../../helpers/resources.ts";
import { contacts, plain } from "./definitions.ts";
import { backendOf, checksOf, collect, openJobs, reaches, type Store, work } from "./world.ts";

/** Following runs, and changing their outcome. */
export function tryManaging(store: Store): void {
  const check = checksOf(store);

  check("a run is followed to its end", async (t) => {
    const jobs = await openJobs(t, store);
    const { id } = await jobs.enqueue(plain, { n: 1 }, { by: "ann" });
    const told = collect(jobs.events(id, { by: "ann" }));
    await work(t, jobs, async (job) => {
      await job.updateProgress({ done: 1, total: 2, note: "half" });
      return { ok: true };
    });
    const events = await told;
    assert.equal(events[0]?.type, "run");
    assert.deepEqual(events.at(-1)?.result, { ok: true });
    assert.equal(new Set(events.map((event) => event.id)).size, events.length);
    const run = await jobs.get(id);
    assert.equal(run?.state, "done");
    assert.deepEqual(run?.result, { ok: true });
    assert.deepEqual(run?.progress, { done: 1, total: 2, note: "half" });
    assert.equal(run?.attempt, 1);
    assert.ok((run?.finishedMs ?? 0) >= (run?.startedMs ?? Infinity));
    assert.deepEqual(await collect(jobs.events(id, { by: "bob" })), []);
    assert.deepEqual(await collect(jobs.events("plain~nothing")), []);
  });

  check("why a run failed is read back, found, and it may be tried again", async (t) => {
    const jobs = await openJobs(t, store);
    const { id } = await jobs.enqueue(plain, 1);
    const failing = await work(t, jobs, () => {
      const error = Object.assign(new TypeError("no such\nfile"), { code: "ENOENT" });
      throw Object.assign(new Error(formatFailure(error)), { name: "UnrecoverableError" });
    });
    const run = await reaches(jobs, id, "failed");
    assert.deepEqual(run.error, { name: "TypeError", code: "ENOENT", message: "no such\nfile" });
    const { runs } = await jobs.list({ error: "enoent" });
    assert.deepEqual(runs, [run]);
    assert.deepEqual((await jobs.list({ error: "else" })).runs, []);
    await failing();
    const again = await jobs.retry(id);
    assert.equal(again?.state, "waiting");
    assert.equal(again?.attempt, 0);
    assert.equal(again?.error, undefined);
    await assert.rejects(jobs.retry(id), { code: "NEWEL_E_JOB_RETRY" });
    await work(t, jobs, async () => 7);
    assert.equal((await reaches(jobs, id, "done")).result, 7);
    await assert.rejects(jobs.retry(id), { code: "NEWEL_E_JOB_RETRY" });
  });

  check("a wish to cancel holds without a server, and is told to those who follow", async (t) => {
    const jobs = await openJobs(t, store);
    const { id } = await jobs.enqueue(plain, 1, { delay: "1h" });
    const events = jobs.events(id);
    assert.equal((await events.next()).value?.state, "delayed");
    assert.equal((await jobs.cancel(id))?.state, "cancelled");
    const began = performance.now();
    const rest = await collect(events);
    assert.ok(performance.now() - began < 8_000, "it is told, not found after a while");
    assert.equal(rest.at(-1)?.state, "cancelled");
    assert.equal((await jobs.get(id))?.state, "cancelled");
    assert.equal((await jobs.cancel(id))?.state, "cancelled");
    const [stats] = await jobs.stats();
    assert.equal(stats?.counts.cancelled, 1);
    const waiting = await jobs.enqueue(plain, 1);
    const told = collect(jobs.events(waiting.id));
    await sleep(100);
    await jobs.cancel(waiting.id);
    assert.equal((await told).at(-1)?.state, "cancelled");
    assert.ok(performance.now() - began < 8_000, "it is told, not found after a while");
    // Before a server has seen it, it can be taken back.
    assert.equal((await jobs.retry(id))?.state, "waiting");
  });

  check("a cancelled run counts as that, not as failed", async (t) => {
    const jobs = await openJobs(t, store);
    const [first, second] = [await jobs.enqueue(plain, 1), await jobs.enqueue(plain, 2)];
    const end = await work(t, jobs, async (job) => {
      const error = job.data.input === 1 ? { code: "NEWEL_E_JOB_CANCELLED" } : {};
      const reason = formatFailure(Object.assign(new Error("gone"), error));
      throw Object.assign(new Error(reason), { name: "UnrecoverableError" });
    });
    await reaches(jobs, first.id, "cancelled");
    await reaches(jobs, second.id, "failed");
    const [stats] = await jobs.stats();
    assert.deepEqual([stats?.counts.cancelled, stats?.counts.failed], [1, 1]);
    assert.deepEqual(
      (await jobs.list({ states: ["cancelled"] })).runs.map(({ id }) => id),
      [first.id],
    );
    await end();
    assert.equal((await jobs.retry(first.id))?.state, "waiting");
  });

  check("what has ended is not cancelled", async (t) => {
    const jobs = await openJobs(t, store);
    const { id } = await jobs.enqueue(plain, 1);
    await work(t, jobs, async () => 1);
    await reaches(jobs, id, "done");
    assert.equal((await jobs.cancel(id))?.state, "done");
    assert.equal((await jobs.get(id))?.state, "done");
  });

  check("queues are paused, resumed, counted and drained", async (t) => {
    const jobs = await openJobs(t, store);
    for (let number = 0; number < 3; number += 1) await jobs.enqueue(plain, number);
    const last = await jobs.enqueue(plain, 4, { delay: "1h", priority: 2 });
    await jobs.enqueue(contacts, { file: "a" });
    await jobs.pause("default");
    const stats = await jobs.stats();
    assert.deepEqual(
      stats.map(({ queue, paused }) => [queue, paused]),
      [
        ["default", true],
        ["imports", false],
      ],
    );
    assert.deepEqual(stats[0]?.counts, {
      waiting: 3,
      delayed: 1,
      running: 0,
      done: 0,
      failed: 0,
      cancelled: 0,
    });
    assert.ok((stats[0]?.latencyMs ?? -1) >= 0);
    assert.equal((await jobs.list({ states: ["waiting"], queue: "default" })).runs.length, 3);
    assert.equal(await jobs.drain("default"), 3);
    assert.equal((await jobs.get(last.id))?.state, "delayed");
    assert.equal(await jobs.drain("default", { delayed: true }), 1);
    assert.equal(await jobs.get(last.id), undefined);
    await jobs.resume("default");
    assert.equal((await jobs.stats())[0]?.paused, false);
    await assert.rejects(jobs.pause("no such queue!"), { code: "NEWEL_E_JOB_OPTION" });
  });

  check("schedules are made, replaced, listed and ended", async (t) => {
    const jobs = await openJobs(t, store);
    const made = await jobs.schedule(
      contacts,
      "nightly",
      { cron: "0 3 * * *", tz: "Europe/Berlin" },
      { file: "a" },
    );
    assert.ok((made.nextMs ?? 0) > Date.now());
    const { nextMs: _, ...rest } = made;
    assert.deepEqual(rest, {
      id: "nightly",
      queue: "imports",
      name: "contacts",
      cron: "0 3 * * *",
      tz: "Europe/Berlin",
      input: { file: "a" },
    });
    await jobs.schedule(contacts, "nightly", { every: "15m" }, { file: "b" }, { by: "ann" });
    const [schedule, ...others] = await jobs.schedules();
    assert.deepEqual(others, []);
    assert.equal(schedule?.everyMs, 900_000);
    assert.deepEqual(schedule?.input, { file: "b" });
    const { runs } = await jobs.list({ by: "ann" });
    assert.deepEqual(
      runs.map(({ name, input }) => [name, input]),
      [["contacts", { file: "b" }]],
    );
    assert.equal((await jobs.get(runs[0]?.id ?? ""))?.by, "ann");
    assert.equal(await jobs.unschedule(contacts, "nightly"), true);
    assert.equal(await jobs.unschedule(contacts, "nightly"), false);
    assert.deepEqual(await jobs.schedules(), []);
    const refused = { code: "NEWEL_E_JOB_OPTION" };
    const wrong = [
      {},
      { cron: "x" },
      { cron: "" },
      { cron: "* * * * *", every: 1 },
      { every: "soon" },
      { cron: "* * * * *", tz: "Mars" },
    ];
    for (const when of wrong)
      await assert.rejects(jobs.schedule(plain, "id", when), refused, JSON.stringify(when));
    await assert.rejects(jobs.schedule(plain, "no id", { every: 1_000 }), refused);
  });

  check("a flow's parent waits for its children", async (t) => {
    const jobs = await openJobs(t, store);
    const tree = await jobs.flow({
      job: contacts,
      input: { file: "all" },
      options: { by: "ann" },
      children: [
        { job: plain, input: 1 },
        { job: plain, input: 2, options: { by: "bob" }, children: [{ job: plain, input: 3 }] },
      ],
    });
    assert.equal(tree.run.state, "waiting");
    const seen: unknown[] = [];
    const note: Processor = async (job) => void seen.push(job.data.input);
    await work(t, jobs, note, "default");
    await work(t, jobs, note, "imports");
    await reaches(jobs, tree.run.id, "done");
    assert.deepEqual(seen.at(-1), { file: "all" });
    assert.ok(seen.indexOf(3) < seen.indexOf(2));
    assert.deepEqual(
      new Set((await jobs.list({ by: "bob" })).runs.map(({ input }) => input)),
      new Set([2, 3]),
    );
    const before = (await jobs.list()).runs.length;
    const bad = jobs.flow({ job: plain, input: 1, children: [{ job: contacts, input: {} }] });
    await assert.rejects(bad, { code: "NEWEL_E_JOB_INPUT" });
    assert.equal((await jobs.list()).runs.length, before);
  });

  check("what BullMQ's own queues added is a run too", async (t) => {
    const jobs = await openJobs(t, store);
    const backend = await backendOf(t, jobs);
    const { connection, factory } = backend;
    const queue = new Queue("foreign", { connection } as never, factory as never);
    cleanUp(t, () => queue.close());
    const job = await queue.add("theirs", { a: 1 });
    const run = await jobs.get(`foreign~${job.id}`);
    assert.deepEqual(run?.input, { a: 1 });
    assert.equal(run?.name, "theirs");
    assert.equal(await jobs.get(`foreign~${job.id}`, { by: "ann" }), undefined);
  });
}
