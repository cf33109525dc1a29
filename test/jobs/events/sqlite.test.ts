import assert from "node:assert/strict";
import { join } from "node:path";
import { after, test } from "node:test";

import { Queue } from "bullmq";

import { createSqliteBackend } from "../../../src/jobs/sqlite/index.ts";
import { cleanUp, eventually, temporaryDirectory } from "../../helpers/resources.ts";
import { firstOf, tryEvents } from "./behaviours.ts";
import { collect, EventsWorld, type Store, told } from "./world.ts";

const path = join(temporaryDirectory({ after }), "jobs.db");
const store: Store = {
  name: "SQLite",
  connection: `sqlite:${path}`,
  factory: createSqliteBackend,
};

tryEvents(() => store, { skip: false });

test("a read without a wait does not block, also while the file is opened", async (scope) => {
  const connection = `sqlite:${join(temporaryDirectory(scope), "jobs.db")}`;
  const queue = new Queue("q", { connection } as never, createSqliteBackend as never);
  await queue.add("job", {});
  await queue.close();
  const reader = createSqliteBackend("q", { connection }, { blocking: true });
  cleanUp(scope, () => reader.close());
  assert.ok(((await reader.readEvents("0", 1))?.[0]?.[1].length ?? 0) > 0);
});

test("a reader that is too slow gets the state instead of the missed events", async (scope) => {
  const world = new EventsWorld(scope, store);
  const id = await world.add();
  const events = world.events().events(id);
  const first = await events.next();
  assert.equal(first.value?.type, "run");
  world.worker(async (job) => {
    for (let done = 1; done <= 900; done += 1) await job.updateProgress({ done, total: 900 });
  });
  await eventually(async () => (await world.run(id))?.state === "done", "it is done");
  await eventually(async () => {
    const fresh = await collect(world.events().events(id));
    return fresh.length === 1;
  }, "the events were read");
  await new Promise((resolve) => setTimeout(resolve, 300));
  const rest = await collect(events);
  assert.deepEqual(rest.map(told), ["run done 900/900"]);
});

test("after a failure of the store reading continues at its position", async (scope) => {
  const world = new EventsWorld(scope, store);
  const id = await world.add();
  let failing = 0;
  const following = collect(
    world
      .events((reader) => {
        const read = reader.readEvents.bind(reader);
        reader.readEvents = async (after, waitMs) => {
          const events = await read(after, waitMs);
          if (failing > 0) {
            failing -= 1;
            throw new Error("the disk is away");
          }
          return events;
        };
        return reader;
      })
      .events(id),
  );
  await eventually(() => world.read > 0, "the state is read");
  world.worker(async (job) => {
    for (let done = 1; done <= 30; done += 1) {
      if (done % 10 === 5) failing = 1;
      await job.updateProgress({ done, total: 30 });
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  });
  const events = await following;
  assert.deepEqual(events.map(told), [
    "run waiting",
    "state running",
    ...Array.from({ length: 30 }, (_, at) => `progress ${at + 1}/30`),
    "state done 30/30",
  ]);
  assert.ok(world.opened > 1 && world.errors.length > 0);
});

test("an abort and a close end the events, and leave nothing open", async (scope) => {
  const world = new EventsWorld(scope, store);
  const id = await world.add();
  const shared = world.events();
  const abort = new AbortController();
  const one = collect(shared.events(id, { signal: abort.signal }));
  const two = collect(shared.events(id));
  await eventually(() => world.read >= 2, "both have read the state");
  abort.abort();
  assert.deepEqual((await one).map(told), ["run waiting"]);
  await shared.close();
  assert.deepEqual((await two).map(told), ["run waiting"]);
  assert.deepEqual(await collect(shared.events(id)), []);
});

test("a queue without listeners is not read any more", async (scope) => {
  scope.mock.timers.enable({ apis: ["setTimeout"] });
  const world = new EventsWorld(scope, store);
  const id = await world.add();
  let closed = 0;
  const shared = world.events((reader) => {
    const close = reader.close.bind(reader);
    reader.close = async () => {
      closed += 1;
      await close();
    };
    return reader;
  });
  await firstOf(shared.events(id), 1);
  scope.mock.timers.tick(4_000);
  await firstOf(shared.events(id), 1);
  assert.equal(world.opened, 1, "within five seconds the reader is the same");
  scope.mock.timers.tick(6_000);
  scope.mock.timers.reset();
  await eventually(() => closed === 1, "the reader is closed");
  await firstOf(shared.events(id), 1);
  assert.equal(world.opened, 2);
});
