import assert from "node:assert/strict";

import { eventually } from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";

/** The port of the inspector that SIGUSR1 opens in a process of Node.js. */
const INSPECTOR = "http://127.0.0.1:9229/json/list";

/** Run in the process: the bytes of its living objects and buffers, without compiled code. */
const READ = `(() => {
  globalThis.gc({ type: "major", execution: "sync" });
  const { getHeapSpaceStatistics } = process.getBuiltinModule("node:v8");
  const spaces = getHeapSpaceStatistics().filter((each) => /^(old|large_object)_space$/.test(each.space_name));
  const used = spaces.reduce((sum, each) => sum + each.space_used_size, 0);
  // Ended when the answer has left.
  setTimeout(() => process.getBuiltinModule("node:inspector").close(), 50);
  return process.pid + " " + (used + process.memoryUsage().external);
})()`;

/**
 * The bytes of the living objects and buffers of another process of Node.js after a full collection. One process of the
 * machine at a time: each opens its inspector on the same port.
 */
export async function liveBytes(pid: number): Promise<number> {
  sendSignal(pid, "SIGUSR1");
  const url = await eventually(() => inspectorUrl(), `the inspector of ${pid} answers`);
  const socket = new WebSocket(url);
  const answered = Promise.withResolvers<string>();
  socket.addEventListener("message", ({ data }) => answered.resolve(String(data)));
  socket.addEventListener("error", () => answered.reject(new Error("the inspector failed")));
  await new Promise((resolve) => socket.addEventListener("open", resolve, { once: true }));
  const params = { expression: READ, returnByValue: true };
  socket.send(JSON.stringify({ id: 1, method: "Runtime.evaluate", params }));
  const found = /"value":"(\d+) (\d+)"/.exec(await answered.promise);
  assert.equal(Number(found?.[1]), pid, "another process has the port of the inspector");
  await eventually(async () => (await inspectorUrl()) === undefined, "the inspector is closed");
  return Number(found?.[2]);
}

async function inspectorUrl(): Promise<string | undefined> {
  try {
    const list = await (await fetch(INSPECTOR, { headers: { connection: "close" } })).text();
    return /"webSocketDebuggerUrl": "(.+)"/.exec(list)?.[1];
  } catch {
    // The port is closed.
    return undefined;
  }
}
