import assert from "node:assert/strict";
import { once } from "node:events";
import { readlinkSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { homeAt, type Home } from "../../src/base/home.ts";
import { connectKernel } from "../../src/kernel/client/client.ts";
import type { KernelClient } from "../../src/kernel/client-api.ts";
import { takeStored } from "../../src/kernel/fd-store.ts";
import { listenToDatagrams } from "../helpers/notify-socket.ts";
import { eventually, startProcess, temporaryDirectory } from "../helpers/resources.ts";
import { MAIN } from "./client/daemon.ts";

const SERVER =
  'require("net").createServer((c) => c.on("error", () => c.destroy()).end("served")).listen({ fd: $(socket.shop/web.fileno) })';

/** Sets LISTEN_PID as systemd does: only the process itself knows its pid. */
const AS_SYSTEMD = 'LISTEN_PID=$$ exec "$0" "$@"';

/** A kernel started as by systemd, with the descriptors of its store. */
async function startKernel(
  t: TestContext,
  home: Home,
  notify: string,
  stored: Readonly<Record<string, number>> = {},
): Promise<{ kill(): Promise<unknown>; pid: number; client: KernelClient }> {
  const command = [process.execPath, MAIN, "--home", home.directory];
  const child = startProcess(t, "/bin/sh", ["-c", AS_SYSTEMD, ...command], {
    env: {
      PATH: process.env["PATH"],
      NOTIFY_SOCKET: notify,
      LISTEN_FDS: String(Object.keys(stored).length),
      LISTEN_FDNAMES: Object.keys(stored).join(":"),
    },
    stdio: ["ignore", "ignore", "inherit", ...Object.values(stored)],
  });
  const client = await eventually(
    () => connectKernel({ home, autostart: false }).catch(() => undefined),
    "the kernel answers",
  );
  t.after(() => client.close());
  const kill = async (): Promise<unknown> => {
    await client.close();
    child.kill("SIGKILL");
    return once(child, "exit");
  };
  return { kill, pid: child.pid ?? 0, client };
}

function inodeOf(pid: number, fileno: number | undefined): string {
  return readlinkSync(`/proc/${pid}/fd/${fileno}`);
}

test("a socket that no process holds survives the kernel in systemd's store, with the waiting connections", async (t) => {
  const home = homeAt(temporaryDirectory(t));
  const notify = join(temporaryDirectory(t), "notify");
  const datagrams = listenToDatagrams(t, notify);
  const storedAs = (stands: string): number | undefined =>
    datagrams().find(({ text }) => text === `FDSTORE=1\nFDPOLL=0\nFDNAME=${stands}`)?.fd;

  const first = await startKernel(t, home, notify);
  const made = await first.client.sockets.make({ name: "shop/web" });
  const gone = await first.client.sockets.make({ name: "gone" });
  const before = inodeOf(first.pid, made.fileno);
  const kept = await eventually(() => storedAs("newel-shop%2Fweb"), "it is stored");
  const old = await eventually(() => storedAs("newel-gone"), "the other is stored");
  await first.client.sockets.remove("gone");
  const removal = "FDSTOREREMOVE=1\nFDNAME=newel-gone";
  await eventually(() => datagrams().some(({ text }) => text === removal), "and taken out");
  await first.kill();

  // Only the store has the socket now: this connection waits in its queue.
  const waiting = connect(made.port ?? 0, "127.0.0.1");
  t.after(() => void waiting.destroy());
  await once(waiting, "connect");
  const heard = datagrams().length;
  const second = await startKernel(t, home, notify, {
    "newel-shop%2Fweb": kept,
    "newel-gone": old,
  });
  const [web, ...others] = await second.client.sockets.list();
  assert.deepEqual(others, []);
  assert.deepEqual({ ...web, fileno: 0 }, { ...made, fileno: 0 });
  assert.equal(inodeOf(second.pid, web?.fileno), before);
  assert.notEqual(gone.port, made.port);
  await eventually(
    () =>
      datagrams()
        .slice(heard)
        .some(({ text }) => text === removal),
    "what no journal knows is taken out again",
  );

  const answer = once(waiting, "data");
  await second.client.processes.make({
    name: "server",
    args: [process.execPath, "-e", SERVER],
    env: {},
  });
  assert.equal(String((await answer)[0]), "served");
  await second.client.processes.signal("server", "KILL");
});

test("descriptors passed to another process are not taken, and their variables are removed", () => {
  const environment = { LISTEN_PID: "1", LISTEN_FDS: "1", LISTEN_FDNAMES: "newel-x", HOME: "/" };
  assert.deepEqual(takeStored(environment), {});
  assert.deepEqual(environment, { HOME: "/" });
});
