import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, createServer, get, request as httpRequest, type Server } from "node:http";
import { connect as connectHttp2, createServer as createHttp2 } from "node:http2";
import { Agent as HttpsAgent, createServer as createHttps, get as getHttps } from "node:https";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type AddressInfo, connect, createServer as createNetServer, type Socket } from "node:net";
import { test, type TestContext } from "node:test";

import { Bus } from "../../src/bus/bus.ts";
import { serve } from "../../src/bus/plugins/serve.ts";
import { eventually, temporaryDirectory } from "../helpers/resources.ts";
import { later } from "./watched-bus.ts";

/** Longer than a busy machine delays an echo. */
const GRACE_MS = 2_000;
/** For drains that end by themselves, even on a busy machine. */
const LONG_GRACE_MS = 60_000;

/** A started bus with an HTTP server that answers after 10 ms. */
async function serving(
  t: TestContext,
  server: Server = createServer((request, response) => {
    request.resume();
    request.on("end", () => setTimeout(() => response.end("done"), 10));
  }),
  graceMs = LONG_GRACE_MS,
): Promise<{ bus: Bus; port: number }> {
  const bus = new Bus();
  bus.subscribe("log", () => undefined);
  const served = serve(bus, server, { graceMs });
  await bus.start();
  t.after(() => bus.exit());
  return { bus, port: (served.address as AddressInfo).port };
}

/** The duration of the bus's stop. */
async function timedStop(bus: Bus): Promise<number> {
  const startedMs = performance.now();
  await bus.stop();
  return performance.now() - startedMs;
}

/** A raw connection: its received bytes, and its end. */
function rawConnection(t: TestContext, port: number): { socket: Socket; seen: () => string } {
  const socket = connect({ port, host: "127.0.0.1" });
  let text = "";
  socket.on("data", (chunk) => (text += String(chunk)));
  t.after(() => socket.destroy());
  return { socket, seen: () => text };
}

test("drain: a hammering keep-alive client gets every answer", async (t) => {
  const { bus, port } = await serving(t);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  let stopped = false;
  let answers = 0;
  const failures: string[] = [];
  const hammer = (async () => {
    for (;;) {
      try {
        const request = get({ port, agent, host: "127.0.0.1" });
        const [response] = await once(request, "response");
        response.resume();
        await once(response, "end");
        answers += 1;
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === "ECONNREFUSED") return;
        failures.push(`${code} stopped=${stopped}`);
      }
    }
  })();
  await eventually(() => answers > 3, "some answers");
  const tookMs = await timedStop(bus);
  stopped = true;
  await hammer;
  agent.destroy();
  assert.deepEqual(failures, []);
  assert.ok(tookMs < LONG_GRACE_MS, `${tookMs} ms`);
});

test("drain: silent connections end with a FIN after the linger", async (t) => {
  const { bus, port } = await serving(t);
  const { socket } = rawConnection(t, port);
  await once(socket, "connect");
  await later(20);
  const ended = once(socket, "end");
  assert.ok((await timedStop(bus)) < LONG_GRACE_MS);
  await ended;
});

test("drain: a request that arrives during the linger is answered, with Connection: close", async (t) => {
  const { bus, port } = await serving(t);
  const { socket, seen } = rawConnection(t, port);
  await once(socket, "connect");
  await later(20);
  const stopping = bus.stop();
  await later(30);
  socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  await once(socket, "end");
  await stopping;
  assert.match(seen(), /^HTTP\/1.1 200 OK\r\n[^]*Connection: close\r\n[^]*done$/i);
});

test("drain: half of a request's head is waited for", async (t) => {
  const { bus, port } = await serving(t);
  const { socket, seen } = rawConnection(t, port);
  await once(socket, "connect");
  socket.write("GET / HTTP/1.1\r\nHo");
  await later(20);
  const stopping = bus.stop();
  await later(300);
  socket.write("st: x\r\n\r\n");
  await once(socket, "end");
  await stopping;
  assert.match(seen(), /200 OK[^]*done$/);
});

test("drain: a slow upload is finished and answered", async (t) => {
  const { bus, port } = await serving(t);
  const upload = httpRequest({ port, host: "127.0.0.1", method: "POST" });
  upload.write("first");
  const answered = once(upload, "response");
  await later(30);
  const stopping = timedStop(bus);
  for (let part = 0; part < 4; part += 1) {
    await later(100);
    upload.write("more");
  }
  upload.end();
  const [response] = await answered;
  response.resume();
  assert.equal(response.statusCode, 200);
  assert.equal(response.headers.connection, "close");
  assert.ok((await stopping) < LONG_GRACE_MS);
});

/** Stops a server with a WebSocket and a request that it never answers; returns the duration. */
async function cut(t: TestContext): Promise<number> {
  const server = createServer(() => undefined);
  server.on("upgrade", (_request, socket) => {
    socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n");
    socket.on("data", (chunk: Buffer) => socket.write(chunk));
  });
  const { bus, port } = await serving(t, server, GRACE_MS);
  const { socket, seen } = rawConnection(t, port);
  const stuck = rawConnection(t, port);
  socket.write("GET / HTTP/1.1\r\nHost: x\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n");
  stuck.socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  await once(socket, "data");
  const stopping = timedStop(bus);
  await later(20);
  socket.write("echo");
  const ends = [once(socket, "close"), once(stuck.socket, "close")];
  const tookMs = await stopping;
  assert.match(seen(), /101 Switching[^]*echo$/);
  assert.equal(stuck.seen(), "");
  await Promise.all(ends);
  return tookMs;
}

test("drain: a WebSocket and a stuck request are closed when the grace ends, and not before", async (t) => {
  const tookMs = await cut(t);
  assert.ok(tookMs >= GRACE_MS - 5 && tookMs < LONG_GRACE_MS, `${tookMs} ms`);
});

test("drain: a plain net server's connections get the whole grace", async (t) => {
  const server = createNetServer({ allowHalfOpen: false }, (socket) => socket.pipe(socket));
  const { bus, port } = await serving(t, server as Server);
  const { socket, seen } = rawConnection(t, port);
  await once(socket, "connect");
  await later(20);
  const stopping = timedStop(bus);
  await later(200);
  socket.write("still here");
  await once(socket, "data");
  assert.equal(seen(), "still here");
  socket.end();
  assert.ok((await stopping) < LONG_GRACE_MS);
});

test("drain: an HTTP/2 session ends after its streams", async (t) => {
  const server = createHttp2((_request, response) => {
    setTimeout(() => response.end("done"), 200);
  });
  const { bus, port } = await serving(t, server as unknown as Server);
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  t.after(() => session.destroy());
  const stream = session.request({ ":path": "/" });
  let body = "";
  stream.on("data", (chunk) => (body += String(chunk)));
  await later(50);
  const [tookMs] = await Promise.all([timedStop(bus), once(stream, "end")]);
  assert.equal(body, "done");
  assert.ok(tookMs < LONG_GRACE_MS, `${tookMs} ms`);
});

test("drain: HTTPS connections are distinguished from their handshakes", async (t) => {
  const directory = temporaryDirectory(t);
  const [key, cert] = [join(directory, "key.pem"), join(directory, "cert.pem")];
  const subject = ["-subj", "/CN=x", "-days", "2", "-keyout", key, "-out", cert];
  const made = spawnSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", ...subject]);
  if (made.status !== 0) return t.skip("needs openssl, for a certificate");
  const credentials = { key: readFileSync(key), cert: readFileSync(cert) };
  const server = createHttps(credentials, (_request, response) => {
    setTimeout(() => response.end("done"), 200);
  });
  const { bus, port } = await serving(t, server);
  const silent = rawConnection(t, port);
  await once(silent.socket, "connect");
  const options = { port, host: "127.0.0.1", rejectUnauthorized: false };
  const answered = once(
    getHttps({ ...options, agent: new HttpsAgent({ keepAlive: true }) }),
    "response",
  );
  await later(80);
  const stopping = timedStop(bus);
  const [response] = await answered;
  response.resume();
  assert.equal(response.headers.connection, "close");
  assert.ok((await stopping) < LONG_GRACE_MS);
});

test("graceful: keep-alive clients with random pauses lose no request", async (t) => {
  const { bus, port } = await serving(t);
  const failures: string[] = [];
  let answers = 0;
  let connections = 0;
  const stop = new AbortController();
  const client = async (longestPauseMs: number): Promise<void> => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    t.after(() => agent.destroy());
    while (!stop.signal.aborted) {
      try {
        const request = get({ port, agent, host: "127.0.0.1" });
        request.on("socket", () => void (request.reusedSocket || (connections += 1)));
        const [response] = await once(request, "response");
        response.resume();
        await once(response, "end");
        answers += 1;
      } catch (error) {
        failures.push(String((error as NodeJS.ErrnoException).code));
      }
      if (longestPauseMs > 0) await later(Math.random() * longestPauseMs);
    }
  };
  const clients = [0, 2, 5].map((pauseMs) => client(pauseMs));
  for (let round = 0; round < 40; round += 1) {
    await bus.graceful();
    const before = answers;
    await eventually(() => answers > before + 5, "answers after the graceful", 30_000);
  }
  stop.abort();
  await Promise.all(clients);
  assert.deepEqual(failures, []);
  assert.ok(connections > 20, `${connections} connections`);
});

test("graceful: a connection whose response had announced keep-alive serves the next request", async (t) => {
  const server = createServer((request, response) => {
    response.writeHead(200, { "Content-Length": 10 });
    response.write("first");
    if (request.url === "/slow") setTimeout(() => response.end("later"), 50);
    else response.end("later");
  });
  const { bus, port } = await serving(t, server);
  const { socket, seen } = rawConnection(t, port);
  socket.write("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
  await eventually(() => seen().endsWith("first"), "the first half of the answer");
  await bus.graceful();
  await eventually(() => seen().endsWith("later"), "the second half");
  socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  await once(socket, "end");
  const [first, second] = seen().split("HTTP/1.1 200 OK").slice(1);
  assert.match(first ?? "", /Connection: keep-alive[^]*firstlater$/i);
  assert.match(second ?? "", /Connection: close[^]*firstlater$/i);
});

test("graceful: a quiet connection ends with a FIN after the linger, a new one stays", async (t) => {
  const { bus, port } = await serving(t);
  const quiet = rawConnection(t, port);
  await once(quiet.socket, "connect");
  await later(20);
  const ended = once(quiet.socket, "end");
  await bus.graceful();
  await bus.graceful();
  const fresh = rawConnection(t, port);
  await once(fresh.socket, "connect");
  await ended;
  fresh.socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  await eventually(() => /keep-alive[^]*done$/i.test(fresh.seen()), "its answer");
});

test("plain server.close() breaks a request of the same client, or never ends", async (t) => {
  const server = createServer((_request, response) => void response.end("done"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const enough = new AbortController();
  t.after(() => server.closeAllConnections());
  const hammer = (async () => {
    while (!enough.signal.aborted) {
      const [response] = await once(get({ port, agent, host: "127.0.0.1" }), "response");
      response.resume();
      await once(response, "end");
      await new Promise((resolve) => setImmediate(resolve));
    }
  })();
  let broken = false;
  hammer.catch(() => (broken = true));
  await later(50);
  let closed = false;
  server.close(() => (closed = true));
  await later(GRACE_MS + 100);
  enough.abort();
  await hammer.catch(() => undefined);
  agent.destroy();
  assert.ok(broken || !closed);
});
