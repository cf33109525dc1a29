import assert from "node:assert/strict";
import { test } from "node:test";

import type { RunEvent } from "../../../src/jobs/api.ts";
import { eventually } from "../../helpers/resources.ts";
import { collect, EventsWorld, type Store, told } from "./world.ts";

const progressed = async (
  job: { updateProgress(progress: object): Promise<void> },
  count: number,
): Promise<void> => {
  for (let done = 1; done <= count; done += 1) await job.updateProgress({ done, total: count });
};

/** The properties of a run's events, on every store. */
export function tryEvents(of: () => Store, options: { skip: string | false }): void {
  test("a run is followed from its state to its result", options, async (scope) => {
    const world = new EventsWorld(scope, of());
    const id = await world.add();
    const following = collect(world.events().events(id));
    await eventually(() => world.read > 0, "the state is read");
    world.worker(async (job) => {
      await progressed(job, 3);
      return { rows: 3 };
    });
    const events = await following;
    assert.deepEqual(events.map(told), [
      "run waiting",
      "state running",
      "progress 1/3",
      "progress 2/3",
      "progress 3/3",
      "state done 3/3",
    ]);
    assert.deepEqual(events.at(-1)?.result, { rows: 3 });
    assert.equal(new Set(events.map((event) => event.id)).size, events.length);
    assert.ok(events.every(({ run }) => run === id));
    assert.deepEqual(world.errors, []);
  });

  test("a failed run has its reason; earlier attempts do not end it", options, async (scope) => {
    const world = new EventsWorld(scope, of());
    const id = await world.add({}, { attempts: 2, backoff: 50 });
    const following = collect(world.events().events(id));
    await eventually(() => world.read > 0, "the state is read");
    world.worker(async () => {
      throw new Error("no such file");
    });
    const events = await following;
    assert.deepEqual(events.map(told), [
      "run waiting",
      "state running",
      "state delayed",
      ...(events.length === 6 ? ["state waiting"] : []),
      "state running",
      "state failed",
    ]);
    assert.deepEqual(events.at(-1)?.error, { name: "Error", message: "no such file" });
  });

  test("after any event the following ones come once and in order", options, async (scope) => {
    const world = new EventsWorld(scope, of());
    const id = await world.add();
    const other = await world.add();
    const following = collect(world.events().events(id));
    await eventually(() => world.read > 0, "the state is read");
    // More than a store gives at once.
    world.worker(async (job) => progressed(job, 120));
    const events = await following;
    const late = world.events();
    await collect(late.events(other));
    for (const [at, event] of events.entries()) {
      if (at > 5 && at % 20 !== 0 && at < events.length - 2) continue;
      const rest = await collect(late.events(id, { after: event.id }));
      assert.deepEqual(
        rest.map((each) => each.id),
        events.slice(at + 1).map((each) => each.id),
        `after ${told(event)}`,
      );
    }
  });

  test("a finished run gives its state and no more events", options, async (scope) => {
    const world = new EventsWorld(scope, of());
    const id = await world.add();
    world.worker(async () => "done");
    await eventually(async () => (await world.run(id))?.state === "done", "it is done");
    const events = await collect(world.events().events(id));
    assert.deepEqual(events.map(told), ["run done"]);
    assert.equal(events[0]?.result, "done");
    for (const after of ["", "garbage", "99999999999999-0", "1-1", "'; DROP TABLE event", "9~~~"]) {
      const again = await collect(world.events().events(id, { after }));
      assert.deepEqual(again.map(told), ["run done"], after);
    }
    assert.deepEqual(await collect(world.events().events(`${world.name}~nobody`)), []);
    assert.deepEqual(await collect(world.events().events("nonsense")), []);
  });

  test("the result of a run without retention is in its last event", options, async (scope) => {
    const world = new EventsWorld(scope, of());
    const id = await world.add({}, { removeOnComplete: true });
    const following = collect(world.events().events(id));
    await eventually(() => world.read > 0, "the state is read");
    const worker = world.worker(async (job) => {
      if (!("bad" in job.data)) return { rows: 5 };
      throw new Error("RangeError [E_ROW]: no such row");
    });
    const events = await following;
    await worker.pause();
    assert.equal(events.at(-1)?.state, "done");
    assert.deepEqual(events.at(-1)?.result, { rows: 5 });

    const bad = await world.add({ bad: true }, { removeOnFail: true });
    const before = world.read;
    const followingBad = collect(world.events().events(bad));
    await eventually(() => world.read > before, "the state is read");
    void worker.resume();
    const { error } = (await followingBad).at(-1) ?? {};
    assert.deepEqual(error, { name: "RangeError", code: "E_ROW", message: "no such row" });
  });

  test("a run that is removed while it waits ends", options, async (scope) => {
    const world = new EventsWorld(scope, of());
    const id = await world.add();
    const following = collect(world.events().events(id));
    await eventually(() => world.read > 0, "the state is read");
    await world.queue.remove(id.slice(id.indexOf("~") + 1));
    assert.deepEqual((await following).map(told), ["run waiting", "state cancelled"]);
  });

  test("an event that is too old gives the state instead", options, async (scope) => {
    const world = new EventsWorld(scope, of());
    const id = await world.add();
    const [first] = await firstOf(world.events().events(id), 1);
    assert.ok(first);
    world.worker(async (job) => progressed(job, 400));
    await eventually(async () => (await world.run(id))?.state === "done", "it is done");
    await world.queue.trimEvents(10).catch((error: unknown) => {
      // BullMQ's store on PostgreSQL cannot trim its events.
      if (world.store.name !== "PostgreSQL") throw error;
    });
    const rest = await collect(world.events().events(id, { after: first.id }));
    const told = rest.map(({ type }) => type);
    if (world.store.name === "PostgreSQL") assert.equal(told.at(-1), "state");
    else assert.ok(told[0] === "run" || rest.length === 402, told.join(" "));
    assert.equal(rest.at(-1)?.state, "done");
  });

  test("all listeners share one reader", options, async (scope) => {
    const world = new EventsWorld(scope, of());
    const ids = [await world.add(), await world.add()];
    const shared = world.events();
    const following = Array.from({ length: 1_000 }, (_, at) =>
      collect(shared.events(ids[at % 2] ?? "")),
    );
    await eventually(() => world.read >= 1_000, "all have read the state");
    assert.equal(world.opened, 1);
    world.worker(async (job) => progressed(job, 5));
    for (const events of await Promise.all(following)) {
      assert.equal(events[0]?.type, "run");
      assert.equal(events.at(-1)?.state, "done");
    }
    assert.equal(world.opened, 1);
  });
}

/** The first events; the rest is given up. */
export async function firstOf(
  events: AsyncIterable<RunEvent>,
  count: number,
): Promise<readonly RunEvent[]> {
  const some: RunEvent[] = [];
  for await (const event of events) if (some.push(event) >= count) break;
  return some;
}
