import assert from "node:assert/strict";
import { test } from "node:test";

import { connectKernel } from "../../../src/kernel/client/client.ts";
import type { KernelClient } from "../../../src/kernel/client-api.ts";
import { inReverse, Wire } from "../session/wire.ts";
import { startDaemon } from "./daemon.ts";

const FLOOD_BYTES = 60_000_000;
/** The limit for the kernel's growth with all of them together; without a bound it would be gigabytes. */
const GROWTH_BYTES = 128_000_000;

async function readFlood(client: KernelClient): Promise<void> {
  let read = 0;
  for await (const piece of client.processes.watch("flood")) {
    if ("ended" in piece) break;
    assert.equal(piece.gap, 0);
    assert.equal(piece.offset, read);
    read += piece.data.length;
    if (read === FLOOD_BYTES) break;
  }
  assert.equal(read, FLOOD_BYTES);
}

test("readers that never read cost a bounded amount of memory and slow no other client down", async (context) => {
  const t = inReverse(context);
  const { home } = await startDaemon(t);
  const client = await connectKernel({ home, autostart: false });
  t.after(() => client.close());
  await client.processes.make({
    name: "flood",
    args: ["/bin/sh", "-c", `head -c ${FLOOD_BYTES} /dev/zero; exec sleep 600`],
    env: { PATH: process.env["PATH"] ?? "" },
    bufsize: 128 << 20,
  });
  t.after(async () => void (await client.processes.signal("flood", "KILL", "tree")));
  // First without them, to measure how much a busy kernel grows anyway.
  await readFlood(client);
  const before = (await client.status()).memoryBytes;

  for (let index = 0; index < 40; index += 1) {
    const { socket } = await Wire.connect(t, { path: home.kernelSocket });
    socket.pause();
    if (index % 4 === 0) socket.write("watch processes flood\n");
    else if (index % 4 === 1) socket.write('{"id":1,"do":"events","since":0}\n');
    else if (index % 4 === 2) socket.write("help\n".repeat(50_000));
    else
      for (let id = 0; id < 200; id += 1)
        socket.write(`{"id":${id},"do":"watch processes","names":["flood"]}\n`);
  }

  await readFlood(client);
  const { memoryBytes } = await client.status();
  assert.ok(memoryBytes - before < GROWTH_BYTES, `grew by ${memoryBytes - before} bytes`);
});
