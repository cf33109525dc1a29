import assert from "node:assert/strict";
import { connect, createServer } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { MessageChannel } from "node:worker_threads";

import type { Connection } from "../../src/wire/client.ts";
import { callContext, defineContract, type Contract } from "../../src/wire/contract.ts";
import { connectPort, servePort } from "../../src/wire/port.ts";
import { Guesses } from "../../src/wire/guesses.ts";
import { deriveKey } from "../../src/wire/secret.ts";
import type { WireServer } from "../../src/wire/server.ts";
import { connectTcp, serveTcp } from "../../src/wire/tcp.ts";
import { connectUnix, serveUnix } from "../../src/wire/unix.ts";
import { eventually, startProcess, temporaryDirectory, type Scope } from "../helpers/resources.ts";

interface Depot {
  store(bytes: Buffer): Promise<number>;
  fetch(bytes: number): Promise<Buffer>;
  each(callback: (number: number) => unknown, count: number): Promise<unknown[]>;
  keep(callback: () => unknown): void;
  count(from: number): AsyncIterable<number>;
  produced(): number;
  hang(): Promise<void>;
}

const DEPOT: Contract<Depot> = defineContract<Depot>()({
  name: "depot",
  version: 1,
  calls: ["store", "fetch", "each", "keep", "produced", "hang"],
  streams: ["count"],
});

function depot(): Depot & { kept: (() => unknown)[]; aborted: number } {
  let produced = 0;
  return {
    kept: [],
    aborted: 0,
    store: async (bytes) => bytes.reduce((sum, byte) => sum + byte, 0),
    fetch: async (bytes) => Buffer.alloc(bytes, 3),
    async each(callback, count) {
      const answers: unknown[] = [];
      for (let number = 0; number < count; number += 1) answers.push(await callback(number));
      return answers;
    },
    keep(callback) {
      this.kept.push(callback);
    },
    async *count(from) {
      for (let number = from; ; number += 1) {
        produced = number;
        yield number;
      }
    },
    produced: () => produced,
    hang() {
      const { signal } = callContext();
      signal.addEventListener("abort", () => {
        this.aborted += 1;
      });
      return new Promise(() => undefined);
    },
  };
}

interface Ends {
  readonly server: WireServer;
  readonly connection: Connection<Depot>;
  readonly implementation: ReturnType<typeof depot>;
}

const TRANSPORTS: Readonly<Record<string, (scope: Scope) => Promise<Ends>>> = {
  async "a Unix socket"(scope) {
    const path = join(temporaryDirectory(scope), "depot.sock");
    const implementation = depot();
    const server = await serveUnix(path, DEPOT, implementation);
    return { server, implementation, connection: await connectUnix(path, DEPOT) };
  },
  async "TCP with a secret"() {
    const secret = await deriveKey("correct horse", "depot");
    const implementation = depot();
    const server = await serveTcp({ port: 0, secret }, DEPOT, implementation);
    const connection = await connectTcp({ port: server.port, secret: "correct horse" }, DEPOT);
    return { server, implementation, connection };
  },
  async "a message port"() {
    const { port1, port2 } = new MessageChannel();
    const implementation = depot();
    const server = servePort(port1, DEPOT, implementation);
    return { server, implementation, connection: await connectPort(port2, DEPOT) };
  },
};

for (const [name, open] of Object.entries(TRANSPORTS)) {
  describe(`over ${name}`, () => {
    test("large values cross both ways", async (t) => {
      const { server, connection } = await open(t);
      t.after(() => server.close());
      t.after(() => connection.close());
      assert.equal(await connection.remote.store(Buffer.alloc(5_000_000, 2)), 10_000_000);
      const fetched = await Promise.all([1, 100_000, 3_000_000].map(connection.remote.fetch));
      assert.deepEqual(fetched, [
        Buffer.alloc(1, 3),
        Buffer.alloc(100_000, 3),
        Buffer.alloc(3e6, 3),
      ]);
    });

    test("functions cross by reference, and are released with their connection", async (t) => {
      const { server, connection, implementation } = await open(t);
      t.after(() => server.close());
      t.after(() => connection.close());
      const { remote } = connection;
      assert.deepEqual(await remote.each((number) => number * number, 4), [0, 1, 4, 9]);
      await assert.rejects(
        remote.each(() => {
          throw new RangeError("enough");
        }, 1),
        { name: "RangeError", message: "enough" },
      );
      await remote.keep(() => "still here");
      const [kept] = implementation.kept;
      assert.equal(await kept?.(), "still here");
      await connection.close();
      await assert.rejects(Promise.resolve(kept?.()), /NEWEL|connection/i);
    });

    test("a reader that stops pauses its producer", async (t) => {
      const { server, connection } = await open(t);
      t.after(() => server.close());
      t.after(() => connection.close());
      const numbers = connection.remote.count(0);
      for (let read = 0; read < 1_000; read += 1)
        assert.deepEqual(await numbers.next(), { done: false, value: read });
      await new Promise((resolve) => setTimeout(resolve, 100));
      const ahead = (await connection.remote.produced()) - 1_000;
      assert.ok(ahead <= 256, `the producer is ${ahead} items ahead`);
      await numbers.return?.();
    });

    test("when the server closes, calls in flight reject", async (t) => {
      const { server, connection, implementation } = await open(t);
      t.after(() => connection.close());
      const hanging = connection.remote.hang();
      const numbers = connection.remote.count(0);
      await numbers.next();
      const refused = assert.rejects(hanging, { code: "NEWEL_E_CONNECTION_LOST" });
      await server.close(50);
      await refused;
      assert.equal(implementation.aborted, 1);
      await connection.closed;
      assert.equal(server.connections, 0);
      await assert.rejects(connection.remote.produced(), { code: "NEWEL_E_CLOSED" });
      await assert.rejects(
        (async () => {
          for await (const _ of numbers);
        })(),
        { code: "NEWEL_E_CLOSED" },
      );
    });

    test("when the client disconnects, its calls are cancelled", async (t) => {
      const { server, connection, implementation } = await open(t);
      t.after(() => server.close());
      connection.remote.hang().catch(() => undefined);
      await connection.remote.produced();
      await connection.close();
      await eventually(() => implementation.aborted === 1, "the method is told");
      await eventually(() => server.connections === 0, "the server forgets the connection");
    });
  });
}

describe("the secret of a TCP port", () => {
  test("a peer without it is refused before any deadline, and the server continues", async (t) => {
    const refusals: Error[] = [];
    const server = await serveTcp({ port: 0, secret: "right" }, DEPOT, depot(), {
      onRefused: (error) => refusals.push(error),
    });
    t.after(() => server.close());
    const { port } = server;
    await assert.rejects(connectTcp({ port, secret: "wrong" }, DEPOT), { code: "NEWEL_E_SECRET" });
    await assert.rejects(connectTcp({ port }, DEPOT), { code: "NEWEL_E_SECRET" });
    await assert.rejects(deriveKey("", "depot"), { code: "NEWEL_E_SECRET" });
    await eventually(() => refusals.length === 2, "both are reported");
    for (const error of refusals) assert.equal("code" in error && error.code, "NEWEL_E_SECRET");
    const connection = await connectTcp({ port, secret: "right" }, DEPOT);
    assert.equal(await connection.remote.produced(), 0);
    await connection.close();
  });

  for (const secret of ["right", undefined])
    test(`a server that ends before it accepts is unreachable, ${secret === undefined ? "without" : "with"} a secret`, async () => {
      const ending = createServer().listen(0, "127.0.0.1");
      await once(ending, "listening");
      const { port } = ending.address() as { port: number };
      const key = secret === undefined ? {} : { secret: await deriveKey(secret, DEPOT.name) };
      const connecting = connectTcp({ port, ...key }, DEPOT);
      // The system has completed the connection, and the event loop has not come to accept it.
      for (let tick = 0; tick < 20; tick += 1)
        await new Promise<void>((done) => process.nextTick(done));
      ending.close();
      await assert.rejects(connecting, { code: "NEWEL_E_UNREACHABLE" });
    });

  test("a client with a secret rejects a server without TLS", async (t) => {
    const plain = createServer((socket) => socket.on("error", () => socket.destroy()));
    plain.on("connection", (socket) => socket.end("200 hello\r\n"));
    plain.listen(0, "127.0.0.1");
    await once(plain, "listening");
    t.after(() => plain.close());
    const { port } = plain.address() as { port: number };
    await assert.rejects(connectTcp({ port, secret: "right" }, DEPOT), { code: "NEWEL_E_SECRET" });
  });

  test("a replayed handshake is refused", async (t) => {
    const refusals: Error[] = [];
    const server = await serveTcp({ port: 0, secret: "right" }, DEPOT, depot(), {
      onRefused: (error) => refusals.push(error),
    });
    t.after(() => server.close());
    const recorded: Buffer[] = [];
    const tap = createServer((socket) => {
      const onward = connect(server.port, "127.0.0.1");
      socket.on("data", (chunk: Buffer) => recorded.push(chunk)).pipe(onward);
      onward.pipe(socket);
      socket.on("error", () => onward.destroy());
      onward.on("error", () => socket.destroy());
    });
    tap.listen(0, "127.0.0.1");
    await once(tap, "listening");
    t.after(() => tap.close());
    const { port } = tap.address() as { port: number };
    const connection = await connectTcp({ port, secret: "right" }, DEPOT);
    const payload = Buffer.from("payload in the clear?");
    assert.equal(await connection.remote.store(payload), await depot().store(payload));
    await connection.close();
    const bytes = Buffer.concat(recorded);
    assert.ok(!bytes.includes("store") && !bytes.includes("payload"), "nothing can be read");

    await eventually(() => server.connections === 0, "the first connection is over");
    const replay = connect(server.port, "127.0.0.1");
    replay.on("error", () => replay.destroy());
    replay.write(bytes);
    await once(replay.resume(), "close");
    await eventually(() => refusals.length > 0, "the replay is refused");
    assert.equal(server.connections, 0);
  });

  test("an address that guesses secrets is slowed down, and its failures are counted", async (t) => {
    const refusals: Error[] = [];
    const server = await serveTcp({ port: 0, secret: "right" }, DEPOT, depot(), {
      onRefused: (error) => refusals.push(error),
    });
    t.after(() => server.close());
    const key = await deriveKey("wrong", "depot");
    for (let guess = 0; guess < 8; guess += 1)
      await assert.rejects(connectTcp({ port: server.port, secret: key }, DEPOT), {
        code: "NEWEL_E_SECRET",
      });
    await eventually(() => refusals.length === 8, "each is reported");
    assert.match(String(refusals[7]), /wrong secret number 8 of this address/);
    // A correct secret still gets in, in its turn, and resets the count.
    const connection = await connectTcp({ port: server.port, secret: "right" }, DEPOT);
    assert.equal(await connection.remote.produced(), 0);
    await connection.close();
  });

  test("without a secret the wire stays on this machine", async (t) => {
    await assert.rejects(serveTcp({ port: 0, host: "0.0.0.0" }, DEPOT, depot()), {
      code: "NEWEL_E_SECRET",
    });
    await assert.rejects(connectTcp({ port: 1, host: "192.0.2.1" }, DEPOT), {
      code: "NEWEL_E_SECRET",
    });
    const server = await serveTcp({ port: 0 }, DEPOT, depot());
    t.after(() => server.close());
    const connection = await connectTcp({ port: server.port }, DEPOT);
    assert.equal(await connection.remote.produced(), 0);
    await connection.close();
  });
});

describe("guesses of secrets", () => {
  test("the first five cause no delay, then the delay grows up to five seconds", () => {
    const guesses = new Guesses();
    for (let failure = 0; failure < 5; failure += 1) {
      assert.equal(guesses.delayMs("192.0.2.1", 0), 0);
      guesses.failed("192.0.2.1", 0);
    }
    assert.equal(guesses.delayMs("192.0.2.1", 0), 100);
    // One at a time: the next begins after the one before.
    assert.equal(guesses.delayMs("192.0.2.1", 0), 200);
    assert.equal(guesses.delayMs("192.0.2.2", 0), 0);
    for (let failure = 0; failure < 20; failure += 1) guesses.failed("192.0.2.1", 1_000);
    assert.equal(guesses.delayMs("192.0.2.1", 1_000), 5_000);
    guesses.succeeded("192.0.2.1");
    assert.equal(guesses.delayMs("192.0.2.1", 1_000), 0);
  });

  test("handshakes that wait are bounded, and ten quiet minutes end the count", () => {
    const guesses = new Guesses();
    for (let failure = 0; failure < 5; failure += 1) guesses.failed("192.0.2.1", 0);
    for (let waiting = 0; waiting < 32; waiting += 1)
      assert.ok((guesses.delayMs("192.0.2.1", 0) ?? 0) > 0);
    assert.equal(guesses.delayMs("192.0.2.1", 0), undefined);
    guesses.begun("192.0.2.1");
    assert.notEqual(guesses.delayMs("192.0.2.1", 0), undefined);
    guesses.failed("192.0.2.9", 700_000);
    assert.equal(guesses.delayMs("192.0.2.1", 700_000), 0);
  });

  test("all addresses of a /64 count as one", () => {
    const guesses = new Guesses();
    for (let failure = 1; failure <= 5; failure += 1) guesses.failed(`2001:db8::${failure}`, 0);
    assert.equal(guesses.delayMs("2001:db8::77", 0), 100);
    assert.equal(guesses.delayMs("2001:db8:0:1::77", 0), 0);
  });
});

test("a client loads no native code, which would cost the command line its start", async (t) => {
  const program = `
    await import(process.argv[1]);
    const { sharedObjects } = process.report.getReport();
    console.log(sharedObjects.filter((path) => path.endsWith(".node")).length);
  `;
  const module = fileURLToPath(new URL("../../src/wire/unix.ts", import.meta.url));
  const args = ["--input-type=module", "-e", program, module];
  const child = startProcess(t, process.execPath, args);
  assert.ok(child.stdout !== null);
  const output = (await Array.fromAsync(child.stdout)).join("");
  assert.equal(output.trim(), "0");
});
