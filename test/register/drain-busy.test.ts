// A drain while the process or the machine is busy: requests in flight are answered.
import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { Duplex } from "node:stream";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls } from "node:tls";

import { eventually } from "../helpers/resources.ts";
import { app, RawClient } from "./raw-client.ts";
import { appPath, holdSocket, startReplica } from "./replica.ts";

test("a stall of the process does not count as time in which a client could have sent its request", async (t) => {
  const socket = await holdSocket(t);
  const routes = `
    if (request.url !== '/block') return response.end('hello');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3_000);
    response.end('back');`;
  const replica = startReplica(t, app(routes), [socket], { lingerMs: 2_000 });
  await replica.ready;
  const [blocker, fresh, kept] = Array.from({ length: 3 }, () => new RawClient(t, socket));
  assert.ok(blocker && fresh && kept);
  for (const client of [blocker, kept]) {
    client.get("/");
    await client.has("hello");
  }
  const exited = replica.stop();
  await eventually(() => replica.said.includes("STOPPING=1"), "STOPPING");
  blocker.get("/block");
  await blocker.has("back");
  kept.received = "";
  for (const client of [fresh, kept]) {
    client.get("/");
    await client.has("hello");
    assert.match(client.received, /Connection: close/);
  }
  assert.equal(await exited, 0);
});

test("after a stall until the end of the grace, requests that have arrived are answered before the cut", async (t) => {
  const socket = await holdSocket(t);
  const routes = `
    if (request.url !== '/block') return response.end('hello');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2_500);
    response.end('back');`;
  const options = { lingerMs: 500, graceMs: 2_000 };
  const replica = startReplica(t, app(routes), [socket], options);
  await replica.ready;
  const [blocker, fresh] = Array.from({ length: 2 }, () => new RawClient(t, socket));
  assert.ok(blocker && fresh);
  blocker.get("/");
  await blocker.has("hello");
  const exited = replica.stop();
  await eventually(() => replica.said.includes("STOPPING=1"), "STOPPING");
  blocker.get("/block");
  await sleep(300);
  fresh.get("/");
  await fresh.has("hello");
  await blocker.has("back");
  assert.equal(await exited, 0);
});

test("HTTPS: a record that is not complete keeps its connection open", async (t) => {
  const socket = await holdSocket(t);
  const replica = startReplica(t, appPath("https"), [socket], { lingerMs: 100 });
  await replica.ready;
  // Between the client and the server: the last record stops halfway.
  const server = net.connect({ port: socket.port, host: "127.0.0.1" });
  t.after(() => void server.destroy());
  let held: Buffer[] | undefined;
  const wire = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => {
      if (held === undefined) server.write(chunk);
      else held.push(chunk);
      done();
    },
  });
  server.on("data", (chunk) => wire.push(chunk)).on("end", () => wire.push(null));
  const secure = connectTls({ socket: wire, rejectUnauthorized: false });
  let received = "";
  secure.setEncoding("utf8").on("data", (chunk: string) => (received += chunk));
  const get = (): boolean => secure.write("GET /echo/5 HTTP/1.1\r\nHost: x\r\n\r\n");
  get();
  await eventually(() => received.endsWith("5"), "the first answer");
  received = "";
  held = [];
  get();
  await eventually(() => (held?.length ?? 0) > 0, "a record");
  const record = Buffer.concat(held);
  server.write(record.subarray(0, 9));
  const quiet = net.connect({ port: socket.port, host: "127.0.0.1" });
  t.after(() => void quiet.destroy());
  const closed = once(quiet.resume(), "close");
  await once(quiet, "connect");
  const exited = replica.stop();
  await closed;
  await sleep(500);
  server.write(record.subarray(9));
  await eventually(() => received.endsWith("5"), "the second answer");
  assert.match(received, /Connection: close/);
  assert.equal(await exited, 0);
});
