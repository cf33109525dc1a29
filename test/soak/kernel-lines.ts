// Soak: random and mutated lines against a kernel, next to idle connections and readers that never
// read. `node test/soak/kernel-lines.ts [lines] [seed]`; one line at the end, exit code 1 on failure.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";

import { connectKernel } from "../../src/kernel/client/client.ts";
import { startDaemon } from "../kernel/client/daemon.ts";
import { HostileLines } from "../kernel/session/hostile-lines.ts";
import type { Scope } from "../helpers/resources.ts";

const LINES = Number(process.argv[2] ?? 1_000_000);
const SEED = Number(process.argv[3] ?? Date.now() % 2 ** 31);
const IDLE = 10_000;
const STUCK = 50;
const LINES_EACH = 2_000;
/** The kernel's memory at the end may exceed its size after the warm-up by this much. */
const GROWTH_BYTES = 150_000_000;

/** Connects and waits to be greeted, so that no more than one is waiting to be accepted. */
async function open(path: string): Promise<Socket> {
  const socket = connect(path);
  await once(socket, "data");
  return socket;
}

/** Sends lines over one connection until it has its share or is closed, reading all answers. */
async function assault(
  path: string,
  lines: HostileLines,
  count: number,
): Promise<{ readonly sent: number; readonly bytes: number }> {
  const socket = await open(path);
  let bytes = 0;
  socket.on("data", (chunk: Buffer) => (bytes += chunk.length));
  socket.on("error", () => socket.destroy());
  const closed = new Promise((resolve) => socket.once("close", resolve));
  let sent = 0;
  for (; sent < count && socket.writable; sent += 1) {
    // Now and then the answers are waited for, so that a closed connection is noticed.
    if (sent % 100 === 99) await new Promise((resolve) => setImmediate(resolve));
    if (!socket.write(lines.next()))
      await Promise.race([once(socket, "drain").catch(() => closed), closed]);
  }
  socket.end();
  await closed;
  return { sent, bytes };
}

async function run(scope: Scope): Promise<string> {
  const { home, child } = await startDaemon(scope);
  const client = await connectKernel({ home, autostart: false });
  scope.after(() => client.close());
  await client.processes.make({ name: "steady", args: ["/bin/sleep", "86400"] });
  scope.after(async () => void (await client.processes.signal("steady", "KILL")));
  const idle = new Set<Socket>();
  // An upgrade, which the lines may ask for, closes them.
  const fillIdle = async (): Promise<void> => {
    while (idle.size < IDLE) {
      const socket = await open(home.kernelSocket);
      idle.add(socket);
      socket.once("close", () => idle.delete(socket));
      socket.once("end", () => socket.end());
      socket.on("error", () => socket.destroy());
    }
  };
  await fillIdle();
  scope.after(() => idle.forEach((socket) => socket.destroy()));
  for (const socket of [...idle].slice(0, STUCK)) {
    socket.pause();
    socket.write("help\n".repeat(20_000));
  }
  const lines = new HostileLines(SEED);
  await assault(home.kernelSocket, lines, LINES_EACH);
  const warm = (await client.status()).memoryBytes;

  const started = performance.now();
  let sent = 0;
  let answered = 0;
  let connections = 0;
  let worstMs = 0;
  let upgrades = 0;
  while (sent < LINES) {
    const count = Math.min(LINES_EACH, LINES - sent);
    const share = await assault(home.kernelSocket, lines, count);
    answered += share.bytes;
    sent += share.sent;
    connections += 1;
    const asked = performance.now();
    assert.equal((await client.status()).pid, child.pid, "another kernel answers");
    worstMs = Math.max(worstMs, performance.now() - asked);
    if (idle.size < IDLE - STUCK) {
      upgrades += 1;
      await fillIdle();
    }
  }
  const seconds = (performance.now() - started) / 1_000;
  const { memoryBytes } = await client.status();
  assert.ok(memoryBytes - warm < GROWTH_BYTES, `memory grew from ${warm} to ${memoryBytes}`);
  assert.equal((await client.processes.list("steady"))[0]?.running, true, "a process was lost");
  assert.equal(child.exitCode, null);
  return `${sent} lines over ${connections} connections in ${seconds.toFixed(0)} s, ${answered} bytes of answers, ${IDLE} idle connections, memory ${Math.round(warm / 1e6)} → ${Math.round(memoryBytes / 1e6)} MB, ${upgrades} upgrades, slowest status ${worstMs.toFixed(1)} ms`;
}

const ends: (() => unknown)[] = [];
try {
  console.log(
    `kernel-lines: ok: ${await run({ after: (end) => void ends.push(end) })} (seed ${SEED})`,
  );
} catch (error) {
  console.log(
    `kernel-lines: FAILED (seed ${SEED}): ${error instanceof Error ? error.stack : String(error)}`,
  );
  process.exitCode = 1;
} finally {
  for (const end of ends.reverse()) await end();
}
