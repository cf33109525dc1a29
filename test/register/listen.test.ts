import assert from "node:assert/strict";
import net from "node:net";
import { once } from "node:events";
import { chmodSync, copyFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { preloadPath } from "../../src/base/modules.ts";
import { withPreload } from "../../src/base/node-options.ts";
import { PRELOAD_ENV } from "../../src/base/preload.ts";
import { NOBODY, withoutRoot } from "../helpers/as-nobody.ts";
import { eventually, freePort, temporaryDirectory } from "../helpers/resources.ts";
import { hasIpv6 } from "../helpers/reach.ts";
import { appPath, holdSocket, startReplica, type HeldSocket } from "./replica.ts";

const PORT = "Number(process.env.PORT)";

async function answerOf(socket: HeldSocket): Promise<string> {
  const client = net.connect(
    socket.target.path === undefined
      ? { port: socket.port, host: "127.0.0.1" }
      : { path: socket.target.path },
  );
  const [chunk] = (await once(client, "data")) as [Buffer];
  client.destroy();
  return chunk.toString();
}

// This process has bound the port, so a plain Node listen() would fail: EADDRINUSE.
const forms = {
  "listen(port)": `server.listen(${PORT})`,
  "listen(port as text)": `server.listen(process.env.PORT)`,
  "listen(port, host)": `server.listen(${PORT}, '0.0.0.0')`,
  "listen(port, backlog, callback)": `server.listen(${PORT}, 64, () => console.log('callback'))`,
  "listen({ port, host, exclusive })": `server.listen({ port: ${PORT}, host: 'localhost', exclusive: true })`,
};
for (const [form, call] of Object.entries(forms)) {
  test(`${form} listens on the inherited socket`, async (t) => {
    const socket = await holdSocket(t);
    const app = `
      import net from 'node:net';
      const server = net.createServer((client) => client.on('error', () => client.destroy()).end('hello'));
      server.on('listening', () => console.log('event', server.address().port, server.listening));
      console.log(${call} === server);`;
    const replica = startReplica(t, app, [socket]);
    await replica.ready;
    assert.equal(await answerOf(socket), "hello");
    const lines = replica.output().trim().split("\n");
    assert.deepEqual(lines.slice(0, 2), ["true", `event ${socket.port} true`]);
    assert.equal(lines[2], form.includes("callback") ? "callback" : undefined);
  });
}

/** A Node.js process that may or may not be the one that listens, as below `npm start`. */
const CANDIDATE = { env: { [PRELOAD_ENV.entry]: "" } };

test("a library that has wrapped listen() before its first call still sees each call", async (t) => {
  const socket = await holdSocket(t);
  const app = `
    import net from 'node:net';
    const { listen } = net.Server.prototype;
    net.Server.prototype.listen = function (...args) {
      if (typeof args[0] === 'number') console.log('port', args[0]);
      return Reflect.apply(listen, this, args);
    };
    const open = (port, then) =>
      net.createServer((client) => client.on('error', () => client.destroy()).end('hello')).listen(port, then);
    open(0, () => open(${PORT}));`;
  const replica = startReplica(t, app, [socket], CANDIDATE);
  await replica.ready;
  assert.equal(await answerOf(socket), "hello");
  assert.equal(replica.output(), `port 0\nport ${socket.port}\n`);
});

test(
  "a process that gives up its rights before its first listen() still gets the inherited socket",
  { skip: withoutRoot },
  async (t) => {
    const socket = await holdSocket(t);
    const app = `
      import net from 'node:net';
      process.setgid(${NOBODY});
      process.setuid(${NOBODY});
      net.createServer((client) => client.on('error', () => client.destroy()).end('hello')).listen(${PORT});`;
    const directory = temporaryDirectory(t);
    const preload = join(directory, "newel-preload.cjs");
    copyFileSync(preloadPath(), preload);
    chmodSync(directory, 0o700);
    startReplica(t, app, [socket], {
      env: { ...CANDIDATE.env, NODE_OPTIONS: withPreload(undefined, preload) },
    });
    await eventually(async () => (await answerOf(socket)) === "hello", "the process answers");
  },
);

test("listen({ fd }) on the descriptor of a target is a listen() on the target", async (t) => {
  const socket = await holdSocket(t);
  const app = `
    import net from 'node:net';
    net.createServer((client) => client.on('error', () => client.destroy()).end('hello')).listen({ fd: 3 });`;
  const replica = startReplica(t, app, [socket], { hold: true });
  await replica.ready;
  assert.equal(await replica.control("accept"), "ok");
  assert.equal(await answerOf(socket), "hello");
  assert.equal(replica.output(), "");
});

test("listen(path) listens on the inherited Unix socket", async (t) => {
  const directory = temporaryDirectory(t);
  const socket = await holdSocket(t, join(directory, "app.sock"));
  const app = `
    import net from 'node:net';
    process.chdir(${JSON.stringify(directory)});
    const server = net.createServer((client) => client.on('error', () => client.destroy()).end('hello'));
    server.listen('./app.sock', () => console.log(server.address()));`;
  const replica = startReplica(t, app, [socket]);
  await replica.ready;
  assert.equal(await answerOf(socket), "hello");
  assert.equal(replica.output().trim(), socket.target.path);
});

test("two targets: READY comes when both listen", async (t) => {
  const web = await holdSocket(t);
  const held = await holdSocket(t);
  const admin = { ...held, target: { ...held.target, name: "admin" } };
  const app = `
    import net from 'node:net';
    const listen = (port) => net.createServer((client) => client.on('error', () => client.destroy()).end(String(port))).listen(port);
    listen(${admin.port});
    setTimeout(() => { console.log('second'); listen(${web.port}); }, 200);`;
  const replica = startReplica(t, app, [web, admin]);
  await replica.ready;
  assert.equal(replica.output(), "second\n");
  assert.equal(await answerOf(web), String(web.port));
  assert.equal(await answerOf(admin), String(admin.port));
  assert.deepEqual(replica.said, ["READY=1"]);
});

test("a second listen() on the same port succeeds: Fastify on localhost", async (t) => {
  const socket = await holdSocket(t);
  const app = `
    import fastify from 'fastify';
    const app = fastify();
    app.get('/', async () => 'hello');
    console.log(await app.listen({ port: ${PORT}, host: 'localhost' }));
    console.log(app.addresses().length > 0, app.server.address().port);`;
  const replica = startReplica(t, app, [socket]);
  await replica.ready;
  const response = await fetch(`http://127.0.0.1:${socket.port}/`);
  assert.equal(await response.text(), "hello");
  assert.equal(await replica.stop(), 0, replica.output());
  assert.match(replica.output(), new RegExp(`^http://.*:${socket.port}\ntrue ${socket.port}\n$`));
});

test("a dormant second server closes like any other, and the app ends", async (t) => {
  const socket = await holdSocket(t);
  const app = `
    import net from 'node:net';
    const servers = [net.createServer(), net.createServer()];
    for (const server of servers) server.listen(${PORT});
    setTimeout(() => { for (const server of servers) server.close(() => console.log('closed')); }, 50);`;
  const replica = startReplica(t, app, [socket]);
  assert.equal(await replica.exited, 0, replica.output());
  assert.equal(replica.output(), "closed\nclosed\n");
});

test("other ports, descriptors and errors stay those of plain Node", async (t) => {
  const socket = await holdSocket(t);
  const app = `
    import net from 'node:net';
    const other = net.createServer((client) => client.on('error', () => client.destroy()).end('other')).listen(0, '127.0.0.1');
    other.on('listening', () => {
      console.log(other.address().port !== ${PORT});
      const taken = net.createServer().listen(other.address().port, '127.0.0.1');
      taken.on('error', (error) => { console.log(error.code); other.close(); });
    });
    const server = net.createServer().listen(${PORT});
    try { server.listen(1); } catch (error) { console.log(error.code); }
    try { net.createServer().listen({ port: 'x' }); } catch (error) { console.log(error.code); }
    setTimeout(() => server.close(), 100);`;
  const replica = startReplica(t, app, [socket]);
  assert.equal(await replica.exited, 0, replica.output());
  assert.deepEqual(replica.output().trim().split("\n"), [
    "ERR_SERVER_ALREADY_LISTEN",
    "ERR_SOCKET_BAD_PORT",
    "true",
    "EADDRINUSE",
  ]);
});

test("listen({ signal }) closes the server on abort", async (t) => {
  const socket = await holdSocket(t);
  const app = `
    import net from 'node:net';
    const stop = new AbortController();
    const server = net.createServer().listen({ port: ${PORT}, signal: stop.signal }, () => stop.abort());
    server.on('close', () => console.log('closed'));`;
  const replica = startReplica(t, app, [socket]);
  assert.equal(await replica.exited, 0);
  assert.equal(replica.output(), "closed\n");
});

test("a descriptor that is another socket is left alone, and listen() is plain Node's", async (t) => {
  const passed = await holdSocket(t);
  const port = await freePort();
  const wrong = { ...passed, target: { name: "web", port } };
  const app = `
    import net from 'node:net';
    net.createServer((client) => client.on('error', () => client.destroy()).end('plain')).listen(${port}, '127.0.0.1');`;
  const replica = startReplica(t, app, [wrong]);
  await replica.ready;
  assert.equal(await answerOf({ ...wrong, port }), "plain");
  assert.match(replica.output(), /^newel\/register: descriptor 3 is not the socket web \(\d+\); /);
});

test("a descriptor that is not a socket, or not open, is left alone", async (t) => {
  const port = await freePort();
  const app = `import net from 'node:net'; net.createServer().listen(${port}, '127.0.0.1');`;
  const target = { NEWEL_LISTEN: JSON.stringify([{ name: "web", port }]) };
  for (const env of [
    { ...target, LISTEN_FDNAMES: "web" },
    { ...target, LISTEN_FDNAMES: "a:b:c:d:e:f:web" },
    { ...target, LISTEN_FDNAMES: "" },
  ]) {
    // Descriptor 3 is the notify pipe here.
    const replica = startReplica(t, app, [], { env });
    await replica.ready;
    assert.match(replica.output(), /^newel\/register: descriptor .* is not the socket web/);
    await replica.stop();
  }
});

test("an invalid NEWEL_LISTEN is reported and ignored", async (t) => {
  for (const text of ["{", "{}", '[1,{"name":"web"},{"name":"web","port":0}]']) {
    const replica = startReplica(t, "console.log('runs')", [], { env: { NEWEL_LISTEN: text } });
    assert.equal(await replica.exited, 0);
    assert.match(replica.output(), /^newel\/register: NEWEL_LISTEN/);
    assert.match(replica.output(), /runs\n$/);
  }
});

test("hold: the app listens and writes READY, and accepts only after the command", async (t) => {
  const socket = await holdSocket(t);
  const app = `
    import http from 'node:http';
    http.createServer((request, response) => response.end('hello'))
      .listen(${PORT}, () => console.log('listening'));`;
  const replica = startReplica(t, app, [socket], { hold: true });
  await replica.ready;
  const answer = fetch(`http://127.0.0.1:${socket.port}/`).then((response) => response.text());
  assert.equal(await Promise.race([answer, sleep(300, "nothing")]), "nothing");
  assert.equal(replica.child.exitCode, null, "an app on hold must not end");

  assert.equal(await replica.control("accept"), "ok");
  assert.equal(await answer, "hello");
  assert.equal(await replica.control("accept"), "ok");
  assert.equal(replica.output(), "listening\n");
  assert.equal(await replica.stop(), 0);
});

test("hold: an app that closes its server ends, and one that is stopped ends at once", async (t) => {
  const socket = await holdSocket(t);
  const app = `
    import net from 'node:net';
    const server = net.createServer().listen(${PORT});
    server.on('listening', () => server.unref().ref());
    if (process.env.CLOSES) setTimeout(() => server.close(), 50);`;
  const closing = startReplica(t, app, [socket], { hold: true, env: { CLOSES: "1" } });
  assert.equal(await closing.exited, 0);
  const stopped = startReplica(t, app, [socket], { hold: true });
  await stopped.ready;
  assert.equal(await stopped.stop(), 0);
});

test("a node:cluster primary inherits the socket for its workers", async (t) => {
  const socket = await holdSocket(t);
  const replica = startReplica(t, appPath("cluster"), [socket]);
  await replica.ready;
  const seen = new Set<string | null>();
  await eventually(async () => {
    const response = await fetch(`http://127.0.0.1:${socket.port}/echo/1`, {
      headers: { connection: "close" },
    });
    return seen.add(response.headers.get("x-pid")).size === 2;
  }, "both workers answer");
  assert.equal(await replica.stop(), 0);
  assert.equal(replica.output(), "");
});

test("a socket that the app has closed is gone, and a later listen() is plain Node's", async (t) => {
  const app = `
    import net from 'node:net';
    const first = net.createServer().listen(${PORT}, () => first.close(() => {
      const second = net.createServer().listen(${PORT});
      second.on('error', (error) => console.log(error.code));
    }));`;
  const replica = startReplica(t, app, [await holdSocket(t)]);
  assert.equal(await replica.exited, 0);
  assert.match(
    replica.output(),
    /^newel\/register: the app has closed the socket web; .*\nEADDRINUSE\n$/,
  );
});

const hosts = ["127.0.0.1", "0.0.0.0", ...(hasIpv6 ? ["::1", "::"] : [])];
const loopback = ["127.0.0.1", "::1"];
for (const bound of hosts) {
  test(`a socket that the configuration binds to ${bound} is given to no app that asks for a narrower host`, async (t) => {
    for (const asked of ["", "localhost", "127.0.0.2", ...hosts]) {
      const socket = await holdSocket(t, undefined, bound);
      const words = asked === "" ? "" : `, host: '${asked}'`;
      const app = `
        import net from 'node:net';
        const server = net.createServer().listen({ port: ${PORT}${words} });
        server.on('listening', () => { console.log('given', server.address().address); server.close(); });
        server.on('error', ({ code, message }) => console.log(code, message));`;
      const replica = startReplica(t, app, [socket]);
      assert.equal(await replica.exited, 0, replica.output());
      const isGiven =
        asked === "" ||
        asked === "::" ||
        asked === bound ||
        (asked === "localhost" && loopback.includes(bound)) ||
        (asked === "0.0.0.0" && bound === "127.0.0.1");
      const lines = replica.output().trim().split("\n");
      if (isGiven) {
        assert.deepEqual(lines, [`given ${bound}`], asked);
        continue;
      }
      const entries = (asked === "localhost" ? loopback : [asked]).map((host) =>
        JSON.stringify(host.includes(":") ? `[${host}]:${socket.port}` : `${host}:${socket.port}`),
      );
      const fix = `write listen: ${entries.length > 1 ? `[${entries.join(", ")}]` : entries.join("")}`;
      assert.match(lines[0] ?? "", /^newel\/register: the app asks for /, asked);
      assert.ok(lines[0]?.endsWith(fix), replica.output());
      assert.match(lines[1] ?? "", /^NEWEL_E_LISTEN_WIDER listen: the app asks for /);
      assert.match(replica.said.join(" "), /LISTEN=refused the app asks for .* write listen: /);
    }
  });
}

test("an app that listens on another port than declared reports that to its supervisor", async (t) => {
  const socket = await holdSocket(t);
  const other = await freePort();
  const app = `
    import net from 'node:net';
    net.createServer().listen(${other}, '127.0.0.1');
    process.on('SIGUSR2', () => net.createServer().listen(${PORT}));`;
  const replica = startReplica(t, app, [socket]);
  await eventually(() => replica.said.length > 0, "it says where it listens");
  assert.deepEqual(replica.said, [`LISTEN=elsewhere ${other}`]);
  replica.child.kill("SIGUSR2");
  await replica.ready;
});
