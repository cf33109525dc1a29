import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { MessageChannel } from "node:worker_threads";

import { hasCode } from "../../src/base/errors.ts";
import { eventually } from "../helpers/resources.ts";
import type * as EchoModule from "./fixtures/echo.ts";
import type * as PortsModule from "./fixtures/ports.ts";
import { openPool } from "./pools.ts";

type Ports = typeof PortsModule;
type Echo = typeof EchoModule;

const textStream = (...words: string[]): ReadableStream<string> =>
  new ReadableStream<string>({
    start(controller) {
      for (const word of words) controller.enqueue(word);
      controller.close();
    },
  });

test("message ports and streams cross to a thread and back", async (t) => {
  const pool = openPool<Ports>(t, "ports", { kind: "thread", size: 1 });
  const { port1, port2 } = new MessageChannel();
  const got: number[] = [];
  port1.on("message", (n: number) => got.push(n));
  const closed = once(port1, "close");
  await pool.fn({ transfer: [port2] }).countThrough({ port: port2 }, 5);
  await closed;
  assert.deepEqual(got, [0, 1, 2, 3, 4]);

  const readable = textStream("one ", "two ", "three");
  assert.equal(await pool.fn({ transfer: [readable] }).readAll(readable), "one two three");

  const written: string[] = [];
  const writable = new WritableStream<string>({ write: (word) => void written.push(word) });
  await pool.fn({ transfer: [writable] }).writeTo(writable, ["a", "b"]);
  // The close of a stream in another realm does not wait for its sink.
  await eventually(() => written.length === 2, "the words have arrived");
  assert.deepEqual(written, ["a", "b"]);

  const { readable: out, writable: into } = new TransformStream<string, string>();
  const [text] = await Promise.all([
    pool.fn({ transfer: [out] }).readAll(out),
    pool.fn({ transfer: [into] }).writeTo(into, ["x", "y"]),
  ]);
  assert.equal(text, "xy");

  const words: string[] = [];
  for await (const word of await pool.fn().wordsOf("a result of words")) words.push(word);
  assert.deepEqual(words, ["a", "result", "of", "words"]);
  assert.equal(pool.stats().restarts, 0);
});

test("a whole TransformStream crosses, in a value with other parts", async (t) => {
  const pool = openPool<Echo>(t, "echo", { kind: "thread", size: 1 });
  const transform = new TransformStream<string, string>();
  const value = { transform, map: new Map([["bytes", new Uint8Array(3)]]) };
  const refused = pool.run(value, { transfer: [transform] });
  // The worker returns it without handing it over.
  await assert.rejects(refused, (error) => {
    assert.ok(error instanceof Error && hasCode(error, "NEWEL_E_NOT_SENDABLE"));
    return /value\.transform is a TransformStream/.test(error.message);
  });
});

test("ports and streams are refused by name: for processes, when they are locked, and unless `transfer` names them", async (t) => {
  const { port1, port2 } = new MessageChannel();
  const parts = [
    [port2, /MessagePort/],
    [textStream("a"), /ReadableStream/],
    [new WritableStream(), /WritableStream/],
    [new TransformStream(), /TransformStream/],
  ] as const;
  const processes = openPool<Echo>(t, "echo", { size: 1 });
  const threads = openPool<Echo>(t, "echo", { kind: "thread", size: 1 });
  for (const [part, name] of parts) {
    const isRefused = (error: unknown): boolean => {
      assert.ok(error instanceof Error && hasCode(error, "NEWEL_E_NOT_SENDABLE"));
      assert.match(error.message, name);
      return true;
    };
    await assert.rejects(processes.run({ part }, { transfer: [part] }), isRefused);
    await assert.rejects(processes.run({ part }), isRefused);
    await assert.rejects(threads.run({ part }), isRefused);
  }
  const locked = textStream("a");
  locked.getReader();
  await assert.rejects(threads.run({ locked }, { transfer: [locked] }), /locked/);
  const names = openPool<Ports>(t, "ports", { kind: "thread", size: 1 });
  await assert.rejects(names.fn().lockedStream(), /locked/);
  await assert.rejects(threads.run(1, { transfer: [{} as never] }), (error) =>
    hasCode(error, "NEWEL_E_POOL_OPTION"),
  );
  assert.equal(await threads.run("still here"), "still here");
  port1.close();
});

test("a port is taken at the call, and is closed when its task does not begin", async (t) => {
  const pool = openPool<Ports>(t, "ports", { kind: "thread", size: 1, concurrency: 1 });
  const busy = pool.fn().wait(200);
  const [waiting, sent] = [new MessageChannel(), new MessageChannel()];
  const closed = once(waiting.port1, "close");
  const answerClosed = once(sent.port1, "message");
  const controller = new AbortController();
  const { signal } = controller;
  const given = pool.fn({ transfer: [waiting.port2], signal }).wait(1, waiting.port2);
  await assert.rejects(pool.fn({ transfer: [waiting.port2] }).wait(1, waiting.port2), (error) =>
    hasCode(error, "NEWEL_E_NOT_SENDABLE"),
  );
  controller.abort();
  await assert.rejects(given, (error) => hasCode(error, "NEWEL_E_CANCELLED"));
  await closed;
  await busy;
  // The second is in the worker when it is cancelled.
  const other = openPool<Ports>(t, "ports", { kind: "thread", size: 1 });
  const late = new AbortController();
  await other.start();
  const task = other.fn({ transfer: [sent.port2], signal: late.signal }).portAfter(100, sent.port2);
  setTimeout(() => late.abort(), 50);
  await assert.rejects(task, (error) => hasCode(error, "NEWEL_E_CANCELLED"));
  // Its answer, a port, comes too late: the pool closes it, which its other end in the worker hears.
  assert.deepEqual(await answerClosed, ["closed"]);
});

test("a task with a port is not retried when its worker dies", async (t) => {
  const pool = openPool<Ports>(t, "ports", { kind: "thread", size: 1, retries: 5 });
  const { port1, port2 } = new MessageChannel();
  const closed = once(port1, "close");
  const task = pool.fn({ transfer: [port2], retries: 3 }).die(port2);
  await assert.rejects(task, (error) => hasCode(error, "NEWEL_E_POOL_WORKER_LOST"));
  await closed;
});
