import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import net, { type AddressInfo } from "node:net";
import { test } from "node:test";

import { eventually, type Scope } from "../helpers/resources.ts";
import { AnswerReader } from "./answer.ts";
import { startLoad, type LoadOptions, type LoadReport } from "./client.ts";
import { LoadConnection } from "./connection.ts";
import { startLoadProcess } from "./process.ts";

async function serve(scope: Scope, listener: RequestListener): Promise<number> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  scope.after(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

/** Runs a load until at least this number of requests have ended. */
async function load(
  port: number,
  requests: number,
  options: Partial<LoadOptions> = {},
): Promise<LoadReport> {
  const running = startLoad({
    port,
    keepAliveClients: 2,
    newConnectionClients: 2,
    ratePerSecond: 50,
    ...options,
  });
  await eventually(() => running.ended >= requests, `${requests} requests`);
  return running.stop();
}

const numberOf = (url: string | undefined): string => url?.split("/").at(-1) ?? "";

test("a sound server: both kinds, every tenth slow, no failure", async (t) => {
  const paths: string[] = [];
  const connections = new Set<number | undefined>();
  const port = await serve(t, (request, response) => {
    paths.push(request.url ?? "");
    if (request.headers.connection !== "close") connections.add(request.socket.remotePort);
    response.setHeader("x-pid", 42).end(numberOf(request.url));
  });
  const report = await load(port, 60);
  assert.deepEqual(report.failed, []);
  assert.equal(report.requests, paths.length);
  assert.equal(report.answersByPid["42"], paths.length);
  for (const kind of ["keep-alive", "new-connection"] as const)
    assert.ok(report.byKind[kind].requests >= 5, `${report.byKind[kind].requests} of ${kind}`);
  const kept = report.byKind["keep-alive"].requests;
  assert.ok(connections.size < kept, `${connections.size} connections for ${kept} requests`);
  assert.ok(
    paths.every((path) => path.startsWith(numberOf(path).endsWith("0") ? "/slow/" : "/echo/")),
  );
});

test("an answer with Connection: close is no failure", async (t) => {
  const port = await serve(t, (request, response) => {
    const number = Number(numberOf(request.url));
    if (number % 3 === 0) response.setHeader("connection", "close");
    response.end(String(number));
  });
  const report = await load(port, 20);
  assert.deepEqual(report.failed, []);
});

test("a connection that the server closes while it is idle is used no more, and that is no failure", async (t) => {
  const closed = Promise.withResolvers<void>();
  const port = await serve(t, ({ socket }, response) => {
    socket.on("close", () => closed.resolve());
    response.on("finish", () => socket.end()).end("1");
  });
  const connection = new LoadConnection({ host: "127.0.0.1", port, tls: false });
  assert.equal((await connection.request("/echo/1", false, 60_000)).body, "1");
  // The server's end is closed once the client has closed its end too.
  await closed.promise;
  assert.equal(connection.isFree, false);
});

const BAD: Record<string, { listener: RequestListener; error: RegExp }> = {
  "a wrong body": {
    listener: (_request, response) => response.end("0"),
    error: /^wrong answer: "0"$/,
  },
  "a status": {
    listener: (_request, response) => response.writeHead(503).end(),
    error: /^status 503$/,
  },
  "a close before the answer": {
    listener: (request) => request.socket.end(),
    error: /^closed before the answer was complete$/,
  },
  "a cut answer": {
    listener: (_request, response) => {
      response.write("1");
      setTimeout(() => response.destroy(), 20);
    },
    error: /^(closed before the answer was complete|ECONNRESET)$/,
  },
  "a reset": { listener: (request) => request.socket.resetAndDestroy(), error: /^ECONNRESET$/ },
  "no answer": { listener: () => undefined, error: /^no answer within 200 ms$/ },
};
for (const [name, { listener, error }] of Object.entries(BAD)) {
  test(`${name} is a failure, of every request and never retried`, async (t) => {
    const seen: string[] = [];
    const port = await serve(t, (request, response) => {
      seen.push(numberOf(request.url));
      listener(request, response);
    });
    const report = await load(port, 12, { limitMs: name === "no answer" ? 200 : 60_000 });
    assert.equal(report.failedCount, report.requests);
    // Each request has another number. A request whose limit passes may not reach the server at all.
    assert.equal(new Set(seen).size, seen.length, "no request came twice");
    if (name === "no answer") assert.ok(seen.length > 0 && seen.length <= report.requests);
    else assert.equal(seen.length, report.requests);
    for (const failure of report.failed) assert.match(failure.error, error);
    assert.equal(new Set(report.failed.map(({ number }) => number)).size, report.requests);
  });
}

test("a port that refuses is a failure", async () => {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  const report = await load(port, 3);
  assert.equal(report.failedCount, report.requests);
  assert.match(report.failed[0]?.error ?? "", /^ECONNREFUSED$/);
});

test("as a separate process it reports its results", async (t) => {
  const port = await serve(t, (request, response) => response.end(numberOf(request.url)));
  const running = startLoadProcess(t, port, { ratePerSecond: 100 });
  await eventually(() => running.ended > 20, "its requests");
  const report = await running.stop();
  assert.deepEqual(report.failed, []);
});

test("answers are read in any pieces, by length and by chunks", () => {
  const chunked =
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n";
  const sized = "HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\nX-A: b\r\n\r\nno";
  for (let size = 1; size < 20; size += 1) {
    const reader = new AnswerReader();
    const answers = [];
    const bytes = Buffer.from(chunked + sized);
    for (let at = 0; at < bytes.length; at += size) {
      for (let answer = reader.push(bytes.subarray(at, at + size)); answer !== undefined;) {
        answers.push(answer);
        answer = reader.isPartial ? reader.push(Buffer.alloc(0)) : undefined;
      }
    }
    assert.deepEqual(
      answers.map(({ status, body }) => [status, body]),
      [
        [200, "abcde"],
        [404, "no"],
      ],
    );
    assert.equal(answers[1]?.headers["x-a"], "b");
  }
  assert.throws(
    () => new AnswerReader().push(Buffer.from("HTTP/1.0 200 OK\r\n\r\n")),
    /no status line/,
  );
  assert.throws(() => new AnswerReader().push(Buffer.from("HTTP/1.1 200 OK\r\n\r\n")), /no length/);
});
