import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { statSync, writeFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";

import { preloadPath } from "../../src/base/modules.ts";
import { withPreload } from "../../src/base/node-options.ts";
import { temporaryDirectory } from "../helpers/resources.ts";
import { appPath, holdSocket, startReplica, type Replica } from "./replica.ts";

/** A health probe over the control socket, as the supervisor makes it. */
async function probe(replica: Replica, request: string, isGlued = false): Promise<string> {
  const socket = net.connect(replica.controlPath);
  try {
    socket.write(`probe\n${isGlued ? request : ""}`);
    if (isGlued) return await text(socket);
    const [line] = (await once(socket, "data")) as [Buffer];
    if (line.toString() !== "ok\n") return line.toString();
    socket.write(request);
    return await text(socket);
  } finally {
    socket.destroy();
  }
}

const GET = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

for (const name of ["http", "fastify", "express", "hono", "https", "http2"]) {
  test(`probe reaches the ${name} app on hold by plain HTTP/1.1`, async (t) => {
    const socket = await holdSocket(t);
    const replica = startReplica(t, appPath(name), [socket], { hold: true });
    await replica.ready;
    for (const isGlued of [false, true]) {
      const answer = await probe(replica, GET, isGlued);
      assert.match(answer, /^(ok\n)?HTTP\/1\.1 200 OK\r\n[^]*ok/);
      assert.equal(answer.startsWith("ok\n"), isGlued);
    }
    assert.equal(await replica.stop(), 0);
    assert.equal(replica.output(), "");
  });
}

test("probe of a server that is not HTTP, or does not listen yet, answers an error", async (t) => {
  const socket = await holdSocket(t);
  const raw = startReplica(
    t,
    "import net from 'node:net'; net.createServer().listen(Number(process.env.PORT));",
    [socket],
  );
  await raw.ready;
  assert.equal(await raw.control("probe"), "error: the server does not speak HTTP");

  const streams = startReplica(
    t,
    `import http2 from 'node:http2';
    http2.createServer().on('stream', (stream) => stream.end()).listen(Number(process.env.PORT));`,
    [socket],
  );
  await streams.ready;
  assert.match(await streams.control("probe"), /^error: the HTTP\/2 server answers streams only/);

  const none = startReplica(t, "console.log('up'); setInterval(() => {}, 1e9);", [socket]);
  await once(none.child.stdout ?? none.child, "data");
  assert.equal(await none.control("probe"), "error: no HTTP server listens yet");
});

test("the control socket is closed to other users, and replaces a stale one", async (t) => {
  const socket = await holdSocket(t);
  const directory = temporaryDirectory(t);
  // The socket file of a killed process with the same pid.
  const stale = join(directory, "stale.cjs");
  writeFileSync(
    stale,
    `require("fs").writeFileSync(${JSON.stringify(join(directory, "c."))} + process.pid, "");`,
  );
  const env = {
    NEWEL_CONTROL: join(directory, "c"),
    NODE_OPTIONS: `--require ${stale} ${withPreload(undefined, preloadPath())}`,
  };
  const replica = startReplica(t, appPath("http"), [socket], { env });
  await replica.ready;
  const status = statSync(join(directory, `c.${replica.pid}`));
  assert.ok(status.isSocket());
  assert.equal(status.mode & 0o777, 0o600);
  assert.equal(await replica.stop(), 0);
});

test("a control socket that cannot be opened is reported, and the app continues", async (t) => {
  const socket = await holdSocket(t);
  const env = { NEWEL_CONTROL: "/nowhere/at/all" };
  const replica = startReplica(t, appPath("http"), [socket], { env });
  await replica.ready;
  assert.equal(await replica.stop(), 0);
  assert.match(
    replica.output(),
    /^newel\/register: the control socket \/nowhere\/at\/all\.\d+: .*\n$/,
  );
});

test("hostile control input is refused, bounded and forgotten", async (t) => {
  const socket = await holdSocket(t);
  const replica = startReplica(t, appPath("http"), [socket], { hold: true });
  await replica.ready;
  const path = replica.controlPath;
  const talk = async (bytes: string | Buffer): Promise<string> => {
    const client = net.connect(path);
    client.on("error", () => undefined);
    client.write(bytes);
    return text(client).catch(() => "reset");
  };

  assert.equal(await talk("hello\n"), "error: unknown command\n");
  assert.equal(await talk("accept please\n"), "error: unknown command\n");
  assert.equal(await talk(`accept\n\u0000\n`), "ok\nerror: unknown command\n");
  assert.equal(await talk("x".repeat(1_025)), "error: a line has at most 1024 bytes\n");
  assert.match(
    await talk("x".repeat(5_000_000)),
    /^(error: a line has at most 1024 bytes\n|reset)$/,
  );
  for (let round = 0; round < 200; round += 1) {
    // A random line may lack its newline; then the client ends the line by closing.
    const client = net.connect(path);
    client.on("error", () => undefined);
    client.end(randomBytes(1 + ((round * 7) % 300)));
    client.resume();
    await once(client, "close");
  }
  // More connections than the limit, then silence: the surplus is refused.
  const idle = Array.from({ length: 100 }, () => net.connect(path).on("error", () => undefined));
  await Promise.all(idle.slice(64).map((client) => once(client.resume(), "close")));
  for (const client of idle) client.destroy();

  assert.match(await probe(replica, GET), /200 OK/);
  assert.equal(replica.child.exitCode, null);
  assert.equal(replica.output(), "");
});

test("an open control connection does not keep the app alive", async (t) => {
  const app =
    "console.log('up'); process.once('SIGUSR2', () => clearInterval(timer)); const timer = setInterval(() => {}, 1e9);";
  const replica = startReplica(t, app, [await holdSocket(t)]);
  await once(replica.child.stdout ?? replica.child, "data");
  const client = net.connect(replica.controlPath).on("error", () => undefined);
  client.write("accept\n");
  await once(client, "data");
  replica.child.kill("SIGUSR2");
  assert.equal(await replica.exited, 0);
  client.destroy();
});
