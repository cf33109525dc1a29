import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { hasCode } from "../../src/base/errors.ts";
import { eventually, temporaryDirectory } from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";
import type * as EchoModule from "./fixtures/echo.ts";
import type * as CountingModule from "./fixtures/looppool-stream.ts";
import type * as StreamsModule from "./fixtures/streams.ts";
import { isRunning, KINDS, openPool } from "./pools.ts";

type Streams = typeof StreamsModule;
type Echo = typeof EchoModule;

const linesOf = (log: string): string[] =>
  existsSync(log) ? readFileSync(log, "utf8").trim().split("\n") : [];
const ended = (log: string): boolean => linesOf(log).at(-1) === "end";

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** Reads until it fails; returns the items before, and the error. */
async function untilError(
  items: AsyncIterable<unknown>,
): Promise<{ readonly read: unknown[]; readonly error: unknown }> {
  const read: unknown[] = [];
  try {
    for await (const item of items) read.push(item);
  } catch (error) {
    return { read, error };
  }
  return { read, error: undefined };
}

for (const kind of KINDS) {
  test(`${kind}: a stream gives the items of a generator in their order, many streams at a time`, async (t) => {
    const pool = openPool<Streams>(t, "streams", { kind, size: 1 });
    const counts = [0, 1, 10_000, 3_000];
    const all = await Promise.all(counts.map((count) => collect(pool.stream({ count }))));
    for (const [index, count] of counts.entries())
      assert.deepEqual(all[index], [...Array(count).keys()]);
    assert.equal(pool.stats().failed, 0);
    const large = await collect(pool.stream({ count: 3, bytes: 300_000 }));
    assert.deepEqual(
      large.map((bytes) => [(bytes as Uint8Array).length, (bytes as Uint8Array)[0]]),
      [0, 1, 2].map((step) => [300_000, step]),
    );
  });

  test(`${kind}: a generator waits for its reader, with small items and with large ones`, async (t) => {
    const log = join(temporaryDirectory(t), "log");
    const pool = openPool<Streams>(t, "streams", { kind, size: 1 });
    for (const [bytes, ahead] of [
      [undefined, 256],
      [1_048_576, 2],
    ] as const) {
      const file = `${log}-${bytes ?? 0}`;
      const items = pool.stream({
        count: 5_000,
        log: file,
        ...(bytes === undefined ? {} : { bytes }),
      });
      assert.equal(existsSync(file), false, "it begins with the first next()");
      await items.next();
      await eventually(() => linesOf(file).length >= ahead, "it runs ahead");
      // Tasks of the same worker begin and end while the generator waits.
      assert.equal(await pool.fn().add(1, 2), 3);
      assert.ok(linesOf(file).length <= ahead + 2, `${linesOf(file).length} steps`);
      await items.return?.();
      await eventually(() => ended(file), "it has ended");
    }
  });

  test(`${kind}: a reader that leaves ends the generator, and the worker continues`, async (t) => {
    const log = join(temporaryDirectory(t), "log");
    const pool = openPool<Streams>(t, "streams", { kind, size: 1, concurrency: 1 });
    const posted: unknown[] = [];
    pool.on("message", (message) => posted.push(message));
    for await (const item of pool.stream({ count: 5_000, log })) if (item === 10) break;
    await eventually(() => ended(log), "its finally block has run");
    assert.deepEqual(await collect(pool.stream({ count: 2 })), [0, 1]);
    const waiting = pool.stream({ count: 3, waitAt: 1, log: `${log}-2` });
    await waiting.next();
    const pending = waiting.next();
    await waiting.return?.();
    assert.deepEqual(await pending, { done: true, value: undefined });
    await eventually(() => ended(`${log}-2`), "its signal has aborted");
    assert.deepEqual(await waiting.next(), { done: true, value: undefined });
    assert.deepEqual(posted.slice(0, 1), ["the generator has ended"]);
    assert.equal(pool.stats().restarts, 0);
    assert.equal(pool.stats().failed, 0);
    await pool.stop();
  });

  test(`${kind}: a stream that waits in the pool, or is not read, never begins when its reader leaves`, async (t) => {
    const log = join(temporaryDirectory(t), "log");
    const pool = openPool<Streams>(t, "streams", { kind, size: 1, concurrency: 1 });
    const first = pool.stream({ count: 5_000 });
    await first.next();
    const waits = pool.stream({ count: 1, log });
    const pending = waits.next();
    await waits.return?.();
    assert.deepEqual(await pending, { done: true, value: undefined });
    const unread = pool.stream({ count: 1, log });
    await unread.return?.();
    assert.deepEqual(await unread.next(), { done: true, value: undefined });
    await first.return?.();
    await pool.stop();
    assert.equal(existsSync(log), false);
  });

  test(`${kind}: errors of a generator arrive after the items before them`, async (t) => {
    const pool = openPool<Streams>(t, "streams", { kind, size: 1 });
    const { read, error } = await untilError(pool.stream({ count: 9, failAt: 3 }));
    assert.deepEqual(read, [0, 1, 2]);
    assert.ok(error instanceof RangeError && error.message === "no step 3");
    const bad = await untilError(pool.gen().badItem());
    assert.deepEqual(bad.read, [1]);
    assert.ok(hasCode(bad.error, "NEWEL_E_NOT_SENDABLE"));
    assert.deepEqual(await collect(pool.stream({ count: 1 })), [0], "the worker continues");
  });

  test(`${kind}: a signal and a deadline end a stream, before it begins, while it waits and while it blocks`, async (t) => {
    const log = join(temporaryDirectory(t), "log");
    const pool = openPool<Streams>(t, "streams", { kind, size: 1, killMs: 100 });
    await assert.rejects(
      async () => collect(pool.stream({ count: 1 }, { signal: AbortSignal.abort() })),
      (error) => hasCode(error, "NEWEL_E_CANCELLED"),
    );
    const controller = new AbortController();
    const order = { count: 900, waitAt: 100, log };
    const items = pool.stream(order, { signal: controller.signal });
    await items.next();
    await eventually(() => linesOf(log).length > 100, "it waits");
    controller.abort(new Error("enough"));
    await assert.rejects(items.next(), (error) => hasCode(error, "NEWEL_E_CANCELLED"));
    assert.deepEqual(await items.next(), { done: true, value: undefined }, "the rest is dropped");
    await eventually(() => ended(log), "the generator has ended");
    const late = await untilError(pool.stream({ count: 9, waitAt: 2 }, { timeoutMs: 300 }));
    assert.ok(hasCode(late.error, "NEWEL_E_DEADLINE"));
    const blocked = await untilError(pool.stream({ count: 9, blockAt: 2 }, { timeoutMs: 300 }));
    assert.ok(hasCode(blocked.error, "NEWEL_E_DEADLINE"));
    await eventually(() => pool.stats().restarts === 1, "the blocked worker is killed");
    assert.deepEqual(await collect(pool.stream({ count: 1 })), [0]);
  });

  test(`${kind}: the death of a worker ends its streams with the items that had arrived`, async (t) => {
    const pool = openPool<Streams>(t, "streams", { kind, size: 1, retries: 3 });
    const { read, error } = await untilError(pool.stream({ count: 9, exitAt: 4, everyMs: 20 }));
    assert.deepEqual(read, [0, 1, 2, 3]);
    assert.ok(hasCode(error, "NEWEL_E_POOL_WORKER_LOST"));
    assert.deepEqual(await collect(pool.stream({ count: 1 })), [0]);
  });

  test(`${kind}: a generator that computes lets its worker answer, and its items arrive one by one`, async (t) => {
    const pool = openPool<Streams>(t, "streams", { kind, size: 1 });
    const items = pool.gen().squares(1_000_000, 2);
    assert.deepEqual(await items.next(), { done: false, value: 0 });
    assert.equal(await pool.fn().add(2, 2), 4);
    await items.return?.();
    await pool.stop();
  });

  test(`${kind}: a closing pool finishes streams, and ends them after its grace`, async (t) => {
    const pool = openPool<Streams>(t, "streams", { kind, size: 1 });
    const items = pool.stream({ count: 3 });
    await items.next();
    const stopped = pool.stop();
    await assert.rejects(pool.fn().add(1, 1), (error) => hasCode(error, "NEWEL_E_POOL_CLOSED"));
    assert.deepEqual(await collect(items), [1, 2]);
    await stopped;
    await assert.rejects(pool.stream({ count: 1 }).next(), (error) =>
      hasCode(error, "NEWEL_E_POOL_CLOSED"),
    );
    const other = openPool<Streams>(t, "streams", { kind, size: 1 });
    const unread = other.stream({ count: 900 });
    await unread.next();
    await other.close({ graceMs: 50 });
    const { error } = await untilError(unread);
    assert.ok(hasCode(error, "NEWEL_E_POOL_STUCK"));
  });

  test(`${kind}: a task without an iterator gives no stream, and a generator no result`, async (t) => {
    const pool = openPool<Echo>(t, "echo", { kind, size: 1 });
    const untyped = pool as unknown as { stream(task: unknown): AsyncIterableIterator<unknown> };
    for (const task of [7, null, "text", { a: 1 }])
      await assert.rejects(untyped.stream(task).next(), (error) =>
        hasCode(error, "NEWEL_E_POOL_NO_STREAM"),
      );
    assert.deepEqual(await collect(untyped.stream([1, [2], "3"])), [1, [2], "3"]);
    const streams = openPool(t, "streams", { kind, size: 1 });
    await assert.rejects(streams.run({ count: 1 }), (error) =>
      hasCode(error, "NEWEL_E_NOT_SENDABLE"),
    );
  });
}

for (const kind of KINDS)
  test(`${kind}: a task of a worker class may be a generator, which sends messages`, async (t) => {
    const pool = openPool<typeof CountingModule>(t, "looppool-stream", { kind, size: 1 });
    const messages: unknown[] = [];
    pool.on("message", (message) => messages.push(message));
    assert.deepEqual(await collect(pool.stream(3)), [0, 1, 2]);
    assert.deepEqual(messages, ["before 0", "before 1", "before 2"]);
  });

test("a worker that dies with the program's stream unread leaves no process", async (t) => {
  const pool = openPool<Streams>(t, "streams", { size: 1 });
  const items = pool.stream({ count: 9_000 });
  await items.next();
  const [{ pid } = { pid: 0 }] = pool.stats().workers;
  sendSignal(pid, "SIGKILL");
  const { read, error } = await untilError(items);
  assert.ok(read.length <= 300);
  assert.ok(hasCode(error, "NEWEL_E_POOL_WORKER_LOST"));
  await eventually(() => !isRunning(pid), "it is gone");
});

test("wrong options of a stream are refused", (t) => {
  const pool = openPool(t, "streams", { size: 1 });
  for (const options of [{ timeoutMs: -1 }, { retries: 1 }, { signal: 7 }, { transfer: [{}] }])
    assert.throws(
      () => pool.stream({ count: 1 }, options as never),
      (error) => hasCode(error, "NEWEL_E_POOL_OPTION"),
    );
});
