import assert from "node:assert/strict";
import { once } from "node:events";
import { rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import type { Run } from "../../../src/jobs/api.ts";
import type { JobDefinition } from "../../../src/jobs/definition.ts";
import { Jobs } from "../../../src/jobs/jobs.ts";
import { cleanUp, eventually, type Scope } from "../../helpers/resources.ts";
import { blocked, brief, charging, kept, keyed, stray, strict, summing } from "./fixtures/jobs.ts";
import {
  codeOf,
  ended,
  fixture,
  makeWorld,
  pidsNoted,
  reaches,
  runs,
  startServer,
  startShortServer,
  type World,
} from "./world.ts";

/** A kind of store to try the server on. */
export interface StoreKind {
  readonly skip: string | false;
  /** The URL of an empty one. */
  fresh(): Promise<string>;
}

/** What has to hold on BullMQ's own stores as it does on a file. */
export function tryServer(store: StoreKind): void {
  const { skip } = store;
  const on = (title: string, behave: (scope: Scope, world: World) => Promise<void>): void => {
    test(title, { skip }, async (scope) => behave(scope, makeWorld(scope, await store.fresh())));
  };

  on("runs, retries at once, keeps progress, fails with a code", async (_scope, world) => {
    const queue = world.queue("default");
    await world.serve();
    const backoff = { type: "fixed", delay: 60_000 };
    const aborting = await queue.add("aborting", {}, { attempts: 2, backoff });
    const talking = await queue.add("talking", {});
    const wrong = await queue.add("checked", { count: "x" }, { attempts: 3 });
    assert.equal((await ended(queue, aborting)).returnvalue, 2);
    assert.deepEqual((await ended(queue, talking)).progress, {
      done: 100,
      total: 100,
      note: "at 100",
      reports: 100,
    });
    assert.equal(codeOf(await ended(queue, wrong)), "NEWEL_E_JOB_INPUT");
  });

  on("keeps each step by itself, and runs none again after a crash", async (scope, world) => {
    const queue = world.queue("default");
    const jobs = new Jobs({ store: world.store });
    cleanUp(scope, () => jobs.close());
    await world.serve();
    const added = await queue.add("journal", { v: 1, input: {} }, { attempts: 2, keepLogs: 3 });
    const job = await ended(queue, added);
    const again = { row: 7, text: 'a "quoted" \\ line\n' };
    assert.deepEqual(job.returnvalue, { ran: 300, again });
    assert.deepEqual(job.data, { v: 1, input: {} }, "the data of the job does not grow");
    const logs = await jobs.logs(`default~${added.id}`);
    assert.deepEqual(
      logs.map((line) => line.replace(/^\S+ /, "")),
      [1, 2]
        .flatMap((attempt) => Array.from({ length: 15 }, (_, at) => ({ attempt, at })))
        .filter(({ attempt, at }) => attempt === 2 || at < 12)
        .map(({ attempt, at }) => `#${attempt} step "row ${at + 1}00" done`),
    );
  });

  on("runs no step again that an earlier version finished", async (_scope, world) => {
    const queue = world.queue("default");
    await world.serve();
    const steps = { "row 1": "one", "row 2": null };
    const added = await queue.add("journal", { v: 1, input: {}, steps }, { attempts: 2 });
    const job = await ended(queue, added);
    assert.equal((job.returnvalue as { ran: number }).ran, 300);
    assert.deepEqual(job.data, { v: 1, input: {}, steps });
  });

  on("shows progress once, also when an attempt begins again", async (scope, world) => {
    const queue = world.queue("default");
    const jobs = new Jobs({ store: world.store });
    cleanUp(scope, () => jobs.close());
    await world.serve();
    const added = await queue.add("reporting", {}, { attempts: 2 });
    const notes: string[] = [];
    const shares: number[] = [];
    for await (const { progress } of jobs.events(`default~${added.id}`))
      if (progress !== undefined && progress.note !== notes.at(-1)) {
        notes.push(progress.note ?? "");
        shares.push(progress.done);
      }
    assert.equal(new Set(notes).size, notes.length, `none is shown twice: ${notes.join(", ")}`);
    assert.deepEqual(
      shares,
      shares.toSorted((a, b) => a - b),
    );
    assert.equal(notes.at(-1), "row 10");
  });

  on("cancels what waits, is delayed or runs", async (scope, world) => {
    const queue = world.queue("default");
    const jobs = new Jobs({ store: world.store });
    cleanUp(scope, () => jobs.close());
    const waiting = await queue.add("plain", {});
    await jobs.cancel(`default~${waiting.id}`);
    await world.serve();
    const delayed = await queue.add("plain", {}, { delay: 3_600_000 });
    const running = await queue.add("subshell", {});
    const pids = await pidsNoted(world, 3);
    for (const { id } of [delayed, running]) await jobs.cancel(`default~${id}`);
    for (const each of [waiting, delayed, running])
      assert.equal(codeOf(await ended(queue, each)), "NEWEL_E_JOB_CANCELLED");
    await eventually(() => !pids.some(runs), "all processes have ended");
    const run = await jobs.retry(`default~${waiting.id}`);
    assert.ok(run);
    assert.equal((await ended(queue, waiting)).failedReason ?? undefined, undefined);
  });

  on("gives back what is not done at a stop", async (_scope, world) => {
    const queue = world.queue("default");
    const server = await world.serve({ processes: 1 });
    const first = await queue.add("waiting", 60_000, { attempts: 1 });
    const second = await queue.add("plain", {}, { attempts: 1 });
    await eventually(() => world.notes().length === 1, "it runs");
    await server.stop();
    const ids = (await queue.getJobs(["waiting"])).map(({ id }) => id);
    assert.deepEqual(new Set(ids), new Set([first.id, second.id]));
    const job = await queue.getJob(first.id ?? "");
    assert.equal(job?.attemptsMade, 0);
  });

  on("keeps to the limits of queue and group on two servers", async (_scope, world) => {
    const [limited, grouped] = [world.queue("limited"), world.queue("grouped")];
    const added = await limited.addBulk([1, 2, 3].map((data) => ({ name: "limited", data })));
    const crowd = Array.from({ length: 20 }, () => ({ v: 1, group: "a", input: "a" }));
    const some = await grouped.addBulk(crowd.map((data) => ({ name: "grouped", data })));
    await Promise.all([world.serve({ processes: 3 }), world.serve({ processes: 3 })]);
    for (const job of added) await ended(limited, job);
    for (const job of some) await ended(grouped, job, 60_000);
    assert.equal(await world.queue("newel-groups").getWaitingCount(), 0);
    for (const [key, most] of [
      ["", 1],
      [" a", 2],
    ] as const) {
      let inside = 0;
      for (const line of world.notes()) {
        if (line === `in${key}`) inside += 1;
        if (line === `out${key}`) inside -= 1;
        assert.ok(inside <= most, `${inside} of "${key}"`);
      }
    }
  });

  on("begins again what a killed server had, once its locks have ended", async (scope, world) => {
    const queue = world.queue("default");
    const server = await startServer(scope, world);
    const added = await queue.add("waiting", 1_000, { attempts: 1 });
    await eventually(() => world.notes().length === 1, "it runs");
    server.kill("SIGKILL");
    await once(server, "exit");
    await world.serve({ lockMs: 1_000 });
    const job = await ended(queue, added);
    assert.deepEqual([job.returnvalue, job.attemptsMade], ["slept", 1]);
  });

  on(
    "executes a run once more after its process was lost, however long it takes",
    async (_scope, world) => {
      const queue = world.queue("default");
      // Both servers have room for the run again as soon as it is put back.
      for (const lockMs of [1_000, 1_000]) await world.serve({ lockMs });
      const added = await queue.add("lost-once", 4_000, { attempts: 3 });
      const job = await ended(queue, added);
      assert.deepEqual([job.returnvalue, job.attemptsMade, job.stalledCounter], [2, 2, 0]);
      assert.deepEqual(world.notes(), ["attempt 1", "attempt 2", "end 2"]);
    },
  );

  on("stops an attempt that has lost its lease, and stores nothing of it", async (scope, world) => {
    const queue = world.queue("default");
    const first = await startShortServer(scope, world, 1_000);
    const added = await queue.add("insistent", {}, { attempts: 1 });
    const begun = (): string[] => pidsOf(world, "begin");
    const working = async (pid = ""): Promise<boolean> =>
      (await queue.getJobLogs(added.id ?? "")).logs.some((line) => line.endsWith(`working ${pid}`));
    await eventually(() => working(begun()[0]), "the first attempt has stored something");
    first.kill("SIGSTOP");
    await world.serve({ lockMs: 1_000, processes: 1 });
    await eventually(() => begun().length === 2, "the second server has the run", 60_000);
    const [one = "", two = ""] = begun();
    await eventually(() => working(two), "the second attempt has stored something");
    first.kill("SIGCONT");
    const job = await ended(queue, added);
    assert.equal(job.returnvalue, Number(two));
    await eventually(() => pidsOf(world, "refused").length === 1, "the first attempt was told");
    const notes = world.notes().filter((line) => line.includes(` ${one}`));
    assert.deepEqual(notes, [
      `begin ${one}`,
      `told ${one} NEWEL_E_JOB_LEASE_LOST`,
      `refused ${one} NEWEL_E_JOB_LEASE_LOST`,
    ]);
    const { logs } = await queue.getJobLogs(added.id ?? "");
    const firstOfTwo = logs.findIndex((line) => line.endsWith(` ${two}`));
    assert.ok(logs.slice(firstOfTwo).every((line) => line.endsWith(`working ${two}`)));
    assert.doesNotMatch(JSON.stringify([job.progress, job.data]), /late/);
  });

  on(
    "leaves runs of a newer version to a server with that version, without an attempt",
    async (scope, world) => {
      const jobs = new Jobs({ store: world.store });
      cleanUp(scope, () => jobs.close());
      await world.serve();
      // As the newer module has them.
      const newer = { ...strict, input: undefined } as unknown as JobDefinition<undefined>;
      const runs = [
        await jobs.enqueue({ ...newer, name: "added" }, null),
        await jobs.enqueue(newer, { count: 2, unit: "kg" }),
      ];
      const unserved = await eventually(async () => {
        const [stats] = await jobs.stats();
        return stats?.unserved.length === 2 ? stats.unserved : undefined;
      }, "the runs are shown as left");
      assert.deepEqual(unserved, ["added", "strict"]);
      for (const { id } of runs) assert.equal((await jobs.get(id))?.attempt, 0);
      await world.serve({ modules: [fixture("newer-jobs")] });
      const results: unknown[] = [];
      for (const { id } of runs) {
        const run = await reaches(jobs, id, "done");
        assert.equal(run.attempt, 1);
        results.push(run.result);
      }
      assert.deepEqual(results, ["newer", "2 kg"]);
    },
  );

  on(
    "executes a parent that was retried after its children, which it retries",
    async (scope, world) => {
      const jobs = new Jobs({ store: world.store });
      cleanUp(scope, () => jobs.close());
      await world.serve();
      const file = join(world.directory, "blocks");
      writeFileSync(file, "");
      const children = [{ job: blocked, input: file }];
      const tree = await jobs.flow({ job: summing, input: null, children });
      await reaches(jobs, tree.run.id, "failed");
      rmSync(file);
      await jobs.retry(tree.run.id);
      const run = await reaches(jobs, tree.run.id, "done");
      assert.deepEqual(world.notes(), ["blocked is done", "summing"]);
      assert.equal((run.result as unknown[]).length, 1);
    },
  );

  on(
    "has at most one unfinished run of a key, whether enqueued, scheduled or retried",
    async (scope, world) => {
      const jobs = new Jobs({ store: world.store });
      cleanUp(scope, () => jobs.close());
      await world.serve({ processes: 3 });
      const first = await jobs.enqueue(keyed, 600);
      await reaches(jobs, first.id, "running");
      await jobs.cancel(first.id);
      await eventually(
        async () => (await jobs.get(first.id))?.finishedMs !== undefined,
        "the first run has ended",
      );
      const second = await jobs.enqueue(keyed, 1_500);
      await assert.rejects(jobs.retry(first.id), { code: "NEWEL_E_JOB_KEY" });
      await jobs.schedule(keyed, "often", { every: 200 }, 100);
      await reaches(jobs, second.id, "done");
      await jobs.unschedule(keyed, "often");
      await eventually(
        async () => {
          const { runs } = await jobs.list({ active: true });
          return runs.length === 0;
        },
        "all runs of the schedule have ended",
        30_000,
      );
      await jobs.retry(first.id);
      assert.equal((await jobs.enqueue(keyed, 1)).id, first.id);
      await reaches(jobs, first.id, "done");
      const third = await jobs.enqueue(keyed, 1);
      assert.notEqual(third.id, first.id);
      await reaches(jobs, third.id, "done");
      let inside = 0;
      // The cancelled attempt has no end.
      for (const line of world.notes().slice(1)) {
        inside += line.startsWith("in") ? 1 : -1;
        assert.ok(inside <= 1, world.notes().join(", "));
      }
    },
  );

  on(
    "records the stack, time, server and last output of each failed attempt",
    async (scope, world) => {
      const jobs = new Jobs({ store: world.store });
      cleanUp(scope, () => jobs.close());
      await world.serve();
      const { id } = await jobs.enqueue(charging, null);
      const { failures = [], server } = await reaches(jobs, id, "failed");
      assert.equal(server, `${hostname()}:${process.pid}`);
      assert.deepEqual(
        failures.map(({ attempt }) => attempt),
        [1, 2],
      );
      for (const failure of failures) {
        assert.deepEqual(failure.error, { name: "Error", code: "E_CARD", message: "declined" });
        assert.match(failure.stack ?? "", /at chargeTheCard .*jobs\.ts/);
        assert.equal(failure.server, server);
        assert.ok((failure.endedMs ?? 0) >= (failure.startedMs ?? Infinity));
        assert.match(failure.stderr?.at(-1) ?? "", /card refused$/);
      }
      const lost = await jobs.enqueue(stray, null);
      const [failure] = (await reaches(jobs, lost.id, "failed")).failures ?? [];
      assert.equal(failure?.error.code, "NEWEL_E_JOB_WORKER_LOST");
      assert.match(failure?.error.message ?? "", /uncaught Error: declined/);
      assert.match(failure?.stack ?? "", /at .*chargeTheCard/);
      assert.match(failure?.stderr?.join() ?? "", /about to fail/);
    },
  );

  on(
    "removes each finished run when its retention is over, also in an idle queue",
    async (scope, world) => {
      const jobs = new Jobs({ store: world.store });
      cleanUp(scope, () => jobs.close());
      const server = await world.serve();
      const long = await jobs.enqueue(kept, null);
      await reaches(jobs, long.id, "done");
      const short = [await jobs.enqueue(brief, "ends"), await jobs.enqueue(brief, "fails")];
      const isGone = async ({ id }: Run): Promise<boolean> => (await jobs.get(id)) === undefined;
      for (const run of short) await eventually(() => isGone(run), "the run is removed", 30_000);
      assert.equal((await jobs.get(long.id))?.result, "kept");
      // The note of a server may be lost.
      const queue = world.queue("newel-retention");
      await server.stop();
      await queue.obliterate({ force: true });
      const opts = { newelKeep: { done: 1, failed: 1 } } as object;
      const left = await world.queue("default").add("plain", {}, opts);
      world.work("default");
      await ended(world.queue("default"), left);
      await world.serve();
      await eventually(() => isGone({ id: `default~${left.id}` } as Run), "it is found", 30_000);
      assert.equal((await jobs.get(long.id))?.result, "kept");
    },
  );
}

/** The pids behind a word that handlers have noted. */
function pidsOf(world: World, word: string): string[] {
  return world
    .notes()
    .filter((line) => line.startsWith(`${word} `))
    .map((line) => line.split(" ")[1] ?? "");
}
