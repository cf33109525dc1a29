import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";

import { Jobs } from "../../../src/jobs/jobs.ts";
import { cleanUp, eventually, type Scope } from "../../helpers/resources.ts";
import { codeOf, ended, makeWorld, pidsNoted, runs, startServer, type World } from "./world.ts";

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
    });
    assert.equal(codeOf(await ended(queue, wrong)), "NEWEL_E_JOB_INPUT");
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
    await eventually(() => !pids.some(runs), "all processes have ended", 3_000);
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
    const job = await ended(queue, added, 60_000);
    assert.deepEqual([job.returnvalue, job.attemptsMade], ["slept", 1]);
  });
}
