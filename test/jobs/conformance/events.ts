import assert from "node:assert/strict";

import { type Behaviour, once, wait } from "./world.ts";

export const EVENTS: readonly Behaviour[] = [
  [
    "the life of a job, in order",
    async (world) => {
      const queue = world.queue();
      const events = await world.events();
      const told: string[] = [];
      for (const name of ["added", "waiting", "active", "completed"] as const)
        events.on(name, () => told.push(name));
      await queue.add("n", {});
      await world.process(1, () => 1);
      await world.until(() => told.length === 4, "four events");
      assert.deepEqual(told, ["added", "waiting", "active", "completed"]);
    },
  ],
  [
    "added has the job's name",
    async (world) => {
      const events = await world.events();
      const told = once(events, "added");
      const { id } = await world.queue().add("a name", {});
      assert.deepEqual(await told, { jobId: id, name: "a name" });
    },
  ],
  [
    "completed has the return value, failed the reason",
    async (world) => {
      const queue = world.queue();
      const events = await world.events();
      const completed = once<{ returnvalue: unknown }>(events, "completed");
      const failed = once<{ failedReason: string }>(events, "failed");
      await queue.add("good", {});
      await queue.add("bad", {});
      world.worker(async (job) => {
        if (job.name === "bad") throw new Error("bad luck");
        return { fine: true };
      });
      assert.deepEqual((await completed).returnvalue, { fine: true });
      assert.equal((await failed).failedReason, "bad luck");
    },
  ],
  [
    "paused, resumed and drained",
    async (world) => {
      const queue = world.queue();
      const events = await world.events();
      const told: string[] = [];
      for (const name of ["paused", "resumed", "drained"] as const)
        events.on(name, () => told.push(name));
      await queue.pause();
      await queue.resume();
      await queue.add("n", {});
      await world.process(1, () => 1);
      await world.until(() => told.includes("drained"), "drained");
      assert.deepEqual(told.slice(0, 2), ["paused", "resumed"]);
    },
  ],
  [
    "events of one job alone",
    async (world) => {
      const queue = world.queue();
      const events = await world.events();
      const job = await queue.add("n", {}, { delay: 100 });
      await queue.add("n", {});
      const told = once(events as never, `completed:${job.id}`);
      world.worker(async () => 1);
      assert.equal((await told)["jobId"], job.id);
    },
  ],
  [
    "a reader can begin with past events",
    async (world) => {
      const queue = world.queue();
      await queue.add("n", {});
      await queue.add("n", {});
      const events = await world.events({ lastEventId: "0", autorun: false });
      const told: string[] = [];
      events.on("added", ({ jobId }) => told.push(jobId));
      void events.run();
      await world.until(() => told.length === 2, "two events");
      assert.deepEqual(told, ["1", "2"]);
    },
  ],
  [
    "a reader continues after a given event",
    async (world) => {
      const queue = world.queue();
      const first = await world.events();
      const ids: string[] = [];
      first.on("added", (_args, id) => ids.push(id));
      await queue.addBulk([1, 2, 3].map((i) => ({ name: "n", data: i })));
      await world.until(() => ids.length === 3, "three events");
      const lastEventId = ids[1] ?? "";
      const second = await world.events({ lastEventId, autorun: false });
      const told: string[] = [];
      second.on("added", ({ jobId }) => told.push(jobId));
      void second.run();
      await world.until(() => told.length > 0, "an event");
      await wait(100);
      assert.deepEqual(told, ["3"]);
    },
  ],
  [
    "custom events",
    async (world) => {
      const events = await world.events();
      const told = once(events as never, "greeting");
      await world.producer().publishEvent({ eventName: "greeting", to: "you" } as never);
      assert.deepEqual(await told, { to: "you" });
    },
  ],
  [
    "waitUntilFinished returns the job's result",
    async (world) => {
      const queue = world.queue();
      const events = await world.events();
      const job = await queue.add("n", {});
      world.worker(async () => {
        await wait(100);
        return { answer: 42 };
      });
      assert.deepEqual(await job.waitUntilFinished(events), { answer: 42 });
    },
  ],
  [
    "waitUntilFinished of a finished job",
    async (world) => {
      const queue = world.queue();
      const events = await world.events();
      const job = await queue.add("n", {});
      await world.process(1, () => 1);
      assert.equal(await job.waitUntilFinished(events), null);
    },
  ],
  [
    "waitUntilFinished rejects when the job fails",
    async (world) => {
      const queue = world.queue();
      const events = await world.events();
      const job = await queue.add("n", {});
      world.worker(async () => {
        throw new Error("it failed");
      });
      await assert.rejects(job.waitUntilFinished(events), /it failed/);
    },
  ],
  [
    "waitUntilFinished has a limit",
    async (world) => {
      const queue = world.queue();
      const events = await world.events();
      const job = await queue.add("n", {});
      await assert.rejects(job.waitUntilFinished(events, 100), /timed out/);
    },
  ],
  [
    "a thousand events, none lost and in order",
    async (world) => {
      const queue = world.queue();
      const events = await world.events();
      const told: number[] = [];
      events.on("added", ({ jobId }) => told.push(Number(jobId)));
      for (let i = 0; i < 10; i += 1)
        await queue.addBulk(Array.from({ length: 100 }, () => ({ name: "n", data: {} })));
      await world.until(() => told.length === 1_000, "a thousand events");
      assert.deepEqual(
        told,
        Array.from({ length: 1_000 }, (_, i) => i + 1),
      );
    },
  ],
  [
    "a closed reader receives no more events",
    async (world) => {
      const queue = world.queue();
      const events = await world.events();
      let told = 0;
      events.on("added", () => (told += 1));
      await queue.add("n", {});
      await world.until(() => told === 1, "one event");
      await events.close();
      await queue.add("n", {});
      await wait(100);
      assert.equal(told, 1);
    },
  ],
];
