// A socket without a host in the configuration is bound where the app's own listen() is.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { everyAddress, hasIpv6, outerAddress, reachable } from "../helpers/reach.ts";
import {
  eventually,
  freePort,
  startProcess,
  temporaryDirectory,
  type Scope,
} from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";
import { Following } from "./following.ts";

/** The addresses of a program that runs without newel. */
async function reachAlone(scope: Scope, script: string): Promise<readonly string[]> {
  const port = await freePort();
  const child = startProcess(scope, process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, PORT: String(port) },
  });
  if (child.stdout !== null) await once(child.stdout, "data");
  const reach = await reachable(port);
  child.kill("SIGKILL");
  await once(child, "exit");
  return reach;
}

const PORT = "Number(process.env.PORT)";

function serving(listen: string): string {
  return `import http from 'node:http';
    const server = http.createServer((request, response) => response.end('served'));
    ${listen};
    server.on('listening', () => console.log(JSON.stringify(server.address())));`;
}

const hosts: readonly (readonly [title: string, host: string, more?: string])[] = [
  ["no host", ""],
  ["127.0.0.1", "127.0.0.1"],
  ["127.0.0.2", "127.0.0.2"],
  ["0.0.0.0", "0.0.0.0"],
  ["localhost", "localhost"],
  ...(outerAddress === undefined ? [] : [["an outer address", outerAddress] as const]),
  ...(hasIpv6
    ? ([
        ["::1", "::1"],
        ["0:0:0:0:0:0:0:1", "0:0:0:0:0:0:0:1"],
        ["::", "::"],
        [":: without IPv4", "::", "ipv6Only: true"],
        ["no host, without IPv4", "", "ipv6Only: true"],
        ["::ffff:127.0.0.1", "::ffff:127.0.0.1"],
      ] as const)
    : []),
];

function formsOf(host: string, more = ""): Readonly<Record<string, string>> {
  const options = [`port: ${PORT}`, host === "" ? "" : `host: '${host}'`, more]
    .filter((each) => each !== "")
    .join(", ");
  const words = host === "" ? "" : `, '${host}'`;
  return {
    options: `server.listen({ ${options} })`,
    exclusive: `server.listen({ ${options}, exclusive: true })`,
    ...(more === ""
      ? {
          positional: `server.listen(${PORT}${words}, () => undefined)`,
          text: `server.listen(process.env.PORT${words}${host === "" ? "" : ", 64"})`,
        }
      : {}),
  };
}

for (const [title, host, more] of hosts) {
  test(`${title}: the app is reached where it is without newel, in every form of listen()`, async (t) => {
    const forms = Object.entries(formsOf(host, more));
    const alone = await reachAlone(t, serving(forms[0]?.[1] ?? ""));
    // `localhost` is the loopback of both families, whichever the resolver names first.
    const wanted =
      host === "localhost"
        ? everyAddress.filter((each) => /^(127\.0\.0\.1|::1)$/.test(each))
        : alone;
    assert.ok(wanted.length > 0, alone.join(" "));
    const following = await Following.start(t, await freePort());
    for (const [form, listen] of forms) {
      await following.run(form, serving(listen));
      await following.ready(form);
      assert.deepEqual(await reachable(following.port), wanted, form);
      const { address } = JSON.parse(await following.printed(form)) as { address: string };
      assert.ok((await following.hosts()).includes(address), `${form}: ${address}`);
    }
  });
}

async function answerAt(host: string, port: number): Promise<string> {
  const socket = connect(port, host);
  try {
    const [chunk] = (await once(socket, "data")) as [Buffer];
    return chunk.toString();
  } finally {
    socket.destroy();
  }
}

const SAYING = `
  import net from 'node:net';
  const say = (text) =>
    net.createServer((client) => client.on('error', () => undefined).end(text));`;

test("two servers of one process on one port keep their own clients", async (t) => {
  const following = await Following.start(t, await freePort());
  const second = hasIpv6 ? "::1" : "127.0.0.2";
  await following.run(
    "both",
    `${SAYING}
    say('private').listen(${PORT}, '127.0.0.1');
    say('other').listen(${PORT}, '${second}');`,
  );
  await following.ready("both");
  assert.equal(await answerAt("127.0.0.1", following.port), "private");
  await eventually(
    () => answerAt(second, following.port).catch(() => undefined),
    "the second server listens",
  );
  assert.equal(await answerAt(second, following.port), "other");
});

test("an app that asks for another host than the former processes gets it at once", async (t) => {
  const following = await Following.start(t, await freePort());
  const listening = (host: string): string =>
    `${SAYING} say('${host}').listen(${PORT}, '${host}');`;
  const narrow = await following.run("narrow", listening("127.0.0.1"));
  await following.ready("narrow");
  assert.deepEqual(await reachable(following.port), ["127.0.0.1"]);

  // Wider: the new process serves the former address too.
  const wide = await following.run("wide", listening("0.0.0.0"));
  await following.ready("wide");
  sendSignal(narrow, "SIGKILL");
  await following.ended("narrow");
  assert.equal(await answerAt("127.0.0.1", following.port), "0.0.0.0");
  assert.equal(await answerAt("127.0.0.2", following.port), "0.0.0.0");

  // Narrower again: the wide address goes with the last process that served it.
  await following.run("again", listening("127.0.0.1"));
  await following.ready("again");
  sendSignal(wide, "SIGKILL");
  await following.ended("wide");
  await eventually(
    async () => (await reachable(following.port)).join(" ") === "127.0.0.1",
    "only 127.0.0.1 is open",
  );
  assert.equal(await answerAt("127.0.0.1", following.port), "127.0.0.1");
  assert.deepEqual(await following.hosts(), ["127.0.0.1"]);
});

test("the address stays open while no process runs, and a held process does not accept early", async (t) => {
  const following = await Following.start(t, await freePort());
  const script = `${SAYING} say('one').listen(${PORT}, '127.0.0.1');`;
  const first = await following.run("first", script);
  await following.ready("first");
  sendSignal(first, "SIGKILL");
  await following.ended("first");
  const waiting = answerAt("127.0.0.1", following.port);
  await following.run("second", script.replace("'one'", "'two'"));
  assert.equal(await waiting, "two");

  // A process on hold that asks for another address leaves all clients with those that serve.
  await following.run("held", script.replace("127.0.0.1", "0.0.0.0"), { NEWEL_HOLD: "1" });
  await following.ready("held");
  assert.deepEqual(await reachable(following.port), ["127.0.0.1"]);
  assert.equal(await answerAt("127.0.0.1", following.port), "two");
});

test("an address that is taken or missing is reported as Node.js does", async (t) => {
  const following = await Following.start(t, await freePort());
  const other = createServer().listen(following.port, "127.0.0.1");
  await once(other, "listening");
  t.after(() => void other.close());
  const script = (host: string): string => `${SAYING}
    const server = say('x').listen(${PORT}, '${host}');
    server.on('error', ({ code, syscall, address, port, message }) => {
      console.log(JSON.stringify([code, syscall, address, port === ${PORT}, message.split(':')[0]]));
    });`;
  await following.run("taken", script("127.0.0.1"));
  assert.deepEqual(JSON.parse(await following.ended("taken")), [
    "EADDRINUSE",
    "listen",
    "127.0.0.1",
    true,
    "listen EADDRINUSE",
  ]);
  await following.run("missing", script("192.0.2.1"));
  assert.deepEqual(JSON.parse(await following.ended("missing")), [
    "EADDRNOTAVAIL",
    "listen",
    "192.0.2.1",
    true,
    "listen EADDRNOTAVAIL",
  ]);
  await following.run(
    "unknown",
    script("no-such-host.invalid").replace("message.split(':')[0]", "1"),
  );
  assert.match(await following.ended("unknown"), /ENOTFOUND|EAI_AGAIN/);
});

test("a server is listening for its app from the call on, and may be closed before the answer", async (t) => {
  const following = await Following.start(t, await freePort());
  await following.run(
    "closing",
    `import net from 'node:net';
    const server = net.createServer().listen(${PORT}, '127.0.0.1');
    console.log(server.listening, server.address().address, server.address().port === ${PORT});
    try { server.listen(1); } catch (error) { console.log(error.code); }
    server.close(() => console.log('closed'));`,
  );
  assert.equal(
    await following.ended("closing"),
    "true 127.0.0.1 true\nERR_SERVER_ALREADY_LISTEN\nclosed",
  );
  await following.run(
    "unref",
    `import net from 'node:net';
    net.createServer().listen(${PORT}, '127.0.0.1').unref();
    console.log('ends');`,
  );
  assert.equal(await following.ended("unref"), "ends");
});

test("node:cluster workers serve where they ask, through their primary", async (t) => {
  const following = await Following.start(t, await freePort());
  const file = join(temporaryDirectory(t), "app.mjs");
  writeFileSync(
    file,
    `import cluster from 'node:cluster';
    import http from 'node:http';
    if (cluster.isPrimary) { cluster.fork(); cluster.fork(); }
    else http.createServer((request, response) => response.end('served')).listen(${PORT}, 'localhost');`,
  );
  await following.run("cluster", file);
  await following.ready("cluster");
  const reach = await reachable(following.port);
  assert.equal(reach.length, 1);
  assert.match(reach[0] ?? "", /^(127\.0\.0\.1|::1)$/);
  const host = reach[0] === "::1" ? "[::1]" : reach[0];
  const response = await fetch(`http://${host}:${following.port}/`);
  assert.equal(await response.text(), "served");
});

test("listen() on an inherited descriptor that is not bound yet is every address", async (t) => {
  const following = await Following.start(t, await freePort());
  await following.run("fd", `${SAYING} say('fd').listen({ fd: 3 });`);
  await following.ready("fd");
  assert.deepEqual(await reachable(following.port), everyAddress);
});
