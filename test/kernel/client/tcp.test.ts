import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { connectKernel } from "../../../src/kernel/client/client.ts";
import { NOBODY, withoutRoot } from "../../helpers/as-nobody.ts";
import { eventually, startProcess } from "../../helpers/resources.ts";
import { inReverse } from "../session/wire.ts";
import { ended, MAIN, startDaemon } from "./daemon.ts";

/** Prints the kernel's answer to a client of another uid: in Node, because every test machine has it. */
const ASK = `
const socket = require("node:net").connect(...JSON.parse(process.argv[1]));
socket.on("data", (chunk) => process.stdout.write(chunk));
socket.on("error", (error) => process.stdout.write(error.code));
socket.write("set evil yes\\n");
`;

/** Prints the result of reading each path. */
const LOOK = `
const { readdirSync, readFileSync, statSync } = require("node:fs");
for (const path of JSON.parse(process.argv[1]))
  try {
    console.log(statSync(path).isDirectory() ? readdirSync(path) : readFileSync(path, "utf8"));
  } catch (error) {
    console.log(error.code);
  }
`;

/** Runs a script as uid 65534 and returns its output. */
async function askAsNobody(script: string, argument: unknown): Promise<string> {
  // Not this package's Node: another user may not be able to enter the checkout.
  const stranger = spawn("/usr/bin/env", ["node", "-e", script, JSON.stringify(argument)], {
    uid: NOBODY,
    gid: NOBODY,
    cwd: "/",
    env: { PATH: "/usr/local/bin:/usr/bin:/bin" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  stranger.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()));
  await once(stranger, "close");
  return said;
}

test("the owner reaches the kernel by TCP", async (context) => {
  const t = inReverse(context);
  const { port } = await startDaemon(t, { port: 0 });
  const client = await connectKernel({ port: port ?? 0 });
  t.after(() => client.close());
  await client.values.set("a", "b");
  assert.equal(await client.values.get("a"), "b");
});

test(
  "another uid is refused, and its requests are ignored",
  { skip: withoutRoot },
  async (context) => {
    const t = inReverse(context);
    const { port, home } = await startDaemon(t, { port: 0 });
    for (const address of ["127.0.0.1", "::ffff:127.0.0.1"]) {
      const said = await askAsNobody(ASK, [port, address]);
      assert.match(
        said,
        new RegExp(
          `^Error: The process at the other end of the connection belongs to another user \\(uid ${NOBODY}\\)`,
        ),
      );
    }
    const client = await connectKernel({ home, autostart: false });
    t.after(() => client.close());
    assert.equal(await client.values.get("evil"), undefined);
  },
);

test(
  "another uid cannot read a home, and is refused on the socket even where its modes were opened",
  { skip: withoutRoot },
  async (context) => {
    const t = inReverse(context);
    const { home } = await startDaemon(t);
    const client = await connectKernel({ home, autostart: false });
    t.after(() => client.close());
    await client.processes.make({ name: "p", args: ["/bin/echo", "printed"] });
    await eventually(async () => (await client.processes.list("p"))[0]?.closed, "its output");
    const [spool = ""] = readdirSync(home.spoolDirectory);
    const inside = [home.journal, home.spoolDirectory, join(home.spoolDirectory, spool)];
    const looked = await askAsNobody(LOOK, [home.directory, ...inside]);
    assert.equal(looked, "EACCES\n".repeat(4));
    assert.equal(await askAsNobody(ASK, [home.kernelSocket]), "EACCES");

    chmodSync(home.directory, 0o755);
    chmodSync(home.kernelSocket, 0o666);
    const inner = await askAsNobody(LOOK, inside);
    assert.equal(inner, "EACCES\n".repeat(3), "each file and directory is closed itself");
    const said = await askAsNobody(ASK, [home.kernelSocket]);
    assert.match(
      said,
      new RegExp(
        `^Error: The process at the other end of the connection belongs to another user \\(uid ${NOBODY}\\)`,
      ),
    );
    assert.equal(await client.values.get("evil"), undefined);
  },
);

test("a port in use is reported, and no kernel is left", async (context) => {
  const t = inReverse(context);
  const { port } = await startDaemon(t, { port: 0 });
  await assert.rejects(
    startDaemon(t, { port: port ?? 0 }),
    /the kernel ended before it was ready: \d+/,
  );
});

test("invalid arguments are refused", async (context) => {
  const t = inReverse(context);
  for (const args of [["--port", "http"], ["--bogus"], ["extra"]]) {
    const child = startProcess(t, process.execPath, [MAIN, ...args]);
    assert.equal(await ended(child), 64);
  }
});
