// Sockets of one kernel on one port: which of them gets a client, and `retire sockets`.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { test } from "node:test";

import type { SocketInfo, SocketRequest } from "../../src/kernel/api.ts";
import { connectKernel } from "../../src/kernel/client/client.ts";
import type { KernelClient } from "../../src/kernel/client-api.ts";
import { openTestKernel } from "../helpers/kernel.ts";
import { hasIpv6 } from "../helpers/reach.ts";
import { cleanUp, eventually, freePort, type Scope } from "../helpers/resources.ts";
import { killKernel } from "../load/kernel-scenario.ts";
import { startDaemon } from "./client/daemon.ts";

const HOSTS = ["127.0.0.1", "0.0.0.0", ...(hasIpv6 ? ["::1", "::"] : [])];
const PAIRS = HOSTS.flatMap((one) =>
  HOSTS.filter((other) => other !== one).map((other) => [one, other]),
);

function request(name: string, host: string, port: number): SocketRequest {
  return { name, host, port, family: host.includes(":") ? "inet6" : "inet" };
}

/** A client that has connected. */
async function clientAt(scope: Scope, host: string, port: number): Promise<Socket> {
  const socket = connect(port, host);
  cleanUp(scope, () => void socket.destroy());
  await once(socket, "connect");
  // Its socket may be closed before it is.
  socket.on("error", () => undefined);
  return socket;
}

test("two hosts on one port are two sockets with overlap=1, and one address is never two sockets", async (t) => {
  const { kernel } = openTestKernel(t);
  for (const [one = "", other = ""] of PAIRS) {
    const port = await freePort();
    const names = [one, other];
    kernel.sockets.make(request(`a.${one}`, one, port));
    const overlaps = [one, other].some(
      (host) => host === "::" || (host === "0.0.0.0" && !names.includes("::1")),
    );
    const plain = (): unknown => kernel.sockets.make(request("b", other, port));
    if (overlaps) assert.throws(plain, { code: "NEWEL_E_ADDRESS_IN_USE" }, `${one} ${other}`);
    kernel.sockets.make({ ...request("b", other, port), overlap: true });
    const same = (): unknown =>
      kernel.sockets.make({ ...request("c", other, port), overlap: true });
    assert.throws(same, { code: "NEWEL_E_ADDRESS_IN_USE" }, other);
    kernel.sockets.remove(["*"]);
  }
});

test("a retired socket leaves new clients to the wider one, and a process makes it serve again", async (t) => {
  const { kernel } = openTestKernel(t);
  const port = await freePort();
  kernel.sockets.make(request("narrow", "127.0.0.1", port));
  kernel.sockets.make({ ...request("wide", "0.0.0.0", port), overlap: true });
  const waiting = (): number[] =>
    kernel.sockets.retire(["narrow", "wide"]).map((socket) => socket.waiting);
  await clientAt(t, "127.0.0.1", port);
  assert.equal(kernel.sockets.retire(["narrow"])[0]?.waiting, 1);
  await clientAt(t, "127.0.0.1", port);
  assert.deepEqual(
    waiting(),
    [1, 1],
    "the client that waited stays; the next one is with the other",
  );
  const args = [process.execPath, "-e", "process.exit()"];
  kernel.processes.make({ name: "p", args, env: {}, sockets: ["narrow"] });
  await clientAt(t, "127.0.0.1", port);
  assert.equal(kernel.sockets.retire(["narrow"])[0]?.waiting, 1, "bound again, and empty before");
});

test("only TCP sockets can be retired", async (t) => {
  const { kernel, home } = openTestKernel(t);
  kernel.sockets.make({ name: "unix", path: `${home.directory}/x.sock` });
  kernel.sockets.make({ name: "udp", type: "dgram" });
  for (const name of ["unix", "udp"])
    assert.throws(() => kernel.sockets.retire([name]), { code: "NEWEL_E_COMMAND" });
  assert.throws(() => kernel.sockets.retire(["none"]), { code: "NEWEL_E_NOT_FOUND" });
});

/** A program that accepts on descriptor 3 and answers with its name. */
const SERVER = `require('net').createServer((client) => client.end(process.argv[1])).listen({ fd: 3 })
  .on('listening', () => console.log('up'));`;

async function serve(kernel: KernelClient, name: string, socket: string): Promise<void> {
  const args = [process.execPath, "-e", SERVER, name];
  await kernel.processes.make({ name, args, env: {}, sockets: [socket] });
  const up = async (): Promise<boolean> =>
    ((await kernel.processes.list(name))[0]?.output.out?.end ?? 0) > 0;
  await eventually(up, `${name} is up`);
}

async function answerAt(host: string, port: number): Promise<string> {
  const socket = connect(port, host);
  const [chunk] = (await once(socket, "data")) as [Buffer];
  socket.destroy();
  return chunk.toString();
}

test("a socket stays retired when its kernel is killed, until a process gets it", async (t) => {
  const { home } = await startDaemon(t);
  const kernel = await connectKernel({ home });
  cleanUp(t, () => kernel.close());
  const port = await freePort();
  const made: SocketInfo[] = [];
  made.push(await kernel.sockets.make(request("narrow", "127.0.0.1", port)));
  made.push(await kernel.sockets.make({ ...request("wide", "0.0.0.0", port), overlap: true }));
  await serve(kernel, "old", "narrow");
  await serve(kernel, "new", "wide");
  assert.equal(await answerAt("127.0.0.1", port), "old");
  await kernel.sockets.retire("narrow");
  assert.equal(await answerAt("127.0.0.1", port), "new");
  await killKernel(kernel);
  assert.equal((await kernel.sockets.list()).length, made.length);
  assert.equal(await answerAt("127.0.0.1", port), "new");
  await serve(kernel, "back", "narrow");
  assert.equal(await answerAt("127.0.0.1", port), "back");
  for (const name of ["old", "new", "back"]) await kernel.processes.signal(name, "KILL");
});
