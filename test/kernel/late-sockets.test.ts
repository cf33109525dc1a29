// Sockets that get their address after they were given to processes: `make socket later=1`, `bind socket`.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { describe, test } from "node:test";

import type { SocketInfo } from "../../src/kernel/api.ts";
import { connectKernel } from "../../src/kernel/client/client.ts";
import type { KernelClient } from "../../src/kernel/client-api.ts";
import { NOBODY, withoutRoot } from "../helpers/as-nobody.ts";
import { openTestKernel } from "../helpers/kernel.ts";
import { cleanUp, eventually, freePort, startProcess } from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";
import { startDaemon } from "./client/daemon.ts";

const hasIpv6 = Object.values(networkInterfaces())
  .flat()
  .some((address) => address?.address === "::1");

/**
 * Sends its name to each client of descriptor 3, from SIGUSR2 on. A client that resets its connection,
 * as `isOpen` does, must not end the server.
 */
const SERVER = `
  const answer = (client) => client.on('error', () => client.destroy()).end(process.argv[1]);
  process.on('SIGUSR2', () => require('net').createServer(answer).listen({ fd: 3 }));
  setInterval(() => undefined, 1e6);
  require('fs').writeSync(1, 'up');`;

async function isOpen(host: string, port: number): Promise<boolean> {
  const socket = connect(port, host);
  try {
    await once(socket, "connect");
    return true;
  } catch {
    // Refused: no server listens.
    return false;
  } finally {
    socket.destroy();
  }
}

/** The answer of a server; a connection that ends or stays without one is made again. */
async function answerAt(host: string, port: number): Promise<string> {
  return eventually(async () => {
    const socket = connect(port, host);
    try {
      const signal = AbortSignal.timeout(3_000);
      const [chunk] = (await once(socket, "data", { signal })) as [Buffer];
      return chunk.toString();
    } catch {
      return false;
    } finally {
      socket.destroy();
    }
  }, "an answer");
}

/** A program that has the socket and begins to listen only on request. */
async function startServer(
  kernel: KernelClient,
  name: string,
  socket: string,
): Promise<{ readonly pid: number; listen(): void }> {
  const args = [process.execPath, "-e", SERVER, name];
  const { pid } = await kernel.processes.make({ name, args, env: {}, sockets: [socket] });
  const up = async (): Promise<boolean> =>
    ((await kernel.processes.list(name))[0]?.output.out?.end ?? 0) > 0;
  await eventually(up, `${name} is up`);
  return { pid, listen: () => sendSignal(pid, "SIGUSR2") };
}

describe("a socket made with later=1", () => {
  test("has no address until it is bound, and serves from a process's first listen on", async (t) => {
    const { home } = await startDaemon(t);
    const kernel = await connectKernel({ home });
    cleanUp(t, () => kernel.close());
    const port = await freePort();
    const made = await kernel.sockets.make({ name: "web", port, backlog: 7, later: true });
    assert.deepEqual(without(made), {
      name: "web",
      family: "inet",
      type: "stream",
      backlog: 7,
      port,
      later: true,
    });
    assert.deepEqual(
      await kernel.sockets.make({ name: "web", port, backlog: 7, later: true }),
      made,
    );
    const server = await startServer(kernel, "server", "web");
    cleanUp(t, () => sendSignal(server.pid, "SIGKILL"));
    assert.equal(await isOpen("127.0.0.1", port), false);

    const bound = await kernel.sockets.bind({ name: "web", host: "127.0.0.1" });
    assert.deepEqual(bound, { ...made, host: "127.0.0.1" });
    assert.deepEqual(await kernel.sockets.bind({ name: "web", host: "127.0.0.1" }), bound);
    await assert.rejects(kernel.sockets.bind({ name: "web", host: "0.0.0.0" }), {
      code: "NEWEL_E_EXISTS",
    });
    assert.equal(await isOpen("127.0.0.1", port), false, "bound is not yet open");
    server.listen();
    await eventually(() => isOpen("127.0.0.1", port), "the process listens");
    assert.equal(await answerAt("127.0.0.1", port), "server");
    assert.equal(await isOpen("127.0.0.2", port), false);
  });

  test("refuses its clients after its removal although a process still has it", async (t) => {
    const { home } = await startDaemon(t);
    const kernel = await connectKernel({ home });
    cleanUp(t, () => kernel.close());
    const port = await freePort();
    await kernel.sockets.make({ name: "web", port, later: true });
    const server = await startServer(kernel, "server", "web");
    cleanUp(t, () => sendSignal(server.pid, "SIGKILL"));
    await kernel.sockets.bind({ name: "web", host: "127.0.0.1" });
    server.listen();
    await eventually(() => isOpen("127.0.0.1", port), "the process listens");
    await kernel.sockets.remove("web");
    assert.equal(await isOpen("127.0.0.1", port), false);
    // The remaining copy in the process does not prevent a new socket on the same address.
    await kernel.sockets.make({ name: "web", port, later: true });
    await kernel.sockets.bind({ name: "web", host: "127.0.0.1" });
  });

  const families = [
    { family: "inet", host: "127.0.0.1" },
    { family: "inet", host: "0.0.0.0" },
    ...(hasIpv6
      ? ([
          { family: "inet6", host: "::1" },
          { family: "inet6", host: "::" },
          { family: "inet6", host: "::", ipv6Only: true },
          { family: "inet6", host: "::ffff:127.0.0.1" },
        ] as const)
      : []),
  ] as const;
  for (const { family, host, ...only } of families) {
    const text = `${host}${"ipv6Only" in only ? " without IPv4" : ""}`;
    test(`keeps ${text} when the kernel is killed, and when it is upgraded`, async (t) => {
      const { home, child } = await startDaemon(t);
      const kernel = await connectKernel({ home });
      cleanUp(t, () => kernel.close());
      const port = await freePort();
      await kernel.sockets.make({ name: "web", family, port, later: true });
      await kernel.sockets.make({ name: "spare", family, port, later: true });
      const server = await startServer(kernel, "server", "web");
      cleanUp(t, () => sendSignal(server.pid, "SIGKILL"));
      const bound = await kernel.sockets.bind({ name: "web", host, ...only });
      server.listen();
      const client = host.startsWith("::") && host.length <= 3 ? "::1" : "127.0.0.1";
      await eventually(() => isOpen(client, port), "the process listens");

      const shown = async (): Promise<readonly object[]> =>
        (await kernel.sockets.list()).map(without);
      const before = await shown();
      assert.deepEqual(before[1], without(bound));
      await kernel.upgrade();
      assert.deepEqual(await shown(), before);
      assert.equal(await answerAt(client, port), "server");
      child.kill("SIGKILL");
      await once(child, "exit");
      assert.deepEqual(await shown(), before);
      assert.equal(await answerAt(client, port), "server");
      assert.equal(await isOpen("127.0.0.2", port), host === "0.0.0.0" || text === "::");
      cleanUp(t, async () => sendSignal((await kernel.status()).pid, "SIGKILL"));
    });
  }

  test("is refused where another program has the port, at any address", async (t) => {
    const { kernel } = openTestKernel(t);
    for (const host of hasIpv6 ? ["127.0.0.1", "0.0.0.0", "::1", "::"] : ["127.0.0.1", "0.0.0.0"]) {
      const other = createServer().listen(0, host);
      await once(other, "listening");
      const { port } = other.address() as { port: number };
      const family = host.includes(":") ? "inet6" : "inet";
      assert.throws(() => kernel.sockets.make({ name: "web", family, port, later: true }), {
        code: "NEWEL_E_ADDRESS_IN_USE",
      });
      other.close();
    }
    assert.deepEqual(kernel.sockets.list(), []);
  });

  test("stays unbound where bind fails, and can be bound elsewhere", async (t) => {
    const { kernel } = openTestKernel(t);
    const port = await freePort();
    kernel.sockets.make({ name: "web", port, later: true });
    const other = createServer().listen(port, "127.0.0.1");
    await once(other, "listening");
    t.after(() => void other.close());
    assert.throws(() => kernel.sockets.bind({ name: "web", host: "127.0.0.1" }), {
      code: "NEWEL_E_ADDRESS_IN_USE",
    });
    assert.throws(() => kernel.sockets.bind({ name: "web", host: "192.0.2.1" }), {
      code: "NEWEL_E_SYSCALL",
      message: /does not have the address/,
    });
    assert.throws(() => kernel.sockets.bind({ name: "web", host: "::1" }), {
      code: "NEWEL_E_COMMAND",
    });
    assert.equal(kernel.sockets.bind({ name: "web", host: "127.0.0.2" }).host, "127.0.0.2");
  });

  test("accepts no other setting that decides an address", (t) => {
    const { kernel } = openTestKernel(t);
    for (const wrong of [
      { host: "127.0.0.1" },
      { path: "/tmp/x" },
      { reuseport: true },
      { interface: "lo" },
      { type: "dgram" as const },
      { port: 0 },
    ]) {
      assert.throws(
        () => kernel.sockets.make({ name: "web", port: 40_000, later: true, ...wrong }),
        { code: "NEWEL_E_COMMAND", message: /later=1/ },
      );
    }
  });
});

function without(info: SocketInfo): object {
  const { fileno: _, ...rest } = info;
  return rest;
}

test("a port below 1024 without rights is named with the fix", { skip: withoutRoot }, async (t) => {
  const script = `
      import { openKernel } from ${JSON.stringify(new URL("../../src/kernel/kernel.ts", import.meta.url).href)};
      import { homeAt } from ${JSON.stringify(new URL("../../src/base/home.ts", import.meta.url).href)};
      import { mkdtempSync } from "node:fs";
      process.setgid(${NOBODY}); process.setuid(${NOBODY});
      const home = homeAt(mkdtempSync("/tmp/newel-rights-"));
      const kernel = openKernel(home, { version: "test", notice: () => undefined });
      for (const later of [false, true]) {
        try { kernel.sockets.make({ name: "web", port: 81, later }); console.log("made"); }
        catch (error) { console.log(error.code, error.message, error.fix); }
      }
      await kernel.close();`;
  const child = startProcess(t, process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout?.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  await once(child, "close");
  const lines = text.trim().split("\n");
  assert.equal(lines.length, 2, text);
  for (const line of lines)
    assert.match(
      line,
      /^NEWEL_E_PORT_RIGHTS newel is not permitted to bind port 81: .* below 1024\. .*unprivileged_port_start=81/,
    );
});
