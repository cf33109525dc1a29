import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectHttp2, type ClientHttp2Session } from "node:http2";
import net from "node:net";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls } from "node:tls";

import { eventually, isAlive } from "../helpers/resources.ts";
import { app, RawClient } from "./raw-client.ts";
import { appPath, holdSocket, startReplica } from "./replica.ts";

const ANSWER = "if (request.url === '/') response.end('hello');";

test("an accepted connection that has sent nothing yet is answered, with Connection: close", async (t) => {
  const socket = await holdSocket(t);
  const replica = startReplica(t, app(ANSWER), [socket]);
  await replica.ready;
  const fresh = new RawClient(t, socket);
  const kept = new RawClient(t, socket);
  kept.get("/");
  await kept.has("hello");
  assert.match(kept.received, /Connection: keep-alive/);

  const exited = replica.stop();
  await eventually(() => replica.said.includes("STOPPING=1"), "STOPPING");
  fresh.get("/");
  kept.received = "";
  kept.get("/");
  await Promise.all([fresh.ended, kept.ended]);
  for (const client of [fresh, kept]) {
    assert.match(client.received, /^HTTP\/1\.1 200 OK\r\n[^]*Connection: close[^]*hello/);
    assert.equal(client.isReset, false);
  }
  assert.equal(await exited, 0);
  assert.deepEqual(replica.said, ["READY=1", "STOPPING=1"]);
  assert.equal(replica.output(), "");
});

test("a quiet connection gets its FIN after the linger, and the drain waits for a half-sent request", async (t) => {
  const socket = await holdSocket(t);
  const replica = startReplica(t, app(ANSWER), [socket], { lingerMs: 200 });
  await replica.ready;
  const quiet = new RawClient(t, socket);
  const half = new RawClient(t, socket);
  half.socket.write("GET / HTT");
  await sleep(100);
  const exited = replica.stop();
  await quiet.ended;
  assert.equal(quiet.isReset, false);
  await sleep(300);
  half.socket.write("P/1.1\r\nHost: x\r\n\r\n");
  await half.has("hello");
  assert.match(half.received, /Connection: close/);
  assert.equal(await exited, 0);
});

test("a running request gets its time and Connection: close, even if the app sets other headers", async (t) => {
  const socket = await holdSocket(t);
  const replica = startReplica(
    t,
    app(`later(600, () => {
      const set = request.url.slice(1);
      if (set === 'set') response.setHeader('Connection', 'keep-alive').setHeader('Keep-Alive', 'timeout=5');
      if (set === 'object') response.writeHead(200, { Connection: 'keep-alive', 'X-A': '1' });
      if (set === 'list') response.writeHead(200, 'fine', ['connection', 'keep-alive', 'X-A', '1']);
      if (set === 'pairs') response.writeHead(200, [['Connection', 'keep-alive'], ['X-A', '1']]);
      response.end(set);
    })`),
    [socket],
    { lingerMs: 100 },
  );
  await replica.ready;
  const clients = ["none", "set", "object", "list", "pairs"].map((name) => {
    const client = new RawClient(t, socket);
    client.get(`/${name}`);
    return { name, client };
  });
  await sleep(200);
  const exited = replica.stop();
  for (const { name, client } of clients) {
    await client.ended;
    const [head = "", body] = client.received.split("\r\n\r\n");
    assert.equal(
      head.match(/^connection: .*$/gim)?.join(),
      `${name === "set" ? "connection" : "Connection"}: close`,
    );
    assert.doesNotMatch(head, /keep-alive/i);
    assert.match(body ?? "", new RegExp(name));
    if (/object|list|pairs/.test(name)) assert.match(head, /X-A: 1/);
  }
  assert.equal(await exited, 0);
});

test("all pipelined requests are answered, and the last answer closes", async (t) => {
  const socket = await holdSocket(t);
  const replica = startReplica(t, app("later(400, () => response.end(request.url))"), [socket]);
  await replica.ready;
  const client = new RawClient(t, socket);
  client.get("/1");
  client.get("/2");
  await sleep(150);
  const exited = replica.stop();
  await client.ended;
  const answers = client.received.split("HTTP/1.1 ").slice(1);
  assert.match(answers[0] ?? "", /keep-alive[^]*\/1/);
  assert.match(answers[1] ?? "", /Connection: close[^]*\/2/);
  assert.equal(await exited, 0);
});

test("without connections the drain ends at once", async (t) => {
  const socket = await holdSocket(t);
  const replica = startReplica(t, app(ANSWER), [socket], { lingerMs: 60_000, graceMs: 600_000 });
  await replica.ready;
  assert.equal(await replica.stop(), 0);
});

const HANDLERS = {
  "process.once": "process.once('SIGTERM', bye);",
  "process.on after a while": "setTimeout(() => process.on('SIGTERM', bye), 10);",
  "a handler added during the drain": "setTimeout(() => process.on('SIGTERM', bye), 700);",
  "removeAllListeners, then on":
    "process.removeAllListeners('SIGTERM'); process.on('SIGTERM', bye);",
};
for (const [name, handler] of Object.entries(HANDLERS)) {
  test(`the app's own handler runs after the drain: ${name}`, async (t) => {
    const socket = await holdSocket(t);
    const more = `
      const bye = (signal, number) => {
        console.log(signal, number, server.listening, server.address().port > 0);
        server.close((error) => {
          console.log('closed', error);
          process.exit(7);
        });
      };
      ${handler}`;
    const code = app("later(900, () => { console.log('answered'); response.end('hello'); })", more);
    const replica = startReplica(t, code, [socket]);
    await replica.ready;
    const client = new RawClient(t, socket);
    client.get("/");
    await sleep(200);
    const exited = replica.stop();
    await sleep(100);
    replica.child.kill("SIGTERM");
    await client.has("hello");
    assert.equal(await exited, 7);
    assert.equal(replica.output(), "answered\nSIGTERM 15 true true\nclosed undefined\n");
  });
}

test("an app that removes all handlers is still drained", async (t) => {
  const socket = await holdSocket(t);
  const code = app(
    "later(400, () => response.end('hello'))",
    "process.removeAllListeners('SIGTERM');",
  );
  const replica = startReplica(t, code, [socket]);
  await replica.ready;
  const client = new RawClient(t, socket);
  client.get("/");
  await sleep(150);
  const exited = replica.stop();
  await client.has("hello");
  assert.equal(await exited, 0);
});

test("Fastify's close hooks run after the drain", async (t) => {
  const socket = await holdSocket(t);
  const replica = startReplica(
    t,
    `import fastify from 'fastify';
    const app = fastify();
    app.get('/', async () => { await new Promise((r) => setTimeout(r, 400)); console.log("answer"); return 'hello'; });
    app.addHook('onClose', async () => console.log('onClose'));
    process.on('SIGTERM', () => void app.close().then(() => console.log('done')));
    await app.listen({ port: Number(process.env.PORT) });`,
    [socket],
  );
  await replica.ready;
  const client = new RawClient(t, socket);
  client.get("/");
  await sleep(200);
  const exited = replica.stop();
  await client.has("hello");
  assert.equal(await exited, 0);
  assert.equal(replica.output(), "answer\nonClose\ndone\n");
});

test("a stream may continue until shortly before the grace ends, and ends with FIN", async (t) => {
  const socket = await holdSocket(t);
  const routes = `
    response.writeHead(200, { 'content-type': 'text/event-stream', connection: 'keep-alive' });
    const timer = setInterval(() => response.write('data: tick\\n\\n'), 20);
    if (request.url === '/tidy') response.on('close', () => clearInterval(timer));`;
  const replica = startReplica(t, app(routes), [socket], { graceMs: 1_600, lingerMs: 100 });
  await replica.ready;
  const clients = ["/tidy", "/untidy"].map((path) => {
    const client = new RawClient(t, socket);
    client.get(path);
    return client;
  });
  for (const client of clients) await client.has("tick");
  const begin = performance.now();
  const exited = replica.stop();
  for (const client of clients) {
    await client.ended;
    assert.equal(client.isReset, false);
    assert.match(client.received, /0\r\n\r\n$/, "the stream has its proper end");
  }
  assert.ok(performance.now() - begin >= 1_000, "the stream was cut before the grace ran out");
  assert.equal(await exited, 0);
  assert.equal(replica.output(), "");
});

test("another incomplete answer is recognisably cut when the grace ends", async (t) => {
  const socket = await holdSocket(t);
  const routes = "response.write('half'); setInterval(() => response.write('more'), 50);";
  const replica = startReplica(t, app(routes), [socket], { graceMs: 800, lingerMs: 100 });
  await replica.ready;
  const client = new RawClient(t, socket);
  client.get("/");
  await client.has("half");
  const exited = replica.stop();
  await client.ended;
  assert.equal(client.isReset, false);
  assert.doesNotMatch(client.received, /0\r\n\r\n$/);
  assert.equal(await exited, 0);
  assert.equal(replica.output(), "");
});

test("a request that outlasts the grace is cut, and the app's handlers still run", async (t) => {
  const socket = await holdSocket(t);
  const code = app("", "process.on('SIGTERM', () => { console.log('bye'); process.exit(3); });");
  const replica = startReplica(t, code, [socket], { graceMs: 800 });
  await replica.ready;
  const client = new RawClient(t, socket);
  client.get("/");
  await sleep(100);
  const exited = replica.stop();
  await client.ended;
  assert.equal(client.received, "");
  assert.equal(await exited, 3);
  assert.equal(replica.output(), "bye\n");
});

const UPGRADE = `server.on('upgrade', (request, socket) => {
  socket.write('HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: chat\\r\\nConnection: Upgrade\\r\\n\\r\\n');
  socket.on('data', (data) => socket.write(data));
  sockets.push(socket);
});
const sockets = [];`;

test("an upgraded connection does not hold up the drain: the app's handler sends its farewell", async (t) => {
  const socket = await holdSocket(t);
  const more = `${UPGRADE}
    process.on('SIGTERM', () => {
      for (const socket of sockets) socket.end('goodbye');
      server.close();
    });`;
  const replica = startReplica(t, app(ANSWER, more), [socket], { graceMs: 60_000 });
  await replica.ready;
  const client = new RawClient(t, socket);
  client.get("/chat", "Upgrade: chat\r\nConnection: Upgrade\r\n");
  await client.has("101 Switching");
  const plain = new RawClient(t, socket);
  plain.get("/");
  await plain.has("hello");
  const exited = replica.stop();
  await client.ended;
  assert.match(client.received, /goodbye$/);
  assert.equal(await exited, 0);
});

test("an upgraded connection gets FIN where the app has no handler", async (t) => {
  const socket = await holdSocket(t);
  const replica = startReplica(t, app(ANSWER, UPGRADE), [socket], { graceMs: 60_000 });
  await replica.ready;
  const client = new RawClient(t, socket);
  client.get("/chat", "Upgrade: chat\r\nConnection: Upgrade\r\n");
  await client.has("101 Switching");
  client.socket.write("ping");
  await client.has("ping");
  const exited = replica.stop();
  await client.ended;
  assert.equal(client.isReset, false);
  assert.equal(await exited, 0);
});

test("a raw TCP connection has the grace without a handler, and is left to the handler with one", async (t) => {
  const code = (more: string): string => `
    import net from 'node:net';
    const server = net.createServer((client) => client.pipe(client)).listen(Number(process.env.PORT));
    ${more}`;
  const socket = await holdSocket(t);
  const without = startReplica(t, code(""), [socket]);
  await without.ready;
  const client = new RawClient(t, socket);
  client.socket.write("one");
  await client.has("one");
  const exited = without.stop();
  await sleep(300);
  client.socket.write("two");
  await client.has("two");
  client.socket.end();
  assert.equal(await exited, 0);

  const having = startReplica(t, code("process.on('SIGTERM', () => process.exit(5));"), [socket]);
  await having.ready;
  const other = new RawClient(t, socket);
  other.socket.write("one");
  await other.has("one");
  assert.equal(await having.stop(), 5);
});

test("servers of the app on other ports are drained too", async (t) => {
  const replica = startReplica(
    t,
    `import http from 'node:http';
    const server = http.createServer((request, response) => setTimeout(() => response.end('hello'), 400));
    server.listen(0, '127.0.0.1', () => console.log(server.address().port));`,
    [],
  );
  const port = Number(await eventually(() => replica.output().trim() || undefined, "the port"));
  const answer = fetch(`http://127.0.0.1:${port}/`).then((response) => response.text());
  await sleep(150);
  const exited = replica.stop();
  assert.equal(await answer, "hello");
  assert.equal(await exited, 0);
});

test("NEWEL_STOP_SIGNAL chooses the signal; others stay plain Node's", async (t) => {
  const socket = await holdSocket(t);
  const env = { NEWEL_STOP_SIGNAL: "SIGINT" };
  const first = startReplica(t, app(ANSWER), [socket], { env });
  await first.ready;
  first.child.kill("SIGINT");
  assert.equal(await first.exited, 0);
  const second = startReplica(t, app(ANSWER), [socket], { env });
  await second.ready;
  assert.equal(await second.stop(), "SIGTERM");
  assert.equal(isAlive(second.pid), false);
});

test("HTTP/2: running streams are answered, new ones go elsewhere, quiet sessions end", async (t) => {
  const socket = await holdSocket(t);
  const code = `
    import http2 from 'node:http2';
    http2.createServer((request, response) => setTimeout(() => response.end('hello'), 500))
      .listen(Number(process.env.PORT));`;
  const replica = startReplica(t, code, [socket], { lingerMs: 200 });
  await replica.ready;
  const open = (): ClientHttp2Session => {
    const session = connectHttp2(`http://127.0.0.1:${socket.port}`);
    t.after(() => session.destroy());
    return session;
  };
  const [quiet, busy] = [open(), open()];
  await Promise.all([once(quiet, "connect"), once(busy, "connect")]);
  const answer = text(busy.request({ ":path": "/" }));
  await sleep(100);
  const closed = once(quiet, "close");
  const goaway = once(busy, "goaway");
  const exited = replica.stop();
  assert.deepEqual((await goaway).slice(0, 2), [0, 1]);
  await closed;
  assert.equal(await answer, "hello");
  assert.equal(await exited, 0);
  assert.equal(replica.output(), "");
});

test("HTTPS: an accepted connection in its handshake is answered", async (t) => {
  const socket = await holdSocket(t);
  const replica = startReplica(t, appPath("https"), [socket]);
  await replica.ready;
  const plain = net.connect({ port: socket.port, host: "127.0.0.1" });
  t.after(() => plain.destroy());
  await once(plain, "connect");
  await sleep(100);
  const exited = replica.stop();
  await eventually(() => replica.said.includes("STOPPING=1"), "STOPPING");
  const secure = connectTls({ socket: plain, rejectUnauthorized: false });
  secure.write("GET /echo/5 HTTP/1.1\r\nHost: x\r\n\r\n");
  assert.match(await text(secure), /^HTTP\/1\.1 200 OK[^]*Connection: close[^]*5/);
  assert.equal(await exited, 0);
});
