import assert from "node:assert/strict";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { test } from "node:test";

import { serveTestKernel } from "./session/wire.ts";

/** The replies to a client that sends all its lines at once and then ends its side. */
async function answersTo(port: number, lines: readonly string[]): Promise<string> {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  socket.end(lines.map((line) => `${line}\n`).join(""));
  const answers = await text(socket);
  return answers.slice(answers.indexOf("> ") + 2);
}

test("changes of values are answered in order once they are on the disk, also to a client that has ended", async (t) => {
  const { server } = await serveTestKernel(t);
  const port = server.port ?? assert.fail("the kernel has no port");
  const lines = ["set a 1", "get a", "set a", "get a", "set b 2", "remove values b", "get b"];
  assert.equal(await answersTo(port, [...lines, "set c 3"]), "\n> 1\n> \n> \n> \n> \n> \n> \n> ");
  const json = [1, 2].map((id) => JSON.stringify({ id, do: "set", name: `j${id}`, value: "x" }));
  const replies = (await answersTo(port, json)).trim().split("\n");
  assert.deepEqual(
    replies.map((reply): unknown => JSON.parse(reply)),
    [
      { id: 1, ok: null },
      { id: 2, ok: null },
    ],
  );
});
