import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { defineContract, makeRemote, methodTable, type Remote } from "../../src/wire/contract.ts";
import { Session } from "../../src/wire/session.ts";
import { eventually } from "../helpers/resources.ts";
import { memoryPair } from "../../src/wire/memory.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

type Callback = ((value: number) => unknown) & Partial<Disposable>;

type Maker = (() => string | Promise<string>) & Partial<Disposable>;

interface Board {
  post(callback: Callback, value: number): Promise<unknown>;
  postAndGiveBack(callback: Callback): Promise<unknown>;
  pin(callback: Callback): void;
  unpin(): void;
  both(first: Callback, second: Callback): boolean;
  maker(): Maker;
  count(): AsyncIterable<number>;
}

const BOARD = defineContract<Board>()({
  name: "board",
  version: 1,
  calls: ["post", "postAndGiveBack", "pin", "unpin", "both", "maker"],
  streams: ["count"],
});

function board(): Board {
  let pinned: Callback[] = [];
  return {
    post: async (callback, value) => callback(value),
    async postAndGiveBack(callback) {
      const answer = await callback(1);
      callback[Symbol.dispose]?.();
      return answer;
    },
    pin: (callback) => void pinned.push(callback),
    unpin: () => {
      pinned = [];
    },
    both: (first, second) => first === second,
    maker: () => () => "made there",
    async *count() {
      for (let number = 0; ; number += 1) yield number;
    },
  };
}

async function open(
  limits = {},
): Promise<{ remote: Remote<Board>; client: Session; server: Session }> {
  const [left, right] = memoryPair();
  const { name, version } = BOARD;
  const server = new Session(right, {
    serves: { name, version, methods: methodTable(BOARD, board()) },
    limits,
  });
  const client = new Session(left, { expects: { name, version }, limits });
  return { remote: makeRemote(client.caller, BOARD, await client.ready), client, server };
}

test("10,000 functions cross and are released", async () => {
  const { remote, client } = await open();
  for (let round = 0; round < 100; round += 1) {
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, index) => remote.postAndGiveBack(() => index)),
    );
    assert.equal(answers[99], 99);
  }
  await eventually(() => client.load.held === 0, "none is held");
  await client.close();
});

test("functions that are not disposed of are released when they are collected", async () => {
  const { remote, client } = await open();
  for (let number = 0; number < 500; number += 1)
    assert.equal(await remote.post((value) => value + 1, number), number + 1);
  await eventually(() => {
    collectGarbage();
    return client.load.held === 0;
  }, "none is held");
  await client.close();
});

test("the same function is the same on the other side, and is held as long as the peer has it", async () => {
  const { remote, client } = await open();
  const callback = (): string => "alive";
  assert.equal(await remote.both(callback, callback), true);
  assert.equal(await remote.both(callback, () => "another"), false);
  await remote.pin(callback);
  await remote.postAndGiveBack(callback);
  for (let round = 0; round < 5; round += 1) {
    collectGarbage();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await remote.unpin();
  await eventually(() => {
    collectGarbage();
    return client.load.held === 0;
  }, "none is held");
  await client.close();
});

test("a released function cannot be called, nor one whose connection ended", async () => {
  const { remote, client, server } = await open();
  const made = await remote.maker();
  assert.equal(await made(), "made there");
  made[Symbol.dispose]?.();
  await assert.rejects(async () => made(), { code: "NEWEL_E_NO_METHOD" });
  await eventually(() => server.load.held === 0, "the server forgets it");
  const other = await remote.maker();
  await client.close();
  await assert.rejects(async () => other(), { code: "NEWEL_E_CLOSED" });
  await eventually(() => server.load.held === 0, "the server forgets all");
});

test("more functions than the limit are refused, and functions that were not sent are not held", async () => {
  const { remote, client } = await open({ maxReferences: 10 });
  const list = Array.from({ length: 11 }, (_, index) => () => index);
  await assert.rejects(remote.pin(list as unknown as Callback), { code: "NEWEL_E_LIMIT" });
  assert.equal(client.load.held, 0);
  await assert.rejects(remote.pin([() => 1, Symbol("x")] as unknown as Callback), {
    code: "NEWEL_E_NOT_SENDABLE",
  });
  assert.equal(client.load.held, 0);
  await client.close();
});

test("10,000 streams that are left early end on both sides", async () => {
  const { remote, client, server } = await open({ streamWindow: 8 });
  for (let round = 0; round < 100; round += 1) {
    await Promise.all(
      Array.from({ length: 100 }, async () => {
        for await (const number of remote.count()) if (number === 2) break;
      }),
    );
  }
  await eventually(() => server.load.running === 0 && client.load.inFlight === 0, "all ended");
  await client.close();
});
