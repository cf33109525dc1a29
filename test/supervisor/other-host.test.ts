// A port moves from one host to another while clients call it all the time.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { connect, isIPv4 } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";

import { everyAddress, hasIpv6, reachable } from "../helpers/reach.ts";
import { cleanUp, eventually, freePort, type Scope } from "../helpers/resources.ts";
import { SupervisedApp } from "../helpers/supervised.ts";

const PROGRAM = `
  import { createServer } from "node:http";
  const server = createServer((request, response) => {
    response.setHeader("connection", "close");
    response.end(String(process.pid));
  });
  server.listen(LISTEN);
  process.once("SIGTERM", () => server.close(() => process.exit()));`;

/** Serves until it is asked to stop; Python knows nothing of the preload. */
const PYTHON = `
import os, signal, socket
stop = False
def end(*_):
    global stop
    stop = True
signal.signal(signal.SIGTERM, end)
server = socket.socket(fileno=3)
server.settimeout(0.02)
while not stop:
    try:
        client, _ = server.accept()
    except (TimeoutError, BlockingIOError):
        continue
    client.settimeout(5)
    client.recv(4096)
    body = str(os.getpid()).encode()
    client.sendall(b"HTTP/1.1 200 OK\\r\\nConnection: close\\r\\n\\r\\n" + body)
    client.close()
`;

type Kind = "node" | "python";
const withoutPython = spawnSync("python3", ["--version"]).status === 0 ? false : "needs python3";

/** Unchanged in each configuration: the Node.js program asks for every address. */
function service(app: SupervisedApp, kind: Kind, port: number): Record<string, unknown> {
  const ready = { timeout: "20s", stable: "10ms" };
  if (kind === "python") return { run: ["python3", app.write("server.py", PYTHON)], ready };
  return { node: app.write("server.mjs", PROGRAM.replace("LISTEN", String(port))), ready };
}

async function call(host: string, port: number): Promise<string> {
  const socket = connect(port, host);
  let text = "";
  socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
  const closed = new Promise((resolve) => {
    socket.on("error", (error) => (text += error.message)).on("close", resolve);
  });
  socket.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  await closed;
  return /\r\n\r\n(.*)$/s.exec(text)?.[1] ?? text;
}

/** Leaves the processor to the processes that are tested. */
const PAUSE_MS = 2;

/** Calls the hosts until it is stopped. */
function keepCalling(
  scope: Scope,
  hosts: readonly string[],
  port: number,
): { readonly served: () => number; readonly stop: () => Promise<readonly string[]> } {
  const abort = new AbortController();
  const failed: string[] = [];
  let served = 0;
  const loop = async (host: string): Promise<void> => {
    while (!abort.signal.aborted) {
      const answer = await call(host, port);
      if (/^\d+$/.test(answer)) served += 1;
      else failed.push(`${host}: ${answer}`);
      await sleep(PAUSE_MS);
    }
  };
  const loops = hosts.map((host) => loop(host));
  const stop = async (): Promise<readonly string[]> => {
    abort.abort();
    await Promise.all(loops);
    return failed;
  };
  cleanUp(scope, () => abort.abort());
  return { served: () => served, stop };
}

/** The addresses at which the port is reached once the kernel has only the socket of this host. */
async function reachableOnly(
  app: SupervisedApp,
  host: string,
  port: number,
): Promise<readonly string[]> {
  const kernel = await app.kernel();
  const sockets = await kernel.sockets.list();
  assert.deepEqual(
    sockets.map((socket) => socket.host),
    [host],
  );
  const alone = { "127.0.0.1": ["127.0.0.1"], "::1": ["::1"] }[host] ?? everyAddress;
  const wanted = alone.filter((address) => host === "::" || isIPv4(address) === isIPv4(host));
  const isDone = async (): Promise<boolean> => {
    const found = await reachable(port);
    return JSON.stringify(found) === JSON.stringify(wanted);
  };
  // A second holder of the sockets closes its copies a moment after the kernel.
  await eventually(isDone, `${host} is reached at ${wanted.join(", ")}`);
  return wanted;
}

const HOSTS = ["127.0.0.1", "0.0.0.0", ...(hasIpv6 ? ["::1", "::"] : [])];
const listenOf = (host: string, port: number): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;

for (const kind of ["node", "python"] as const) {
  const skip = kind === "python" && withoutPython;
  for (const [index, from] of HOSTS.slice(0, -1).entries()) {
    test(
      `${kind}: a port moves between ${from} and ${HOSTS.slice(index + 1).join(", ")}, and no request is lost`,
      { skip },
      async (t) => {
        for (const to of HOSTS.slice(index + 1)) {
          const app = new SupervisedApp(t);
          const port = await freePort();
          const base = { ...service(app, kind, port), replicas: 2 };
          const at = async (host: string): Promise<readonly string[]> => {
            const listen = listenOf(host, port);
            const { ok, failed, changed } = await app.up({
              services: { web: { ...base, listen } },
            });
            assert.deepEqual([ok, changed], [true, true], JSON.stringify(failed));
            return reachableOnly(app, host, port);
          };
          const before = await at(from);
          const pids = await app.pids("web");
          const after = await at(to);
          const common = before.filter((host) => after.includes(host));
          const load = keepCalling(t, common, port);
          assert.deepEqual(await at(from), before, `${to} to ${from}`);
          assert.deepEqual(await at(to), after, `${from} to ${to}`);
          const served = load.served();
          if (common.length > 0) await eventually(() => load.served() > served, "it serves on");
          assert.deepEqual(await load.stop(), [], `${from} and ${to}`);
          const left = Object.values(await app.pids("web"));
          assert.ok(Object.values(pids).every((pid) => !left.includes(pid)));
        }
      },
    );
  }
}

test("a move to another host that fails leaves the former host as it was", async (t) => {
  const app = new SupervisedApp(t);
  const port = await freePort();
  const web = { ...service(app, "node", port), replicas: 2 };
  const services = { web: { ...web, listen: `127.0.0.1:${port}` } };
  assert.ok((await app.up({ services })).ok);
  const load = keepCalling(t, ["127.0.0.1"], port);
  const broken = app.write("broken.mjs", "process.exit(3)");
  const wide = { web: { ...web, listen: `0.0.0.0:${port}` } };
  // The other service fails before, and after, the first one has moved.
  const late = { run: "sleep 3; exit 3", ready: { after: "20s", timeout: "30s", stable: "10ms" } };
  for (const other of [{ node: broken }, late]) {
    const up = await app.up({ services: { ...wide, other } });
    assert.deepEqual([up.ok, up.failed[0]?.service], [false, "other"]);
    const only = async (): Promise<boolean> => (await reachable(port)).join() === "127.0.0.1";
    await eventually(only, "the former host is the only one");
  }
  assert.ok((await app.up({ services: wide })).ok);
  assert.deepEqual(await load.stop(), []);
});

test("a service moves between a written host and the app's own without a lost request", async (t) => {
  const app = new SupervisedApp(t);
  const port = await freePort();
  const web = service(app, "node", port);
  const up = async (listen: string | number): Promise<readonly string[]> => {
    const { ok, failed } = await app.up({ services: { web: { ...web, listen } } });
    assert.ok(ok, JSON.stringify(failed));
    return reachable(port);
  };
  const every = await up(port);
  const load = keepCalling(t, ["127.0.0.1"], port);
  for (const host of HOSTS.filter((each) => each !== "::1")) {
    const there = await up(listenOf(host, port));
    assert.ok(there.includes("127.0.0.1"), host);
    assert.equal(there.includes("::1"), host === "::", host);
    assert.deepEqual(await up(port), every, `${host}, then the app's own`);
  }
  assert.deepEqual(await load.stop(), []);
});
