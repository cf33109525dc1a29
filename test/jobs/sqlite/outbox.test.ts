import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";

import type { Request } from "../../../src/jobs/sqlite/group.ts";
import type { ReplyMessage, ToMain } from "../../../src/jobs/sqlite/messages.ts";
import { Outbox } from "../../../src/jobs/sqlite/outbox.ts";
import { createSqliteBackend } from "../../../src/jobs/sqlite/index.ts";
import { temporaryDirectory } from "../../helpers/resources.ts";
import { HANDING_OVER } from "../conformance/answering.ts";
import { World } from "../conformance/world.ts";

function request(operation: string, queue: string, ...args: unknown[]): Request {
  return { operation, queue, args, now: 0 };
}

const answer = (number: number): ReplyMessage => [number, true, null];
const delivery = (number: number): ToMain => ({ replies: [answer(number)] });

/** An outbox, and the numbers of the replies in the order in which they left, a list for each message. */
function openOutbox(isSlow = false): { outbox: Outbox; left: number[][] } {
  const left: number[][] = [];
  const port = {
    postMessage: ({ replies = [] }: ToMain) => void left.push(replies.map(([number]) => number)),
  };
  return {
    outbox: new Outbox(
      port,
      () => isSlow,
      () => undefined,
    ),
    left,
  };
}

test("a delivery of a queue leaves after the answers of calls that wrote to it", () => {
  const { outbox, left } = openOutbox();
  const batch = outbox.begin([request("addJobs", "a")]);
  outbox.deliver("a", delivery(10));
  outbox.deliver("b", delivery(11));
  outbox.release(batch, [answer(1)]);
  outbox.deliver("a", delivery(12));
  assert.deepEqual(left, [[11], [1], [10], [12]]);
});

test("a delivery waits for the youngest batch of its queue", () => {
  const { outbox, left } = openOutbox();
  const batches = ["a", "b", "a"].map((queue) => outbox.begin([request("promote", queue)]));
  outbox.deliver("a", delivery(10));
  outbox.deliver("b", delivery(11));
  for (const [at, batch] of batches.entries()) outbox.release(batch, [answer(at)]);
  assert.deepEqual(left, [[0], [1], [11], [2], [10]]);
});

test("a flow holds back all its queues, and a call that is not promised the disk none", () => {
  const { outbox, left } = openOutbox();
  const flow = [{ queueName: "a" }, { queueName: "b" }];
  const batch = outbox.begin([request("addFlow", "flow", flow), request("takeJob", "c")]);
  for (const [at, queue] of ["a", "b", "c"].entries()) outbox.deliver(queue, delivery(10 + at));
  outbox.release(batch, [answer(1)]);
  assert.deepEqual(left, [[12], [1], [10], [11]]);
});

test("many answers leave in two messages, both before a delivery; on a slow disk in one", () => {
  const answers = Array.from({ length: 8 }, (_, number) => answer(number));
  for (const [isSlow, messages] of [
    [false, [[0, 1, 2, 3], [4, 5, 6, 7], [10]]],
    [true, [[0, 1, 2, 3, 4, 5, 6, 7], [10]]],
  ] as const) {
    const { outbox, left } = openOutbox(isSlow);
    const batch = outbox.begin([request("addJobs", "a")]);
    outbox.deliver("a", delivery(10));
    outbox.release(batch, answers);
    assert.deepEqual(left, messages);
  }
});

for (const synchronous of ["full", "normal"] as const)
  for (const [what, holds] of HANDING_OVER)
    test(`${what}, at ${synchronous}`, async (scope) => {
      const connection = { path: join(temporaryDirectory(scope), "jobs.db"), synchronous };
      const world = new World({ name: "SQLite", connection, factory: createSqliteBackend });
      try {
        await holds(world);
      } finally {
        await world.close();
      }
    });
