import assert from "node:assert/strict";
import { test } from "node:test";

import { eventually } from "../../helpers/resources.ts";
import { ended, makeWorld, type World } from "./world.ts";

/** How many were in at once, at most, for each word that the notes have. */
function mostAtOnce(world: World): Record<string, number> {
  const inside: Record<string, number> = {};
  const most: Record<string, number> = {};
  for (const line of world.notes()) {
    const [what, key = ""] = line.split(" ");
    inside[key] = (inside[key] ?? 0) + (what === "in" ? 1 : -1);
    most[key] = Math.max(most[key] ?? 0, inside[key]);
  }
  return most;
}

test("groupConcurrency holds exactly, and a full group does not block other runs", async (scope) => {
  const world = makeWorld(scope);
  const queue = world.queue("grouped");
  const data = (group: string) => ({ v: 1, group, input: group });
  const crowd = Array.from({ length: 20 }, () => ({ name: "grouped", data: data("a") }));
  const added = await queue.addBulk([...crowd, { name: "grouped", data: data("b") }]);
  await world.serve({ processes: 4 });
  const last = await ended(queue, added.at(-1) ?? {});
  for (const job of added) await ended(queue, job, 30_000);
  assert.deepEqual(mostAtOnce(world), { a: 2, b: 1 });
  const before = world.notes().slice(0, world.notes().indexOf("in b"));
  assert.ok(before.filter((line) => line === "out a").length < 20, "b did not wait for all of a");
  assert.equal(last.attemptsMade, 1);
});

test("a stop promotes the runs that wait for their group, for the next server", async (scope) => {
  const world = makeWorld(scope);
  const queue = world.queue("grouped");
  const data = { v: 1, group: "a", input: "a" };
  await queue.addBulk(Array.from({ length: 30 }, () => ({ name: "grouped", data })));
  const server = await world.serve({ processes: 4 });
  await eventually(async () => (await queue.getDelayedCount()) > 3, "some are put away");
  await server.stop();
  assert.equal(await queue.getDelayedCount(), 0);
  assert.equal(await world.queue("newel-groups").getWaitingCount(), 0);
});

test("concurrency of a queue holds over all servers", async (scope) => {
  const world = makeWorld(scope);
  const queue = world.queue("limited");
  const added = await queue.addBulk(
    Array.from({ length: 12 }, () => ({ name: "limited", data: {} })),
  );
  await Promise.all([world.serve(), world.serve()]);
  for (const job of added) await ended(queue, job, 30_000);
  assert.deepEqual(mostAtOnce(world), { "": 1 });
});

test("the queues of a server share its processes, and none starves", async (scope) => {
  const world = makeWorld(scope);
  const [first, second] = [world.queue("default"), world.queue("limited")];
  await first.addBulk(Array.from({ length: 30 }, () => ({ name: "waiting", data: 30 })));
  const added = await second.add("limited", {});
  await world.serve({ processes: 1 });
  await ended(second, added);
  assert.ok((await first.getCompletedCount()) < 10, "it had its turn");
});
