import assert from "node:assert/strict";
import { test } from "node:test";

import { connectKernel } from "../../../src/kernel/client/client.ts";
import { cleanUp, eventually } from "../../helpers/resources.ts";
import { inReverse } from "../session/wire.ts";
import { startDaemon } from "./daemon.ts";

test("stderr output of a process is not displaced by stdout output of the same moment", async (context) => {
  const t = inReverse(context);
  const { home } = await startDaemon(t);
  const client = await connectKernel({ home });
  cleanUp(t, () => client.close());
  const args = ["/bin/sh", "-c", "echo why >&2; seq 30"];
  await client.processes.make({ name: "failing", args, env: { PATH: process.env["PATH"] ?? "" } });
  await eventually(
    async () => (await client.processes.list("failing"))[0]?.endedMs !== undefined,
    "its end",
  );
  assert.deepEqual(await client.processes.tail("failing", 3), ["29", "30", "why"]);
});
