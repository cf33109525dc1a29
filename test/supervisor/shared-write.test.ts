import assert from "node:assert/strict";
import { test } from "node:test";

import { SharedWrite } from "../../src/supervisor/shared-write.ts";

test("calls in one turn share a write, and calls during a write share the next one", async () => {
  let state = 0;
  const written: number[] = [];
  const open: PromiseWithResolvers<void>[] = [];
  const shared = new SharedWrite(async () => {
    written.push(state);
    const gate = Promise.withResolvers<void>();
    open.push(gate);
    await gate.promise;
  });
  const change = (to: number): Promise<void> => {
    state = to;
    return shared.run();
  };
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  const first = [change(1), change(2)];
  await turn();
  const second = [change(3), change(4)];
  await turn();
  assert.deepEqual(written, [2]);
  open[0]?.resolve();
  await Promise.all(first);
  await turn();
  assert.deepEqual(written, [2, 4]);

  open[1]?.reject(new Error("the disk is full"));
  const failures = await Promise.allSettled(second);
  assert.ok(failures.every(({ status }) => status === "rejected"));
  const third = change(5);
  await turn();
  open[2]?.resolve();
  await third;
  assert.deepEqual(written, [2, 4, 5]);
});
