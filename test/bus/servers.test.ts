import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, createServer, get, type IncomingMessage, type ServerResponse } from "node:http";
import { connect as connectHttp2, createServer as createHttp2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import { Worker } from "node:worker_threads";
import { fileURLToPath } from "node:url";

import { Bus } from "../../src/bus/bus.ts";
import { serve, type Served, waitUntilServing } from "../../src/bus/plugins/serve.ts";
import { type Threads, threads } from "../../src/bus/plugins/threads.ts";
import { freePort, startProcess } from "../helpers/resources.ts";
import { later } from "./watched-bus.ts";

interface App {
  readonly bus: Bus;
  readonly served: Served;
  readonly threads: Threads;
  readonly counts: { start: number; stop: number; graceful: number; running: boolean };
  readonly warnings: string[];
  readonly ask: (path?: string, agent?: Agent) => Promise<Answer>;
}

interface Answer {
  readonly status: number | undefined;
  readonly body: string;
  readonly connection: string | undefined;
}

/** A component next to a server whose requests are answered by a worker thread. */
function app(t: TestContext): App {
  const bus = new Bus();
  const warnings: string[] = [];
  bus.subscribe("log", ({ level, message }) => void (level === "warn" && warnings.push(message)));
  const counts = { start: 0, stop: 0, graceful: 0, running: false };
  bus.subscribe("start", () => {
    counts.start += 1;
    counts.running = true;
  });
  bus.subscribe("stop", () => {
    counts.stop += 1;
    counts.running = false;
  });
  bus.subscribe("graceful", () => void (counts.graceful += 1));
  const manager = threads(bus);
  let worker: Worker | undefined;
  bus.subscribe("exit", () => worker?.terminate());
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (request.url === "/graceful") await bus.graceful();
    if (request.url === "/exit") void bus.exit();
    if (request.url === "/thread") {
      worker ??= new Worker(fileURLToPath(new URL("fixtures/worker.mjs", import.meta.url)));
      manager.acquire(worker.threadId);
      worker.postMessage("work");
      const [threadId] = (await once(worker, "message")) as [number];
      response.end(`thread ${threadId}`);
    } else {
      response.end(`hello ${request.url}`);
    }
  };
  const server = createServer((request, response) => void answer(request, response));
  const served = serve(bus, server, { graceMs: 1_000 });
  t.after(() => bus.exit());
  const ask = (path = "/", agent = new Agent()): Promise<Answer> =>
    request((served.address as AddressInfo).port, path, agent);
  return { bus, served, threads: manager, counts, warnings, ask };
}

async function request(port: number, path: string, agent: Agent): Promise<Answer> {
  const [response] = (await once(get({ port, path, agent, host: "127.0.0.1" }), "response")) as [
    IncomingMessage,
  ];
  let body = "";
  for await (const chunk of response) body += String(chunk);
  return { status: response.statusCode, body, connection: response.headers.connection };
}

test("53. after start the server accepts connections at once", async (t) => {
  const { bus, ask } = app(t);
  await bus.start();
  assert.equal((await ask()).status, 200);
});

test("54. a component's start listener ran once per start", async (t) => {
  const { bus, counts } = app(t);
  await bus.start();
  assert.equal(counts.start, 1);
  await bus.stop();
  await bus.start();
  assert.equal(counts.start, 2);
});

test("55. after stop the component is not running and no thread is registered", async (t) => {
  const { bus, counts, threads, served, ask } = app(t);
  await bus.start();
  await ask("/thread");
  assert.equal(threads.running.size, 1);
  await bus.stop();
  assert.equal(counts.running, false);
  assert.equal(threads.running.size, 0);
  assert.equal(served.address, null);
  assert.equal(served.connections, 0);
});

test("56. a request served after start answers 200 with its body", async (t) => {
  const { bus, ask } = app(t);
  await bus.start();
  const { status, body } = await ask("/x");
  assert.deepEqual([status, body], [200, "hello /x"]);
  await bus.stop();
  await bus.start();
  assert.equal((await ask("/again")).body, "hello /again");
});

test("57. exit by the callback of startWithCallback, after a request, lets block finish", async (t) => {
  const { bus, ask } = app(t);
  const blocking = bus.block();
  const body = await bus.startWithCallback(async () => {
    const answer = await ask("/cb");
    void bus.exit();
    return answer.body;
  });
  assert.equal(body, "hello /cb");
  assert.equal(await blocking, 0);
});

test("58. graceful: still started, requests answered, counted once", async (t) => {
  const { bus, counts, ask } = app(t);
  await bus.start();
  await bus.graceful();
  assert.equal(bus.state, "started");
  assert.equal((await ask()).status, 200);
  assert.equal(counts.graceful, 1);
});

test("59. graceful from inside a request handler: that response is delivered", async (t) => {
  const { bus, counts, ask } = app(t);
  await bus.start();
  const agent = new Agent({ keepAlive: true });
  const { body, connection } = await ask("/graceful", agent);
  assert.equal(body, "hello /graceful");
  assert.equal(connection, "close", "its connection is of before");
  assert.equal(counts.graceful, 1);
  assert.equal((await ask("/", agent)).connection, "keep-alive");
  agent.destroy();
});

test("60. after that graceful no thread is registered until the next request", async (t) => {
  const { bus, threads, ask } = app(t);
  await bus.start();
  await ask("/thread");
  await ask("/graceful");
  assert.equal(threads.running.size, 0);
  await ask("/thread");
  assert.equal(threads.running.size, 1);
});

test("62. a persistent connection is kept: no Connection: close in the first answer", async (t) => {
  const { bus, served, ask } = app(t);
  await bus.start();
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  assert.equal((await ask("/1", agent)).connection, "keep-alive");
  await ask("/2", agent);
  assert.equal(served.connections, 1);
});

test(
  "64. with no loopback, waiting for a server on 0.0.0.0 gives one warning",
  {
    skip: process.getuid?.() === 0 ? false : "needs root, for a network namespace",
  },
  async (t) => {
    const program = `
    import { Bus } from ${JSON.stringify(import.meta.resolve("../../src/bus/bus.ts"))};
    import { waitUntilServing } from ${JSON.stringify(import.meta.resolve("../../src/bus/plugins/serve.ts"))};
    const bus = new Bus();
    bus.subscribe("log", ({ level }) => console.log(level));
    await waitUntilServing(bus, { host: "0.0.0.0", port: 8080 }, 200);
    await waitUntilServing(bus, { host: "127.0.0.1", port: 8080 }, 200).catch((error) => console.log(error.code));
  `;
    const args = ["-n", process.execPath, "--input-type=module", "-e", program];
    const child = startProcess(t, "unshare", args);
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream?.on("data", (chunk) => (output += String(chunk)));
    await once(child, "close");
    assert.equal(output, "warn\nNEWEL_E_DEADLINE\n");
  },
);

test("65. waiting on 127.0.0.1 for a port without a server is an error", async (t) => {
  const { bus, served, warnings } = app(t);
  const port = await freePort();
  await assert.rejects(waitUntilServing(bus, { host: "127.0.0.1", port }, 60), {
    code: "NEWEL_E_DEADLINE",
  });
  await assert.rejects(waitUntilServing(bus, { host: "0.0.0.0", port }, 60), {
    code: "NEWEL_E_DEADLINE",
  });
  await bus.start();
  await waitUntilServing(bus, { host: "0.0.0.0", port: (served.address as AddressInfo).port });
  assert.deepEqual(warnings, []);
});

test("67. no thread is registered before the first work", async (t) => {
  const { bus, threads, ask } = app(t);
  await bus.start();
  await ask("/");
  assert.equal(threads.running.size, 0);
});

test("68. the first request registers one thread; more on the same keep it at one", async (t) => {
  const { bus, threads, ask } = app(t);
  const started: unknown[] = [];
  bus.subscribe("startThread", (...args) => void started.push(args));
  await bus.start();
  const first = await ask("/thread");
  assert.equal(threads.running.size, 1);
  assert.equal((await ask("/thread")).body, first.body);
  assert.equal(threads.running.size, 1);
  assert.deepEqual(started, [[1, Number(first.body.split(" ")[1])]]);
});

test("69. stop publishes stopThread for each thread and empties the map", async (t) => {
  const { bus, threads, ask } = app(t);
  const stopped: unknown[] = [];
  bus.subscribe("stopThread", (index) => void stopped.push(index));
  await bus.start();
  await ask("/thread");
  threads.acquire(4_711);
  await bus.stop();
  assert.deepEqual(stopped, [1, 2]);
  assert.equal(threads.running.size, 0);
});

test("70. acquire twice gives one startThread; release of an unknown one publishes nothing", () => {
  const bus = new Bus();
  const manager = threads(bus);
  const seen: string[] = [];
  bus.subscribe("startThread", (...args) => void seen.push(`start ${args.join(" ")}`));
  bus.subscribe("stopThread", (...args) => void seen.push(`stop ${args.join(" ")}`));
  assert.equal(manager.acquire(7), 1);
  assert.equal(manager.acquire(7), 1);
  manager.release(8);
  manager.release(7);
  manager.release(7);
  assert.deepEqual(seen, ["start 1 7", "stop 1 7"]);
});

test("71. live threads never share an index", async (t) => {
  const bus = new Bus();
  const manager = threads(bus);
  manager.acquire(1);
  manager.acquire(2);
  manager.release(1);
  assert.equal(manager.acquire(3), 1);
  assert.equal(manager.acquire(4), 3);
  const indexes = [...manager.running.values()];
  assert.equal(new Set(indexes).size, indexes.length);
  await bus.start();
  t.after(() => bus.exit());
  const worker = new Worker("0", { eval: true });
  await later(0);
  assert.equal(manager.running.size, 4, "a new Worker is noticed by itself");
  await once(worker, "exit");
  assert.equal(manager.running.size, 3, "and its end");
});

test("the readiness endpoint follows the bus, and the server answers during the delay before closing", async (t) => {
  const bus = new Bus();
  bus.subscribe("log", () => undefined);
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    response.end("the app");
  });
  const served = serve(bus, server, { readinessPath: "/readyz", closeDelayMs: 2_000 });
  t.after(() => bus.exit());
  const ask = async (path: string, method = "GET"): Promise<string> => {
    const { port } = served.address as AddressInfo;
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method });
    return `${answer.status} ${(await answer.text()).trim()}`;
  };
  const seen: string[] = [];
  bus.subscribe("start", async () => void seen.push(await ask("/readyz"), await ask("/x")), {
    priority: 90,
  });
  bus.subscribe("stopping", async () => void seen.push(await ask("/readyz"), await ask("/y")));
  await bus.start();
  assert.equal(await ask("/readyz?full=1"), "200 ready");
  assert.equal(await ask("/readyz", "HEAD"), "200 ");
  assert.equal(await ask("/readyz", "POST"), "200 the app");
  await bus.stop();
  assert.deepEqual(seen, ["503 not ready", "200 the app", "503 not ready", "200 the app"]);
  assert.deepEqual(asked, ["GET /x", "POST /readyz", "GET /y"]);
  assert.equal(served.address, null);
});

test("the readiness endpoint works over HTTP/2", async (t) => {
  const bus = new Bus();
  bus.subscribe("log", () => undefined);
  const server = createHttp2Server((_request, response) => void response.end("the app"));
  const served = serve(bus, server, { readinessPath: "/readyz" });
  await bus.start();
  t.after(() => bus.exit());
  const session = connectHttp2(`http://127.0.0.1:${(served.address as AddressInfo).port}`);
  t.after(() => session.destroy());
  for (const [path, expected] of [
    ["/readyz", "ready\n"],
    ["/", "the app"],
  ] as const) {
    let body = "";
    const stream = session.request({ ":path": path });
    stream.on("data", (chunk) => (body += String(chunk)));
    await once(stream, "end");
    assert.equal(body, expected);
  }
});
