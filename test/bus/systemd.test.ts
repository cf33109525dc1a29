import assert from "node:assert/strict";
import { once } from "node:events";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";

import { Bus } from "../../src/bus/bus.ts";
import { notifySystemd } from "../../src/bus/plugins/systemd.ts";
import { headsOf, listenToNotify } from "../helpers/notify-socket.ts";
import { eventually, startProcess, temporaryDirectory } from "../helpers/resources.ts";
import { later } from "./watched-bus.ts";

const FIXTURE = fileURLToPath(new URL("fixtures/notify.ts", import.meta.url));

/** The fixture with this NOTIFY_SOCKET. */
function service(
  t: TestContext,
  path: string,
  environment: Record<string, string> = {},
  ...args: string[]
): { pid: number | undefined; kill: (signal: NodeJS.Signals) => void; ended: Promise<unknown> } {
  const env = { ...process.env, NOTIFY_SOCKET: path, ...environment };
  const child = startProcess(t, process.execPath, [FIXTURE, ...args], { env });
  let errors = "";
  child.stderr?.on("data", (chunk) => (errors += String(chunk)));
  const ended = once(child, "close").then(([code]) => [code, errors]);
  return { pid: child.pid, kill: (signal) => void child.kill(signal), ended };
}

for (const kind of ["path", "abstract"] as const) {
  test(`systemd is notified of start, graceful, restart and stop in order, on ${kind} sockets`, async (t) => {
    const path =
      kind === "path" ? join(temporaryDirectory(t), "notify") : `@newel-test-${process.pid}`;
    const messages = listenToNotify(t, path);
    const { pid, kill, ended } = service(t, path);
    const count = (line: string): number =>
      headsOf(messages()).filter((head) => head === line).length;
    await eventually(() => count("READY=1") === 1, "READY");
    kill("SIGUSR2");
    await eventually(() => count("READY=1") === 2, "READY after graceful");
    kill("SIGHUP");
    await eventually(() => count("READY=1") === 3, "READY of the next image");
    kill("SIGTERM");
    assert.deepEqual(await ended, [0, ""]);
    const order = ["READY=1", "RELOADING=1", "READY=1", "RELOADING=1", "READY=1", "STOPPING=1"];
    assert.deepEqual(headsOf(messages()), order);
    const all = messages().join("\n");
    assert.match(all, new RegExp(`MAINPID=${pid}\n`));
    assert.match(all, /RELOADING=1\nMONOTONIC_USEC=\d+\n/);
  });
}

test("the watchdog is pinged while alive() succeeds and the event loop runs", async (t) => {
  for (const way of ["word", "block"] as const) {
    const path = join(temporaryDirectory(t), "notify");
    const messages = listenToNotify(t, path);
    const { kill } = service(t, path, { WATCHDOG_USEC: "100000" }, way);
    const pings = (): number => headsOf(messages()).filter((head) => head === "WATCHDOG=1").length;
    await eventually(() => pings() >= 3, "pings");
    if (way === "word") kill("SIGUSR1");
    await eventually(async () => {
      const before = pings();
      await later(300);
      return pings() === before;
    }, `no ping any more: ${way}`);
  }
});

test("without NOTIFY_SOCKET no notification is sent", () => {
  assert.equal(notifySystemd(new Bus(), { environment: {} }), false);
});
