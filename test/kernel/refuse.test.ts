import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { connect, createServer, type NetConnectOpts, type Socket } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";

import { crc32 } from "../../src/base/crc32.ts";
import { hasCode, systemCode } from "../../src/base/errors.ts";
import { type Home, homeAt } from "../../src/base/home.ts";
import type { SocketInfo, SocketRequest } from "../../src/kernel/api.ts";
import type { KernelClient } from "../../src/kernel/client-api.ts";
import { connectKernel } from "../../src/kernel/client/client.ts";
import { readJournal } from "../../src/kernel/journal-file.ts";
import { openKernel, type OpenKernel } from "../../src/kernel/kernel.ts";
import { SocketHolder } from "../../src/supervisor/socket-holder.ts";
import { openTestKernel, runToEnd } from "../helpers/kernel.ts";
import {
  cleanUp,
  eventually,
  freePort,
  isAlive,
  type Scope,
  temporaryDirectory,
} from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";
import { connectScenario, killKernel } from "../load/kernel-scenario.ts";
import { serveTestKernel, Wire } from "./session/wire.ts";

const PATH = process.env["PATH"] ?? "";
const OPTIONS = { version: "test", notice: () => undefined };

function addressOf({ family, host, port = 0, path = "" }: SocketInfo): NetConnectOpts {
  if (family === "unix") return { path };
  const loopback = family === "inet" ? "127.0.0.1" : "::1";
  return { port, host: host === "0.0.0.0" || host === "::" ? loopback : (host ?? loopback) };
}

/** The state of a client: it waits, or the reason why it was refused. */
async function clientOf(
  scope: Scope,
  info: SocketInfo,
): Promise<{ readonly socket: Socket; readonly outcome: Promise<string> }> {
  const socket = connect(addressOf(info));
  cleanUp(scope, () => void socket.destroy());
  socket.resume();
  const outcome = new Promise<string>((resolve) => {
    socket.on("error", (error) => resolve(systemCode(error) ?? error.message));
    socket.on("end", () => resolve("end"));
  });
  await Promise.race([once(socket, "connect"), outcome]);
  return { socket, outcome };
}

async function refusal(scope: Scope, info: SocketInfo): Promise<string> {
  return (await clientOf(scope, info)).outcome;
}

/** Whether another program, which sets SO_REUSEADDR as Node.js does, can listen there. */
async function canListen(info: SocketInfo): Promise<boolean> {
  const server = createServer();
  server.listen(addressOf(info));
  try {
    await once(server, "listening");
    server.close();
    return true;
  } catch (error) {
    assert.equal(systemCode(error), "EADDRINUSE");
    return false;
  }
}

function only(found: readonly SocketInfo[]): SocketInfo {
  const [info] = found;
  assert.ok(info !== undefined && found.length === 1);
  return info;
}

const KINDS: readonly (readonly [
  string,
  (directory: string) => Promise<Partial<SocketRequest>>,
])[] = [
  ["IPv4", async () => ({ port: await freePort() })],
  ["IPv4 with a port of the system's choice", async () => ({ port: 0 })],
  ["every IPv4 address", async () => ({ host: "0.0.0.0", port: await freePort() })],
  ["IPv6", async () => ({ family: "inet6", port: await freePort() })],
  ["IPv6 with a port of the system's choice", async () => ({ family: "inet6", port: 0 })],
  ["every address of both families", async () => ({ host: "::", port: 0 })],
  ["a Unix path", async (directory) => ({ path: join(directory, "s") })],
];

const SERVER =
  'require("net").createServer((client) => client.on("error", () => client.destroy()).end("served")).listen({ fd: 3 })';

/** The answer to a waiting client once a process was given the socket "web". */
async function servedTo(
  client: Socket,
  kernel: Pick<OpenKernel, "processes"> | KernelClient,
): Promise<string> {
  const answered = once(client, "data");
  const args = [process.execPath, "-e", SERVER];
  await kernel.processes.make({ name: "server", args, env: { PATH }, sockets: ["web"] });
  const [text] = await answered;
  return String(text);
}

describe("a socket that refuses", () => {
  for (const [title, requestIn] of KINDS) {
    test(`${title}: waiting and new clients end at once, the address stays taken, serve takes clients again`, async (t) => {
      const { kernel } = openTestKernel(t);
      const made = kernel.sockets.make({
        name: "web",
        ...(await requestIn(temporaryDirectory(t))),
      });
      const before = await clientOf(t, made);
      const refusing = only(kernel.sockets.refuse(["web"]));
      assert.deepEqual(refusing, { ...made, refusing: true });
      assert.deepEqual(kernel.sockets.list(), [refusing]);
      assert.match(await before.outcome, /^(end|ECONNRESET)$/);
      const expected = made.family === "unix" ? "end" : "ECONNREFUSED";
      for (let count = 0; count < 3; count += 1) assert.equal(await refusal(t, made), expected);
      assert.equal(await canListen(made), false);
      if (made.path !== undefined) assert.ok(existsSync(made.path));
      // A repeated call changes nothing.
      assert.deepEqual(kernel.sockets.refuse(["web"]), [refusing]);
      assert.deepEqual(kernel.sockets.serve(["web"]), [made]);
      assert.deepEqual(kernel.sockets.serve(["web"]), [made]);
      const after = await clientOf(t, made);
      assert.equal(await servedTo(after.socket, kernel), "served");
      assert.deepEqual(
        kernel.events.since(0).flatMap(({ noun, type }) => (noun === "socket" ? [type] : [])),
        ["made", "refusing", "serving"],
      );
    });
  }

  test("many waiting clients of a Unix path end, even more than one turn of the kernel dismisses", async (t) => {
    const { kernel } = openTestKernel(t);
    const path = join(temporaryDirectory(t), "s");
    const made = kernel.sockets.make({ name: "web", path, backlog: 700 });
    const waiting = await Promise.all(Array.from({ length: 600 }, () => clientOf(t, made)));
    kernel.sockets.refuse(["web"]);
    const outcomes = await Promise.all(waiting.map(({ outcome }) => outcome));
    assert.deepEqual(new Set(outcomes), new Set(["end"]));
  });

  test("datagrams are dropped, so that no sender waits for a full queue", async (t) => {
    const { kernel } = openTestKernel(t);
    const { port = 0 } = kernel.sockets.make({ name: "log", type: "dgram" });
    const sender = createSocket("udp4");
    cleanUp(t, () => void sender.close());
    const send = async (): Promise<void> => {
      for (let count = 0; count < 10; count += 1)
        await new Promise((sent) => sender.send("x".repeat(1_000), port, "127.0.0.1", sent));
    };
    await send();
    assert.ok(waitingBytes(port) > 0);
    kernel.sockets.refuse(["log"]);
    await eventually(() => waitingBytes(port) === 0, "what waited is dropped");
    await send();
    await eventually(() => waitingBytes(port) === 0, "what came later is dropped");
    kernel.sockets.serve(["log"]);
    await send();
    assert.ok(waitingBytes(port) > 0);
  });

  test("a process that is given the socket makes it serve", async (t) => {
    const { kernel } = openTestKernel(t);
    const path = join(temporaryDirectory(t), "s");
    for (const made of [
      kernel.sockets.make({ name: "web" }),
      kernel.sockets.make({ name: "web2", path }),
    ]) {
      kernel.sockets.refuse([made.name]);
      const args = ["/bin/sleep", "60"];
      kernel.processes.make({ name: `of.${made.name}`, args, sockets: [made.name] });
      assert.deepEqual(kernel.sockets.list([made.name]), [made]);
      const { socket } = await clientOf(t, made);
      assert.equal(socket.readyState, "open");
    }
  });

  test("a socket that a running process has cannot refuse, and nothing is changed", async (t) => {
    const { kernel } = openTestKernel(t);
    const made = kernel.sockets.make({ name: "web" });
    kernel.sockets.make({ name: "api" });
    kernel.processes.make({ name: "p", args: ["/bin/sleep", "60"], sockets: ["web"] });
    assert.throws(
      () => kernel.sockets.refuse(["api", "web"]),
      (error) => hasCode(error, "NEWEL_E_SOCKET_SERVED"),
    );
    assert.deepEqual(kernel.sockets.list(["web"]), [made]);
    assert.equal(kernel.sockets.list(["api"])[0]?.refusing, undefined);
    assert.throws(
      () => kernel.sockets.refuse(["none"]),
      (error) => hasCode(error, "NEWEL_E_NOT_FOUND"),
    );
    kernel.processes.signal("p", "KILL", "process");
    await eventually(() => kernel.processes.list(["p"])[0]?.running === false, "its end");
    assert.equal(kernel.sockets.refuse(["web"])[0]?.refusing, true);
  });

  test("a process that inherited the socket and does not serve changes nothing", async (t) => {
    const { kernel } = openTestKernel(t);
    const path = join(temporaryDirectory(t), "s");
    const made = [
      kernel.sockets.make({ name: "web" }),
      kernel.sockets.make({ name: "web2", path }),
    ];
    const args = ["/bin/sh", "-c", "sleep 60 >/dev/null 2>&1 &"];
    const mark = `refuse-test-${process.pid}`;
    await runToEnd(kernel, {
      name: "p",
      args,
      sockets: ["web", "web2"],
      env: { PATH, NEWEL_MARK: mark },
    });
    cleanUp(t, () => void kernel.processes.signal("p", "KILL", "tree"));
    kernel.sockets.refuse(["*"]);
    for (const info of made) {
      const expected = info.path === undefined ? "ECONNREFUSED" : "end";
      assert.equal(await refusal(t, info), expected);
      assert.equal(await canListen(info), false);
    }
    kernel.sockets.serve(["*"]);
    for (const info of made) assert.equal((await clientOf(t, info)).socket.readyState, "open");
    assert.equal(kernel.processes.signal("p", "CONT", "tree").signalled.length, 1, "it lives");
  });

  test("a socket whose address is decided later", async (t) => {
    const { kernel } = openTestKernel(t);
    const port = await freePort();
    const unbound = kernel.sockets.make({ name: "web", port, family: "inet6", later: true });
    assert.deepEqual(kernel.sockets.refuse(["web"]), [], "without an address it has no clients");
    assert.deepEqual(kernel.sockets.serve(["web"]), [unbound]);
    const made = kernel.sockets.bind({ name: "web", host: "::", ipv6Only: true });
    kernel.sockets.refuse(["web"]);
    assert.equal(await refusal(t, made), "ECONNREFUSED");
    assert.equal(await canListen(made), false);
    kernel.sockets.serve(["web"]);
    const { socket } = await clientOf(t, made);
    assert.equal(await servedTo(socket, kernel), "served");
  });

  test("a socket that is removed and made again serves", async (t) => {
    const { kernel } = openTestKernel(t);
    const path = join(temporaryDirectory(t), "s");
    kernel.sockets.make({ name: "web", path });
    kernel.sockets.refuse(["web"]);
    kernel.sockets.remove(["web"]);
    const again = kernel.sockets.make({ name: "web", path });
    assert.equal(again.refusing, undefined);
    const { socket } = await clientOf(t, again);
    assert.equal(await servedTo(socket, kernel), "served");
  });
});

describe("the refusal survives", () => {
  for (const [what, next] of [
    ["a kill of the kernel", killKernel],
    ["an upgrade", (kernel: KernelClient) => kernel.upgrade()],
  ] as const) {
    test(`${what}: the socket still refuses, and serve works afterwards`, async (t) => {
      const kernel = await connectScenario(t);
      const path = join(temporaryDirectory(t), "s");
      for (const address of [{}, { path }]) {
        const made = await kernel.sockets.make({ name: "web", ...address });
        await kernel.sockets.refuse("web");
        await next(kernel);
        const [found] = await kernel.sockets.list("web");
        assert.equal(found?.refusing, true);
        assert.equal(await refusal(t, made), made.family === "unix" ? "end" : "ECONNREFUSED");
        assert.equal(await canListen(made), false);
        const [serving] = await kernel.sockets.serve("web");
        assert.equal(serving?.refusing, undefined);
        const { socket } = await clientOf(t, made);
        assert.equal(await servedTo(socket, kernel), "served");
        await endServer(kernel);
        await kernel.sockets.remove("web");
      }
    });
  }

  test("a kill of a kernel whose sockets the supervisor holds too", async (t) => {
    const home = homeAt(temporaryDirectory(t));
    const holder = new SocketHolder(join(home.directory, "holder"));
    cleanUp(t, () => holder.close());
    const kernel = await connectKernel(
      { home, timeoutMs: 60_000 },
      { stored: () => holder.stored },
    );
    cleanUp(t, () => kernel.close());
    await connectScenario(t, home);
    const ending = new AbortController();
    cleanUp(t, () => ending.abort());
    const path = join(temporaryDirectory(t), "s");
    const web = await kernel.sockets.make({ name: "web" });
    const web2 = await kernel.sockets.make({ name: "web2", path });
    void kernel.sockets.hold(join(home.directory, "holder"), {
      signal: ending.signal,
      sent: () => undefined,
    });
    await eventually(() => Object.keys(holder.stored).length === 2, "both are held");
    await kernel.sockets.refuse("*");
    const { pid } = await kernel.status();
    sendSignal(pid, "SIGKILL");
    await eventually(() => !isAlive(pid), "the kernel is gone");
    assert.equal(await refusal(t, web), "ECONNREFUSED", "also while no kernel runs");
    assert.equal(await canListen(web), false);
    const waiting = await clientOf(t, web2);
    const { recovery } = await kernel.status();
    assert.deepEqual(recovery.sockets, { web: "passed", web2: "passed" });
    assert.equal(await waiting.outcome, "end");
    assert.equal(await refusal(t, web), "ECONNREFUSED");
    await kernel.sockets.serve("*");
    for (const info of [web, web2])
      assert.equal((await clientOf(t, info)).socket.readyState, "open");
  });

  test("a reboot: the socket that is made again refuses, until it is removed or serves again", (t) => {
    const home = homeAt(temporaryDirectory(t));
    const port = 0;
    const first = openKernel(home, OPTIONS);
    first.sockets.make({ name: "web", port });
    first.sockets.make({ name: "api", port });
    first.sockets.refuse(["*"]);
    return first
      .close()
      .then(() => reboot(home))
      .then(() => {
        // The kernel may end before the socket is made again.
        const between = openKernel(home, OPTIONS);
        assert.deepEqual(between.sockets.list(), []);
        return between.close();
      })
      .then(async () => {
        const kernel = openKernel(home, OPTIONS);
        cleanUp(t, () => kernel.close());
        const web = kernel.sockets.make({ name: "web", port });
        assert.equal(web.refusing, true);
        assert.equal(await refusal(t, web), "ECONNREFUSED");
        kernel.sockets.serve(["web"]);
        assert.equal((await clientOf(t, web)).socket.readyState, "open");
      });
  });
});

test("at the prompt: refuse sockets, serve sockets, list sockets", async (t) => {
  const served = await serveTestKernel(t);
  const wire = await Wire.open(t, { path: served.home.kernelSocket });
  const { port } = served.kernel.sockets.make({ name: "web" });
  const fileno = served.kernel.sockets.list()[0]?.fileno;
  const line = `web family=inet type=stream backlog=5 host=127.0.0.1 port=${port} fileno=${fileno}`;
  wire.send("refuse sockets web\n");
  await wire.expect(`${line} refusing=True\n> `);
  wire.send("l s\n");
  await wire.expect(`${line} refusing=True\n> `);
  wire.send("serve s web\n");
  await wire.expect(`${line}\n> `);
});

/** The journal as another boot of the machine finds it. */
function reboot(home: Home): void {
  const next = readJournal(home.journal).records.map((record) => {
    const json = JSON.stringify(record.type === "boot" ? { ...record, bootId: "another" } : record);
    return `${crc32(json).toString(16).padStart(8, "0")} ${json}\n`;
  });
  writeFileSync(home.journal, next.join(""));
}

async function endServer(kernel: KernelClient): Promise<void> {
  await kernel.processes.signal("server", "KILL");
  await eventually(
    async () => (await kernel.processes.list("server"))[0]?.closed === true,
    "its end",
  );
  await kernel.processes.remove("server");
}

/** The bytes in the receive queue of a UDP socket, as the operating system counts them. */
function waitingBytes(port: number): number {
  const local = `0100007F:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const row = readFileSync("/proc/net/udp", "utf8")
    .split("\n")
    .find((one) => one.includes(local));
  return Number.parseInt(/:([0-9A-F]{8}) 00:/.exec(row ?? "")?.[1] ?? "0", 16);
}
