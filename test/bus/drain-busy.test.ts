// A drain of a busy process: requests that have arrived, or may be in transit, are answered.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { createServer as createHttp2 } from "node:http2";
import { type AddressInfo, connect, type Socket } from "node:net";
import { test, type TestContext } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";

import { Bus } from "../../src/bus/bus.ts";
import { serve, type ServeOptions } from "../../src/bus/plugins/serve.ts";
import { eventually } from "../helpers/resources.ts";
import { later } from "./watched-bus.ts";

const REQUEST = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
/** Longer than any limit of these tests, so that only the tested behaviour ends a connection. */
const GRACE_MS = 60_000;
/** Frame types and flags of RFC 9113, and the fields of `GET http://x/` as RFC 7541 codes them. */
const HEADERS = 1;
const SETTINGS = 4;
const GOAWAY = 7;
const END_OF_BOTH = 0x5;
const GET: Buffer = Buffer.from([0x82, 0x86, 0x84, 0x01, 1, "x".charCodeAt(0)]);

/** A bus with a server that is started. */
async function serving(
  t: TestContext,
  options: ServeOptions = {},
  server: Server = createServer((_request, response) => void response.end("done")),
): Promise<{ bus: Bus; server: Server; port: number }> {
  const bus = new Bus();
  bus.subscribe("log", () => undefined);
  const served = serve(bus, server, { graceMs: GRACE_MS, ...options });
  await bus.start();
  t.after(() => bus.exit());
  return { bus, server, port: (served.address as AddressInfo).port };
}

interface Client {
  readonly socket: Socket;
  readonly closed: Promise<unknown>;
  /** The received bytes, and the error that ended the connection. */
  seen: string;
}

function clientOf(t: TestContext, port: number): Client {
  const socket = connect({ port, host: "127.0.0.1" });
  const client = { socket, closed: once(socket, "close"), seen: "" };
  socket.on("data", (chunk: Buffer) => (client.seen += chunk.toString("latin1")));
  socket.on("error", (error) => (client.seen += error.message));
  t.after(() => socket.destroy());
  return client;
}

/** Blocks the whole process, like a machine without a free processor. */
function stall(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

function isListening(server: Server): boolean {
  return server.listening;
}

test("a stall of the process does not count as time for a client's request", async (t) => {
  const { bus, server, port } = await serving(t, { lingerMs: 300 });
  const [fresh, kept, late] = Array.from({ length: 3 }, () => clientOf(t, port));
  assert.ok(fresh && kept && late);
  kept.socket.write(REQUEST);
  await eventually(() => kept.seen.endsWith("done"), "the first answer");
  await eventually(() => connectionsOf(server, 3), "all connections");
  kept.seen = "";
  const stopping = bus.stop();
  await eventually(() => !isListening(server), "the drain has begun");
  stall(1_000);
  fresh.socket.write(REQUEST);
  kept.socket.write(REQUEST);
  await later(20);
  late.socket.write(REQUEST);
  for (const client of [fresh, kept, late]) {
    await client.closed;
    assert.match(client.seen, /^HTTP\/1.1 200 OK\r\n[^]*Connection: close\r\n[^]*done$/i);
  }
  await stopping;
});

test("a request that arrived in a stall until the end of the grace is answered", async (t) => {
  const { bus, server, port } = await serving(t, { graceMs: 500, lingerMs: 400 });
  const client = clientOf(t, port);
  await eventually(() => connectionsOf(server, 1), "the connection");
  const stopping = bus.stop();
  await eventually(() => !isListening(server), "the drain has begun");
  // From here the event loop runs its timers before it reads the request.
  await nextTurn();
  client.socket.write(REQUEST);
  stall(1_000);
  await client.closed;
  assert.match(client.seen, /200 OK[^]*done$/);
  await stopping;
});

test("connections that wait in the queue of the listener are accepted before it closes", async (t) => {
  const { bus, port } = await serving(t);
  const clients = Array.from({ length: 30 }, () => clientOf(t, port));
  for (const { socket } of clients) socket.write(REQUEST);
  // The connections are made in the next tick, and accepted one in each turn of the event loop.
  await new Promise<void>((resolve) => process.nextTick(resolve));
  const stopping = bus.stop();
  for (const client of clients) {
    await client.closed;
    assert.match(client.seen, /200 OK[^]*done$/);
  }
  await stopping;
});

test("HTTP/2: the first stream in a drain is answered, and the GOAWAY names it", async (t) => {
  const http2 = createHttp2((_request, response) => void response.end("done"));
  const { bus, server, port } = await serving(t, {}, http2 as unknown as Server);
  // Node's client refuses streams itself, because it reads before it writes.
  const client = clientOf(t, port);
  client.socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  client.socket.write(frame(SETTINGS, 0, 0));
  client.socket.write(frame(HEADERS, END_OF_BOTH, 1, GET));
  await eventually(() => client.seen.includes("done"), "the first answer");
  client.seen = "";
  const stopping = bus.stop();
  await eventually(() => !isListening(server), "the drain has begun");
  client.socket.write(frame(HEADERS, END_OF_BOTH, 3, GET));
  await eventually(() => client.seen.includes("done"), "the second answer");
  const goAway = frame(GOAWAY, 0, 0, Buffer.from([0, 0, 0, 3, 0, 0, 0, 0])).toString("latin1");
  await eventually(() => client.seen.includes(goAway), "GOAWAY after stream 3");
  await client.closed;
  await stopping;
});

function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.of()): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

async function connectionsOf(server: Server, count: number): Promise<boolean> {
  const open = await new Promise<number>((resolve) =>
    server.getConnections((_error, found) => resolve(found)),
  );
  return open === count;
}
