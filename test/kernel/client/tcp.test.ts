import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";

import { connectKernel } from "../../../src/kernel/client/client.ts";
import { NOBODY, withoutRoot } from "../../helpers/as-nobody.ts";
import { startProcess } from "../../helpers/resources.ts";
import { inReverse } from "../session/wire.ts";
import { ended, MAIN, startDaemon } from "./daemon.ts";

/** What a client of another uid is told on the port: in Node, since every machine here has it. */
const ASK = `
const socket = require("node:net").connect(Number(process.argv[1]), process.argv[2]);
socket.on("data", (chunk) => process.stdout.write(chunk));
socket.on("error", (error) => process.stdout.write(error.code));
socket.write("set evil yes\\n");
`;

test("the owner reaches the kernel by TCP", async (context) => {
  const t = inReverse(context);
  const { port } = await startDaemon(t, { port: 0 });
  const client = await connectKernel({ port: port ?? 0 });
  t.after(() => client.close());
  await client.values.set("a", "b");
  assert.equal(await client.values.get("a"), "b");
});

test(
  "another uid is refused, and nothing it says is obeyed",
  { skip: withoutRoot },
  async (context) => {
    const t = inReverse(context);
    const { port, home } = await startDaemon(t, { port: 0 });
    for (const address of ["127.0.0.1", "::ffff:127.0.0.1"]) {
      // Not this package's Node: another user may have no way into the checkout.
      const stranger = spawn("/usr/bin/env", ["node", "-e", ASK, String(port), address], {
        uid: NOBODY,
        gid: NOBODY,
        cwd: "/",
        env: { PATH: "/usr/local/bin:/usr/bin:/bin" },
        stdio: ["ignore", "pipe", "inherit"],
      });
      let said = "";
      stranger.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()));
      await once(stranger, "close");
      assert.match(said, new RegExp(`^Error: The peer with uid ${NOBODY} may not talk`));
    }
    const client = await connectKernel({ home, autostart: false });
    t.after(() => client.close());
    assert.equal(await client.values.get("evil"), undefined);
  },
);

test("a port that is in use is said, and no kernel is left", async (context) => {
  const t = inReverse(context);
  const { port } = await startDaemon(t, { port: 0 });
  await assert.rejects(
    startDaemon(t, { port: port ?? 0 }),
    /the kernel ended before it was ready: \d+/,
  );
});

test("arguments that are none are refused", async (context) => {
  const t = inReverse(context);
  for (const args of [["--port", "http"], ["--bogus"], ["extra"]]) {
    const child = startProcess(t, process.execPath, [MAIN, ...args]);
    assert.equal(await ended(child), 64);
  }
});
