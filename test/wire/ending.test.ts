import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { connect } from "node:net";
import { test } from "node:test";

import { hasCode } from "../../src/base/errors.ts";
import { defineContract, type Contract } from "../../src/wire/contract.ts";
import { connectionFailure } from "../../src/wire/link.ts";

import { connectTcp, serveTcp } from "../../src/wire/tcp.ts";
import { connectAbstract, serveAbstract } from "../../src/wire/unix.ts";
import { cleanUp, eventually, freePort } from "../helpers/resources.ts";

interface Desk {
  ask(): number;
  later(ms: number): Promise<number>;

  every(): AsyncIterable<number>;
}

const DESK: Contract<Pick<Desk, "ask" | "later" | "every">> = defineContract<Desk>()({
  name: "desk",
  version: 1,
  calls: ["ask", "later"],
  streams: ["every"],
});

function desk(): Pick<Desk, "ask" | "later" | "every"> & { asked: number } {
  return {
    asked: 0,
    ask() {
      this.asked += 1;
      return this.asked;
    },
    later: (ms) => new Promise((resolve) => setTimeout(() => resolve(ms), ms)),
    async *every() {
      for (let number = 0; ; number += 1) {
        yield number;
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    },
  };
}

test("an abstract name has one server, and is free once that server has closed", async (t) => {
  const name = randomUUID();
  const first = await serveAbstract(name, DESK, desk());
  await assert.rejects(serveAbstract(name, DESK, desk()), { code: "NEWEL_E_ADDRESS_IN_USE" });
  const connection = await connectAbstract(name, DESK);
  const { remote, methods } = connection;
  assert.equal(await remote.ask(), 1);
  assert.equal(await methods.call("ask", []), 2);
  await assert.rejects(methods.call("absent", []), { code: "NEWEL_E_NO_METHOD" });
  assert.throws(() => methods.stream("absent", []), { code: "NEWEL_E_NO_METHOD" });
  await connection.close();
  await first.close();
  await assert.rejects(connectAbstract(name, DESK), { code: "NEWEL_E_UNREACHABLE" });
  const second = await serveAbstract(name, DESK, desk());
  cleanUp(t, () => second.close());
});

test("connections whose user is still being checked keep no server from closing", async (t) => {
  for (let round = 0; round < 10; round += 1) {
    const server = await serveTcp({ port: 0 }, DESK, desk());
    const peers = Array.from({ length: 5 }, () => connect(server.port, "127.0.0.1"));
    cleanUp(t, () => peers.forEach((peer) => peer.destroy()));
    // One that was not accepted yet is reset.
    for (const peer of peers) peer.on("error", () => peer.destroy());
    const ends = peers.map((peer) => new Promise((resolve) => peer.once("close", resolve)));
    await Promise.race(
      peers.map((peer) => new Promise((resolve) => peer.once("connect", resolve))),
    );
    await server.close(0);
    await Promise.all(ends);
  }
});

test("an orderly shutdown loses no call: each was answered, or was not made", async (t) => {
  const name = randomUUID();
  const implementation = desk();
  const server = await serveAbstract(name, DESK, implementation);
  cleanUp(t, () => server.close(0));
  const connections = await Promise.all(
    Array.from({ length: 4 }, () => connectAbstract(name, DESK)),
  );
  let answered = 0;
  const failures: unknown[] = [];
  const callers = connections.flatMap(({ remote }) =>
    Array.from({ length: 16 }, async () => {
      try {
        for (;;) {
          await remote.ask();
          answered += 1;
        }
      } catch (error) {
        failures.push(error);
      }
    }),
  );
  const slow = connections[0]?.remote.later(100);
  const stream = connections[1]?.remote.every();
  await stream?.next();
  await eventually(() => answered > 1_000, "calls");
  const begin = performance.now();
  await server.close(60_000);
  assert.ok(performance.now() - begin < 50_000, "it did not wait for its time limit");
  await Promise.all(callers);
  assert.equal(await slow, 100);
  assert.equal(answered, implementation.asked);
  assert.deepEqual([...new Set(failures.map(connectionFailure))], ["not made"]);
});

test("a drained server keeps its address; new clients wait for its end", async (t) => {
  const port = await freePort();
  const server = await serveTcp({ port }, DESK, desk());
  const { remote, closed } = await connectTcp({ port }, DESK);
  const call = remote.later(50);
  await eventually(() => server.running === 1, "the call");
  await server.drain(1_000);
  assert.equal(await call, 50);
  await closed;
  await assert.rejects(serveTcp({ port }, DESK, desk()), {
    code: "NEWEL_E_ADDRESS_IN_USE",
  });
  const late = connectTcp({ port }, DESK).then(
    () => "connected",
    (error: unknown) => error,
  );
  const first = await Promise.race([late, new Promise((resolve) => setTimeout(resolve, 100))]);
  assert.equal(first, undefined);
  await server.close();
  assert.ok(hasCode(await late, "NEWEL_E_SECRET") || hasCode(await late, "NEWEL_E_UNREACHABLE"));
  const next = await serveTcp({ port }, DESK, desk());
  cleanUp(t, () => next.close());
});

test("a call whose server is killed rejects as one that may have run", async (t) => {
  const name = randomUUID();
  const server = await serveAbstract(name, DESK, desk());
  cleanUp(t, () => server.close(0));
  const { remote } = await connectAbstract(name, DESK);
  const lost = assert.rejects(
    remote.later(10_000),
    (error) => connectionFailure(error) === "not answered",
  );
  await eventually(() => server.running === 1, "the call");
  await server.close(0);
  await lost;
  await assert.rejects(remote.ask(), (error) => connectionFailure(error) === "not made");
});
