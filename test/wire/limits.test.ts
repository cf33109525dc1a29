import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";

import { callContext, defineContract, type Contract } from "../../src/wire/contract.ts";
import type { Connection } from "../../src/wire/client.ts";
import { Deadlines } from "../../src/wire/deadlines.ts";
import type { WireLimits } from "../../src/wire/limits.ts";
import type { WireServer } from "../../src/wire/server.ts";
import { connectUnix, serveUnix } from "../../src/wire/unix.ts";
import { WaitingCalls } from "../../src/wire/waiting-calls.ts";
import { eventually, temporaryDirectory, type Scope } from "../helpers/resources.ts";

interface Lab {
  echo(value: unknown): Promise<unknown>;
  hang(): Promise<string>;
  nested(depth: number): Promise<unknown>;
  /** Yields once and never again. */
  stuck(): AsyncIterable<number>;
  follow(): AsyncIterable<number>;
}

const LAB: Contract<Lab> = defineContract<Lab>()({
  name: "lab",
  version: 1,
  calls: ["echo", "hang", "nested"],
  streams: ["stuck", "follow"],
});

function lab(): Lab {
  return {
    echo: async (value) => value,
    hang: async () => {
      const { signal } = callContext();
      return new Promise((resolve) => {
        signal.addEventListener("abort", () => resolve("given up"));
      });
    },
    nested: async (depth) => nest(depth),
    async *stuck() {
      yield 1;
      await new Promise(() => undefined);
    },
    async *follow() {
      const { signal } = callContext();
      for (let number = 0; ; number += 1) {
        yield number;
        await new Promise<void>((resolve) => {
          signal.addEventListener("abort", () => resolve());
        });
      }
    },
  };
}

function nest(depth: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < depth; level += 1) value = [value];
  return value;
}

async function open(
  t: Scope,
  limits: Partial<WireLimits>,
  ours: Partial<WireLimits> = {},
): Promise<{ server: WireServer; connection: Connection<Lab> }> {
  const path = join(temporaryDirectory(t), "lab.sock");
  const server = await serveUnix(path, LAB, lab(), { limits });
  t.after(() => server.close(0));
  const connection = await connectUnix(path, LAB, { limits: ours });
  t.after(() => connection.close());
  return { server, connection };
}

test("streams at their limit delay no call, and one more gets the next free permit", async (t) => {
  const { connection } = await open(t, { maxStreams: 2 });
  const { remote } = connection;
  const streams = [remote.follow(), remote.follow()];
  for (const stream of streams) await stream.next();
  const third = remote.follow();
  const first = third.next();
  assert.equal(await remote.echo("still"), "still");
  await streams[0]?.return?.();
  assert.deepEqual(await first, { done: false, value: 0 });
});

test("a stream that waits for a permit ends at its time limit", async (t) => {
  const { connection } = await open(t, { maxStreams: 1 });
  await connection.remote.follow().next();
  await assert.rejects(connection.remote.with({ timeoutMs: 30 }).follow().next(), {
    code: "NEWEL_E_DEADLINE",
  });
});

test("a stream that its reader left frees its permit, even while its producer still runs", async (t) => {
  const { connection } = await open(t, { maxStreams: 1 });
  for (let round = 0; round < 10; round += 1) {
    const stream = connection.remote.stuck();
    assert.equal((await stream.next()).value, 1);
    await stream.return?.();
  }
  assert.equal(await connection.remote.echo("still"), "still");
});

test("calls above the limit wait, and one that is cancelled while it waits leaves no state", async (t) => {
  const { connection, server } = await open(t, { maxCalls: 2 });
  const controller = new AbortController();
  const hung = Promise.allSettled(
    [1, 2].map(() => connection.remote.with({ signal: controller.signal }).hang()),
  );
  const late = Array.from({ length: 500 }, () =>
    connection.remote.with({ timeoutMs: 20 }).echo("late"),
  );
  for (const outcome of await Promise.allSettled(late)) assert.equal(outcome.status, "rejected");
  const last = connection.remote.echo("last");
  controller.abort();
  assert.equal(await last, "last");
  for (const outcome of await hung) assert.equal(outcome.status, "rejected");
  await eventually(() => server.running === 0, "nothing runs any more");
});

test("a value over a limit of its reader fails its own call, in both directions", async (t) => {
  const { connection } = await open(
    t,
    { maxDepth: 8, maxParts: 3, maxReferences: 2, maxFrameBytes: 100_000 },
    { maxDepth: 12 },
  );
  const { remote } = connection;
  const innocent = remote.hang();
  const refused = async (call: Promise<unknown>): Promise<void> =>
    assert.rejects(call, { code: "NEWEL_E_LIMIT" });
  await refused(remote.echo(nest(20)));
  await refused(remote.echo([1, 2, 3, 4].map(() => Buffer.alloc(1))));
  await refused(remote.echo([1, 2, 3].map((index) => () => index)));
  await refused(remote.echo("x".repeat(100_001)));
  await refused(remote.nested(20));
  assert.deepEqual(await remote.nested(11), nest(11));
  assert.equal(await remote.echo("still"), "still");
  void innocent.catch(() => undefined);
});

test("data for a peer that does not read fails its own calls", async (t) => {
  const { connection } = await open(t, {}, { maxBacklogBytes: 300_000, maxCalls: 256 });
  const calls = Array.from({ length: 50 }, () => connection.remote.echo("x".repeat(100_000)));
  const outcomes = await Promise.allSettled(calls);
  const failed = outcomes.filter((outcome) => outcome.status === "rejected");
  assert.ok(failed.length > 0 && failed.length < 50);
  for (const { reason } of failed)
    assert.equal((reason as { code?: string }).code, "NEWEL_E_LIMIT");
  assert.equal(await connection.remote.echo("still"), "still");
});

test("waiting calls come out in order, without those that settled", () => {
  const waiting = new WaitingCalls<{ isSettled: boolean; readonly number: number }>();
  const calls = Array.from({ length: 1_000 }, (_, number) => ({ isSettled: false, number }));
  for (const call of calls) waiting.push(call);
  for (const call of calls.filter(({ number }) => number % 3 === 0)) {
    call.isSettled = true;
    waiting.settled();
  }
  assert.equal(waiting.size, 666);
  assert.deepEqual([waiting.shift()?.number, waiting.shift()?.number], [1, 2]);
  assert.equal(waiting.size, 664);
  assert.deepEqual(
    waiting.drain().map(({ number }) => number),
    calls.map(({ number }) => number).filter((number) => number > 3 && number % 3 !== 0),
  );
  assert.equal(waiting.shift(), undefined);
});

test("each deadline fires once, and not after its removal", async (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const due: number[] = [];
  const deadlines = new Deadlines<number>((item) => due.push(item));
  const now = performance.now();
  for (const item of [1, 2, 3]) deadlines.add(item, now + 1);
  deadlines.add(4, now + 3_600_000);
  deadlines.delete(2, now + 1);
  await eventually(() => performance.now() > now + 50, "the first three are over");
  t.mock.timers.tick(40);
  assert.deepEqual(due, [1, 3]);
  deadlines.delete(4, now + 3_600_000);
  t.mock.timers.tick(40);
  assert.deepEqual(due, [1, 3]);
});
