import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { hasCode, isNewelError } from "../../src/base/errors.ts";
import type * as AskingModule from "./fixtures/asking.ts";
import { KINDS, openPool } from "./pools.ts";

type Asking = typeof AskingModule;

for (const kind of KINDS) {
  test(`${kind}: each task's questions reach its own caller, in order, and the answers come back`, async (t) => {
    const pool = openPool<Asking>(t, "asking", { kind, size: 1 });
    const heard = new Map<number, unknown[]>();
    const tasks = Array.from({ length: 20 }, (_, task) =>
      pool.run(
        { do: "ask", questions: Array.from({ length: 50 }, (_each, at) => ({ task, at })) },
        {
          onAsk: async (question, { worker }) => {
            heard.set(task, [...(heard.get(task) ?? []), question]);
            await sleep(Math.random() * 5);
            return { worker, of: (question as { at: number }).at };
          },
        },
      ),
    );
    for (const [task, answers] of (await Promise.all(tasks)).entries()) {
      assert.deepEqual(
        answers,
        Array.from({ length: 50 }, (_, at) => ({ worker: 0, of: at })),
      );
      assert.deepEqual(
        heard.get(task),
        Array.from({ length: 50 }, (_, at) => ({ task, at })),
      );
    }
  });

  test(`${kind}: questions and answers carry values of all kinds, errors included`, async (t) => {
    const pool = openPool<Asking>(t, "asking", { kind, size: 1 });
    const large = new Uint8Array(200_000).fill(7);
    const values = [undefined, "", { a: [1n] }, new Map([["k", new Date(5)]]), large];
    const answers = await pool.run(
      { do: "ask", questions: values },
      { onAsk: (question) => question },
    );
    assert.deepEqual(answers, values);
    const broken = pool.run(
      { do: "ask", questions: [1] },
      {
        onAsk: () => {
          throw Object.assign(new RangeError("no such row"), { code: "E_ROW" });
        },
      },
    );
    await assert.rejects(broken, { name: "RangeError", message: "no such row", code: "E_ROW" });
    const unsendable = pool.run({ do: "ask", questions: [1] }, { onAsk: () => () => undefined });
    await assert.rejects(unsendable, (error) => hasCode(error, "NEWEL_E_NOT_SENDABLE"));
    // Shared memory next to the value makes it a separate message.
    const shared = { memory: new SharedArrayBuffer(8), function: () => undefined };
    const refused = pool.run({ do: "ask", questions: [1] }, { onAsk: () => shared });
    await assert.rejects(refused, (error) => hasCode(error, "NEWEL_E_NOT_SENDABLE"));
  });
}

const isUnanswered = (error: unknown): boolean => hasCode(error, "NEWEL_E_POOL_NO_ANSWER");

test("a question is refused without onAsk, from a given-up task, and after the task's end", async (t) => {
  const pool = openPool<Asking>(t, "asking", { size: 1 });
  await assert.rejects(pool.run({ do: "ask", questions: [1] }), isUnanswered);

  const controller = new AbortController();
  const heard: unknown[] = [];
  const onAsk = (question: unknown): void => void heard.push(question);
  const given = pool.run({ do: "hear" }, { signal: controller.signal, onAsk });
  await pool.run({ do: "flood", count: 1 }, { onAsk: () => undefined });
  const reason = Object.assign(new Error("the user left"), { code: "E_LEFT", row: 3 });
  controller.abort(reason);
  await assert.rejects(given, (error) => hasCode(error, "NEWEL_E_CANCELLED"));
  await sleep(50);
  assert.deepEqual(await pool.run({ do: "tell later" }), {
    reason: "E_LEFT: the user left",
    refusal:
      "NEWEL_E_POOL_NO_ANSWER: The question of the task has no answer: the task was given up.",
  });

  await pool.run({ do: "later" }, { onAsk });
  // This task has the place of the other in the worker's table.
  const next = pool.run({ do: "wait", ms: 200 }, { onAsk });
  await assert.rejects(pool.run({ do: "tell later" }), isUnanswered);
  await next;
  assert.deepEqual(heard, []);
});

test("questions are bounded, and a pool that stops still answers", async (t) => {
  const pool = openPool<Asking>(t, "asking", { size: 1 });
  let answered = 0;
  const onAsk = async (): Promise<void> => {
    await sleep(20);
    answered += 1;
  };
  await assert.rejects(
    pool.run({ do: "flood", count: 5_000 }, { onAsk }),
    (error) =>
      isNewelError(error) && error.code === "NEWEL_E_LIMIT" && error.data["limit"] === 4_096,
  );
  assert.equal(answered, 4_096);
  const last = pool.run({ do: "flood", count: 10 }, { onAsk });
  await pool.stop();
  assert.equal(await last, 10);
});
