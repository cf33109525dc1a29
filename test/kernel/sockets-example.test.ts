import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { connectKernel } from "../../src/kernel/client/client.ts";
import { eventually, isAlive } from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";
import { startDaemon } from "./client/daemon.ts";

const EXAMPLE = fileURLToPath(new URL("../../examples/sockets/sockets.ts", import.meta.url));

test("the sockets example: a second run finds everything and reads the printed lines, a third only the new ones", async (t) => {
  const { home } = await startDaemon(t);
  const kernel = await connectKernel({ home });
  t.after(() => kernel.close());
  const run = async (...args: string[]): Promise<string> => {
    const env = { ...process.env, NEWEL_HOME: home.directory };
    const options = { env, encoding: "utf8" } as const;
    const { stdout, stderr } = await promisify(execFile)(
      process.execPath,
      [EXAMPLE, ...args],
      options,
    );
    assert.equal(stderr, "");
    return stdout;
  };

  const first = await run();
  const pid = Number(/^made example\.server with pid (\d+)$/m.exec(first)?.[1]);
  t.after(() => isAlive(pid) && sendSignal(pid, "SIGKILL"));
  const port = Number(/^made example\.web on port (\d+)$/m.exec(first)?.[1]);
  assert.match(first, /^made example\.receiver with pid \d+$/m);
  await eventually(
    async () => (await kernel.processes.list("example.receiver"))[0]?.closed,
    "the receiver has ended",
  );

  const second = (await run()).split("\n");
  assert.deepEqual(
    second.filter((line) => line.startsWith("received")),
    [1, 2, 3].map((number) => `received: hello number ${number}`),
  );
  assert.deepEqual(
    second.filter((line) => line.startsWith("answering")),
    [1, 2, 3].map((number) => `answering request ${number}`),
  );
  assert.ok(second.includes(`found example.server with pid ${pid}, running`));
  assert.match(second.join("\n"), /^found example\.receiver with pid \d+, ended$/m);

  const answer = await fetch(`http://127.0.0.1:${port}`, { headers: { connection: "close" } });
  assert.equal(await answer.text(), "hello number 4\n");
  const third = `found example.server with pid ${pid}, running\nanswering request 4\n`;
  await eventually(
    async () => (await kernel.processes.tail("example.server", 9)).length === 4,
    "4",
  );
  assert.equal(await run(), third);

  assert.equal(await run("stop"), "stopped\n");
  await eventually(() => !isAlive(pid), "the server is gone");
  await eventually(async () => (await kernel.processes.list()).length === 0, "an empty list");
  assert.deepEqual(await kernel.sockets.list(), []);
  assert.deepEqual(await kernel.values.list(), []);
});
