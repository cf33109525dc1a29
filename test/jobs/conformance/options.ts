import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

import type { IQueueBackend, Telemetry } from "bullmq";

import { type Behaviour, once, wait } from "./world.ts";

const SANDBOXED = fileURLToPath(new URL("fixtures/sandboxed.mjs", import.meta.url));

/** Options and operations that no other topic speaks of. */
export const OPTIONS: readonly Behaviour[] = [
  [
    "prefix: queues of one name under two prefixes are two",
    async (world) => {
      const [ours, theirs] = [world.queue({ prefix: "ours" }), world.queue({ prefix: "theirs" })];
      await ours.add("n", "ours");
      assert.equal(await theirs.count(), 0);
      const worker = world.worker(async (job) => job.data, { prefix: "ours" });
      assert.equal((await once<{ data: string }>(worker, "completed")).data, "ours");
      assert.equal(await ours.getCompletedCount(), 1);
    },
  ],
  [
    "skipVersionCheck and skipWaitingForReady: a queue may be used at once",
    async (world) => {
      const queue = world.queue({ skipVersionCheck: true, skipWaitingForReady: true });
      const { id } = await queue.add("n", {});
      assert.equal(await queue.getJobState(id ?? ""), "waiting");
    },
  ],
  [
    "skipMetasUpdate: nothing is written about the queue",
    async (world) => {
      const queue = world.queue({ skipMetasUpdate: true, streams: { events: { maxLen: 7 } } });
      await queue.waitUntilReady();
      await queue.add("n", {});
      assert.equal((await queue.getMeta()).version, undefined);
    },
  ],
  [
    "telemetry: its metadata goes with the job to the worker",
    async (world) => {
      const queue = world.queue({ telemetry: telemetry([]) });
      const names: string[] = [];
      const { id } = await queue.add("n", {});
      const worker = world.worker(async () => 1, { telemetry: telemetry(names) });
      await once(worker, "completed");
      assert.equal((await queue.getJob(id ?? ""))?.opts.telemetry?.metadata, "trace-1");
      assert.ok(names.includes("from trace-1"), String(names));
    },
  ],
  [
    "blockingTimeout: a reader of events continues after it",
    async (world) => {
      const events = await world.events({ blockingTimeout: 50 });
      await wait(200);
      const added = once(events, "waiting");
      const { id } = await world.queue().add("n", {});
      assert.deepEqual(await added, { jobId: id });
    },
  ],
  [
    "a worker's removeOnFail applies to jobs without the option",
    async (world) => {
      const queue = world.queue();
      await queue.addBulk([1, 2, 3].map((data) => ({ name: "n", data })));
      let failed = 0;
      const worker = world.worker(
        async () => {
          throw new Error("no");
        },
        { removeOnFail: { count: 1 } },
      );
      worker.on("failed", () => (failed += 1));
      await world.until(() => failed === 3, "all failed");
      assert.deepEqual(
        (await queue.getFailed()).map(({ data }) => data),
        [3],
      );
    },
  ],
  [
    "skipLockRenewal: a job that runs longer than its lock stalls",
    async (world) => {
      const queue = world.queue();
      const { id } = await queue.add("n", {});
      const short = { lockDuration: 150, stalledInterval: 100, skipLockRenewal: true };
      world.worker(() => wait(1_500), { ...short, skipStalledCheck: true });
      await world.state(queue, id, "active");
      const stalled = once<string>(
        world.worker(() => wait(1), short),
        "stalled",
      );
      assert.equal(await stalled, id);
    },
  ],
  [
    "lockRenewTime: how often a lock is renewed",
    async (world) => {
      const queue = world.queue();
      const { id } = await queue.add("n", {});
      const options = { lockDuration: 1_000, lockRenewTime: 50, stalledInterval: 300 };
      let runs = 0;
      const handler = async (): Promise<void> => {
        runs += 1;
        await wait(2_000);
      };
      for (const _ of [1, 2]) world.worker(handler, options);
      await world.state(queue, id, "completed");
      assert.equal(runs, 1);
    },
  ],
  [
    "useWorkerThreads: a processor of its own file runs in a thread",
    async (world) => {
      const queue = world.queue();
      await queue.add("n", { value: 21 });
      const worker = world.worker(SANDBOXED, {
        useWorkerThreads: true,
        // Not those of the test runner, which BullMQ would change.
        workerThreadsOptions: { execArgv: [] },
      });
      const { returnvalue } = await once<{ returnvalue: { twice: number; pid: number } }>(
        worker,
        "completed",
      );
      assert.deepEqual(returnvalue, { twice: 42, pid: process.pid });
    },
  ],
  [
    "trimEvents: about the given number of events is left",
    async (world) => {
      const queue = world.queue();
      await queue.addBulk(Array.from({ length: 300 }, (_, data) => ({ name: "n", data })));
      // Redis drops them by the hundred.
      assert.ok((await queue.trimEvents(10)) > 100);
      assert.equal(await queue.trimEvents(10), 0);
    },
  ],
  [
    "an id in the form of a BullMQ 4 repeatable key belongs to one scheduler",
    async (world) => {
      const queue = world.queue();
      // As a repeatable job of BullMQ 4 was called.
      const key = "name:id:::* * * * * *";
      await queue.upsertJobScheduler(key, { every: 300 }, { name: "tick" });
      const seen: string[] = [];
      world.worker(async (job) => void seen.push(job.name));
      await world.until(() => seen.length === 2, "two ticks");
      assert.ok(await queue.removeJobScheduler(key));
    },
  ],
  [
    "removeDeprecatedPriorityKey: reports that there is no such key",
    async (world) => assert.equal(await world.queue().removeDeprecatedPriorityKey(), 0),
  ],
  [
    "a store's connection emits ready and close, and has a name",
    async (world) => {
      const { factory, connection } = world.backend;
      const backend: IQueueBackend = factory(world.name, { connection } as never, {
        withBlockingConnection: true,
      });
      backend.on("error", () => undefined);
      const ignored = (): never => assert.fail("it was taken off");
      backend.once("close", ignored);
      backend.removeListener("close", ignored);
      await backend.waitUntilReady();
      assert.ok(backend.qualifiedName.endsWith(world.name));
      assert.ok(backend.toKey("wait").includes(world.name));
      assert.equal(typeof backend.keys, "object");
      assert.ok((backend.minimumBlockTimeout ?? 0) > 0);
      assert.ok((backend.maximumBlockTimeout ?? 10) >= 10);
      assert.equal(backend.closing, undefined);
      await backend.close();
    },
  ],
];

/** Just enough of a tracer: every span's metadata is `trace-1`, and the spans that continue it are noted. */
function telemetry(names: string[]): Telemetry<string> {
  const span = {
    setSpanOnContext: () => "context",
    setAttribute: () => undefined,
    setAttributes: () => undefined,
    addEvent: () => undefined,
    recordException: () => undefined,
    end: () => undefined,
  };
  return {
    tracer: { startSpan: () => span },
    contextManager: {
      with: (_context, run) => run() as never,
      active: () => "context",
      getMetadata: () => "trace-1",
      fromMetadata: (_context: string, metadata: string) => {
        names.push(`from ${metadata}`);
        return "context";
      },
    },
  };
}
